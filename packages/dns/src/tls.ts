/**
 * DNS over TLS (RFC 7858): the same connections as over TCP, in TLS, with the server authenticated before it is asked
 * anything. A server that does not prove to be the one that was asked for is an error and never passed over.
 *
 * No session is resumed: a resumed one brings no certificate, and a verdict must not be inherited.
 */
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { checkServerIdentity, connect, type TLSSocket } from 'node:tls';
import { formatServer, type ServerAddress, type TlsIdentity } from './server-address.js';
import type { Dial, Dialled } from './tcp.js';
import { TransportError } from './transport-error.js';

/** RFC 8996: nothing older is to be spoken. */
const MIN_VERSION = 'TLSv1.2';

/** @param roots certificates (PEM) in place of the Web's roots, as this Node.js has them */
export function tlsDialler(roots?: readonly string[]): Dial {
  return (server) => dialTls(server, roots);
}

function dialTls(server: ServerAddress, roots?: readonly string[]): Dialled {
  const { address, port, tls: identity = { pins: [] } } = server;
  const { name } = identity;
  const socket = connect({
    host: address,
    port,
    minVersion: MIN_VERSION,
    // Judged below, so that the words are ours, and before a query is written.
    rejectUnauthorized: false,
    checkServerIdentity: (_host, certificate) => checkServerIdentity(name ?? address, certificate),
    // RFC 6066 section 3: no literal addresses.
    ...(name === undefined || isIP(name) !== 0 ? {} : { servername: name }),
    ...(roots === undefined ? {} : { ca: [...roots] }),
  });
  socket.setNoDelay(true);
  const label = `TLS to ${formatServer(server)}`;
  const authenticated = new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', () => {
      const flaw = identityFlaw(socket, identity);
      if (flaw === undefined) resolve();
      else reject(new TransportError('unauthenticated', `${label}: ${flaw}; it was asked nothing`));
    });
  });
  return { socket, name: label, authenticated };
}

/** Why this is not the server that was asked for; undefined where it is. */
function identityFlaw(socket: TLSSocket, { name, pins }: TlsIdentity): string | undefined {
  if (name !== undefined && !socket.authorized) {
    return `its certificate does not prove that it is ${name} (${errorText(socket.authorizationError)})`;
  }
  if (pins.length === 0) return undefined;
  const key = socket.getPeerX509Certificate()?.publicKey.export({ type: 'spki', format: 'der' });
  if (key === undefined) return 'it showed no certificate to compare with the pinned key';
  const fingerprint = createHash('sha256').update(key).digest('base64');
  if (pins.includes(fingerprint)) return undefined;
  return `its key has the fingerprint sha256-${fingerprint}, which is not pinned (RFC 7858 section 4.2)`;
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
