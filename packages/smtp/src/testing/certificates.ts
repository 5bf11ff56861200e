/** The certificates in `fixtures/`, and TLSA records for them. */
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { TlsaRecord } from '@danelaw/dane';

const read = (name: string): string => readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'latin1');

/** PEM. `leaf` is for mx.example.org and example.org, issued by `ca`; `other` belongs to nobody. */
export const leaf = read('leaf.pem');
export const leafKey = read('leaf.key');
export const ca = read('ca.pem');
export const other = read('other.pem');
/** `web` is for mta-sts.example.org, issued by `webCa`. */
export const web = read('web.pem');
export const webKey = read('web.key');
export const webCa = read('web-ca.pem');

export function der(pem: string): Uint8Array {
  return Uint8Array.from(new X509Certificate(pem).raw);
}

/** `usage 1 1`: the SHA2-256 digest of the certificate's public key. */
export function tlsaFor(pem: string, usage: 2 | 3): TlsaRecord {
  const key = new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' });
  return { usage, selector: 1, matchingType: 1, data: createHash('sha256').update(key).digest() };
}
