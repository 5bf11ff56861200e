/**
 * The certificates of a PKCS #12 file (RFC 7292), as a mail server that was given it would show them.
 *
 * Node.js lets OpenSSL open such files, but only for TLS (`createSecureContext({ pfx })`), and hands nothing out. So a TLS
 * server with the file is made, and a client beside it, in memory: what the client sees is the server's certificate and the
 * chain that is sent with it, and that there was a handshake proves that the private key in the file belongs to them. No
 * decryption is written here, no library is needed for it, and no private key leaves OpenSSL.
 */
import { duplexPair } from 'node:stream';
import { createSecureContext, type SecureContext, TLSSocket, connect as tlsConnect } from 'node:tls';
import { takeChain } from '@danelaw/dane';
import type { AskPassword } from './file-contents.js';

export type OpenedPkcs12 =
  | { readonly status: 'opened'; readonly chain: readonly Uint8Array[] }
  | { readonly status: 'refused'; readonly reason: string };

/** Whatever key is in it: the file is read, not judged. */
const CIPHERS =
  'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:DEFAULT:@SECLEVEL=0';

/** Rejects only with what `password` rejects with. */
export async function openPkcs12(pfx: Buffer, password: AskPassword): Promise<OpenedPkcs12> {
  // Many are made without a password, and nobody is to be asked for it.
  let made = contextOf(pfx, '');
  if (made === 'password') {
    made = contextOf(pfx, await password());
    if (made === 'password') return refused('the password does not open it');
  }
  return typeof made === 'string' ? refused(made) : await chainOf(made);
}

/** `password`: it would take another one. Any other string is why it can't be opened. */
function contextOf(pfx: Buffer, passphrase: string): SecureContext | string {
  try {
    return createSecureContext({ pfx, passphrase, ciphers: CIPHERS, minVersion: 'TLSv1.2' });
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    if (/mac verify failure|password/iu.test(words)) return 'password';
    if (/unsupported/iu.test(words)) {
      return (
        'it is PKCS #12 of an old kind (RC2, DES), which OpenSSL 3 does not open; make a new one with ' +
        '"openssl pkcs12 -legacy -in OLD -nodes | openssl pkcs12 -export -out NEW"'
      );
    }
    if (/private key/iu.test(words)) {
      return 'it is PKCS #12 without a private key; "openssl pkcs12 -nokeys -in FILE" makes PEM of its certificates';
    }
    return `it is neither a certificate nor a key in DER nor PKCS #12 (${words})`;
  }
}

async function chainOf(secureContext: SecureContext): Promise<OpenedPkcs12> {
  const [near, far] = duplexPair();
  const server = new TLSSocket(far, { isServer: true, secureContext });
  const client = tlsConnect({
    socket: near,
    ca: [],
    ciphers: CIPHERS,
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
  try {
    const chain = await new Promise<readonly Uint8Array[]>((resolve, reject) => {
      client.once('secureConnect', () => resolve(takeChain(client)));
      for (const each of [client, server]) each.on('error', reject);
      client.once('close', () => reject(new Error('the handshake was not finished')));
    });
    return { status: 'opened', chain };
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    return refused(`no TLS server could use its certificate and key: ${words}`);
  } finally {
    client.destroy();
    server.destroy();
  }
}

const refused = (reason: string): OpenedPkcs12 => ({ status: 'refused', reason });
