/**
 * A DKIM signature (RFC 6376, RFC 8463) on a message of our own making.
 *
 * "Reports sent via SMTP MUST contain a valid DKIM signature by the reporting domain" (RFC 8460 section 3),
 * so a message that can't be signed must not leave. Nodemailer's signer knows RSA alone, and sends unsigned
 * what it can't sign; this one signs with RSA or Ed25519, or throws.
 *
 * Both canonicalizations are "relaxed", the whole body is signed (`l=` is forbidden by section 3), and each
 * field is named once more than it occurs, so that nobody can add another one.
 */
import { createHash, createPrivateKey, type KeyObject, sign } from 'node:crypto';

export interface DkimKey {
  readonly domain: string;
  readonly selector: string;
  readonly key: KeyObject;
}

/** Bits; RFC 8301 section 3.2: "Signers MUST use RSA keys of at least 1024 bits". */
const MIN_RSA_BITS = 1024;

/**
 * @param pem a private key, RSA or Ed25519
 * @throws TypeError where it is none of these
 */
export function readDkimKey(domain: string, selector: string, pem: string): DkimKey {
  if (!/^[A-Za-z0-9._-]{1,120}$/u.test(selector)) throw new TypeError(`"${selector}" is no DKIM selector`);
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (error) {
    throw new TypeError(`it is no private key in PEM: ${error instanceof Error ? error.message : error}`);
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'rsa' && (details?.modulusLength ?? 0) >= MIN_RSA_BITS) return { domain, selector, key };
  if (type === 'ed25519') return { domain, selector, key };
  throw new TypeError(`a key of the type ${type} can't sign; RSA of ${MIN_RSA_BITS} bits or Ed25519 can`);
}

/**
 * Puts a signature in front of a message.
 *
 * @param message with CRLF line ends
 * @param fields names of header fields to sign; those that are missing are signed as missing
 * @param now milliseconds since the epoch
 */
export function signDkim(message: Uint8Array, fields: readonly string[], key: DkimKey, now: number): Buffer {
  const octets = Buffer.from(message);
  const end = octets.indexOf('\r\n\r\n');
  const text = octets.subarray(0, end < 0 ? octets.length : end).toString('latin1');
  const body = end < 0 ? '' : octets.subarray(end + 4).toString('latin1');
  const header = text.split(/\r\n(?![ \t])/u);
  const bodyHash = createHash('sha256').update(relaxedBody(body), 'latin1').digest('base64');
  const algorithm = key.key.asymmetricKeyType === 'ed25519' ? 'ed25519-sha256' : 'rsa-sha256';
  const names = [...new Set(fields.map((field) => field.toLowerCase()))];
  const occurring = (name: string) => header.filter((line) => nameOf(line) === name);
  const signed = names.flatMap((name) => occurring(name).toReversed());
  const listed = names.flatMap((name) => [...occurring(name), name].map(() => name));
  const tags = [
    `v=1; a=${algorithm}; c=relaxed/relaxed; d=${key.domain}; s=${key.selector}`,
    `t=${Math.floor(now / 1000)}`,
    `h=${fold(listed.join(':'))}`,
    `bh=${bodyHash}`,
    'b=',
  ];
  const field = `DKIM-Signature: ${tags.join(';\r\n\t')}`;
  // Section 3.7: the fields in the order of h=, then the signature itself with an empty b= and no line end.
  const input = [...signed, field].map(relaxedField).join('\r\n');
  const data = Buffer.from(input, 'latin1');
  // RFC 8463 section 3: Ed25519 signs the SHA-256 hash, RSA the data, of which it makes that hash.
  const signature =
    algorithm === 'ed25519-sha256'
      ? sign(null, createHash('sha256').update(data).digest(), key.key)
      : sign('sha256', data, key.key);
  const value = signature.toString('base64').replace(/.{70}(?=.)/gu, '$&\r\n\t ');
  return Buffer.concat([Buffer.from(`${field}${value}\r\n`, 'latin1'), octets]);
}

const nameOf = (line: string): string => line.slice(0, line.indexOf(':')).trim().toLowerCase();

/** Section 3.4.2. */
function relaxedField(line: string): string {
  const value = line.slice(line.indexOf(':') + 1).replace(/\r\n/gu, '');
  return `${nameOf(line)}:${value.replace(/[ \t]+/gu, ' ').replace(/^ | $/gu, '')}`;
}

/** Section 3.4.4. */
function relaxedBody(body: string): string {
  const lines = body.split('\r\n').map((line) => line.replace(/[ \t]+/gu, ' ').replace(/ $/u, ''));
  while (lines.at(-1) === '') lines.pop();
  return lines.map((line) => `${line}\r\n`).join('');
}

/** Lines of at most some 70 characters; white space around colons of h= does not count. */
function fold(names: string): string {
  return names.replace(/.{1,60}(?::|$)/gu, '$&\r\n\t ').trimEnd();
}
