/**
 * Options for `tls.connect`, and for whatever passes options on to it, that let nobody through but a server which TLSA
 * records have vouched for.
 *
 * Options alone can't verify by TLSA. Node.js calls `checkServerIdentity` only where OpenSSL has found an anchor that it
 * trusts - which a DANE server need not have - and nothing else that options can hold is asked before the connection is
 * used. But options can *pin*: so the server is called once, verified as `connectDane` does it, and its certificate made
 * the only anchor. OpenSSL then accepts that certificate and those below it, and `checkServerIdentity` that one alone;
 * `rejectUnauthorized` is on, so that a connection to anybody else is destroyed before anybody can write to it.
 *
 * What that costs, beside a handshake:
 * - the options are about one certificate at one address. Where the server gets another one they fail, and have to be made
 *   anew; they do so too late where only a TLSA record was taken away (RFC 7672 section 4), so they are not to be kept;
 * - OpenSSL looks at dates and key usage, which DANE-EE does not: a server whose certificate has expired can be had by
 *   `connectDane` and not by options. It fails closed.
 */
import { constants, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { ConnectionOptions, PeerCertificate } from 'node:tls';
import { type ConnectOptions, connectDane } from './connect.js';
import { DaneConnectError } from './connect-error.js';
import type { AuthenticatedBy } from './secure-socket.js';

/** The lookup function of `net.connect`, in all the ways in which it is called. */
type Lookup = NonNullable<ConnectionOptions['lookup']>;

/** For `tls.connect`, `https.request`, and other ways to it. Nothing of it is to be changed; what is missing may be added. */
export interface DaneTlsOptions {
  readonly host: string;
  readonly port: number;
  /** The TLSA base domain, or where DANE does not apply the host. */
  readonly servername: string;
  /** Gives the address of the server that was verified, whatever the name. */
  readonly lookup: Lookup;
  /** PEM: the server's own certificate, the only one that is trusted. */
  readonly ca: string[];
  readonly allowPartialTrustChain: true;
  readonly rejectUnauthorized: true;
  readonly checkServerIdentity: (host: string, certificate: PeerCertificate) => Error | undefined;
  readonly minVersion: 'TLSv1.2';
  readonly secureOptions: number;
}

export interface VerifiedServer {
  readonly options: DaneTlsOptions;
  /** By what the server was authenticated when it was called. */
  readonly authenticated: AuthenticatedBy;
}

/**
 * Calls a server, verifies it, and gives options that connect to it and to nobody else.
 *
 * With `starttls` the options are for the TLS half: `tls.connect({ ...options, socket })`.
 *
 * @param host a host name; not an address, which no TLSA record can speak for
 * @throws (rejects) DaneConnectError; the signal's reason on abort; TypeError for an invalid name
 */
export async function daneTlsOptions(
  host: string,
  port: number,
  options: ConnectOptions,
): Promise<VerifiedServer> {
  const { socket, chain, authenticated, address, serverName } = await connectDane(host, port, options);
  socket.on('error', () => {}).destroy();
  const [leaf] = chain;
  if (leaf === undefined) throw new DaneConnectError('unauthenticated', `${host} has no certificate`);
  return {
    authenticated,
    options: {
      host,
      port,
      servername: serverName.replace(/\.$/u, ''),
      lookup: lookupOf(address),
      ca: [new X509Certificate(leaf).toString()],
      allowPartialTrustChain: true,
      rejectUnauthorized: true,
      checkServerIdentity: (_host, { raw }) => (isSame(raw, leaf) ? undefined : otherCertificate(host)),
      minVersion: 'TLSv1.2',
      // Another certificate could come with a renegotiation, and none is shown with a session that is resumed.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_TICKET,
    },
  };
}

function lookupOf(address: string): Lookup {
  const family = isIP(address);
  return (_name, { all }, callback) => {
    if (all === true) callback(null, [{ address, family }]);
    else callback(null, address, family);
  };
}

const isSame = (raw: Uint8Array | undefined, leaf: Uint8Array): boolean =>
  raw !== undefined && Buffer.compare(raw, leaf) === 0;

function otherCertificate(host: string): DaneConnectError {
  const words = `${host} shows another certificate than the one that was verified; verify it again`;
  return new DaneConnectError('unauthenticated', words);
}
