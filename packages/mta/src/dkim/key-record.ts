/**
 * DKIM keys, and the TXT records that publish them (RFC 6376 section 3.6.1, RFC 8463 section 4).
 *
 * The file is PEM. Above the key, where PEM has room for explanations (RFC 7468 section 2), stands the name that its
 * record belongs to, so that the record can be printed again from the file alone.
 */
import { createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

export type DkimKeyKind = 'rsa2048' | 'ed25519';

export interface KeyOwner {
  readonly domain: string;
  readonly selector: string;
}

/** The whole file. */
export async function makeKeyFile(kind: DkimKeyKind, { domain, selector }: KeyOwner): Promise<string> {
  const { privateKey } =
    kind === 'ed25519'
      ? await promisify(generateKeyPair)('ed25519')
      : await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
  return `DKIM key of ${selector}._domainkey.${domain}\n${pem.toString()}`;
}

/** Whose key it is, where the file says so. */
export function ownerOf(file: string): KeyOwner | undefined {
  const [, selector, domain] = /^DKIM key of (\S+)\._domainkey\.(\S+)$/mu.exec(file) ?? [];
  return selector === undefined || domain === undefined ? undefined : { domain, selector };
}

/** Octets of one string of a TXT record (RFC 1035 section 3.3.14). */
const STRING_OCTETS = 255;

/** What the record says: `v=DKIM1; k=rsa; p=...`. */
export function keyRecordText(privateKey: KeyObject): string {
  const publicKey = createPublicKey(privateKey);
  if (publicKey.asymmetricKeyType === 'ed25519') {
    // RFC 8463 section 4.2: the 32 octets of the key itself.
    const { x } = publicKey.export({ format: 'jwk' });
    return `v=DKIM1; k=ed25519; p=${Buffer.from(x ?? '', 'base64url').toString('base64')}`;
  }
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return `v=DKIM1; k=rsa; p=${spki.toString('base64')}`;
}

/** The record as it stands in a zone file, in strings of at most 255 octets. */
export function keyRecord(privateKey: KeyObject, owner: KeyOwner | undefined): string {
  const text = keyRecordText(privateKey);
  const strings: string[] = [];
  for (let start = 0; start < text.length; start += STRING_OCTETS) {
    strings.push(`"${text.slice(start, start + STRING_OCTETS)}"`);
  }
  const name = owner === undefined ? '' : `${owner.selector}._domainkey.${owner.domain}. `;
  return strings.length === 1
    ? `${name}IN TXT ${strings.join('')}`
    : `${name}IN TXT (\n    ${strings.join('\n    ')}\n)`;
}
