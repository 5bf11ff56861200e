/**
 * One DKIM-Signature field (RFC 6376 section 3.5), relaxed/relaxed, with RSA or Ed25519 (RFC 8463).
 *
 * Fields that say who, to whom, what and when are *oversigned*: named once more than they occur (RFC 6376 section
 * 5.4.2), so that nobody can add a second From or Subject above the signed one and have the signature still hold.
 * Trace fields are not signed, as they change.
 *
 * The key works in Node's thread pool: a signature with RSA costs about a millisecond that the event loop does not
 * wait for.
 */
import { createHash, type KeyObject, sign } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import RelaxedBody from 'nodemailer/lib/dkim/relaxed-body.js';
import signer from 'nodemailer/lib/dkim/sign.js';
import type { HeaderField } from '../acceptance/header-section.js';
import type { DkimKey } from './dkim.js';

/** RFC 6376 section 5.4.1; each is named once more than it occurs. */
const OVERSIGNED = [
  'from',
  'to',
  'cc',
  'subject',
  'date',
  'message-id',
  'reply-to',
  'mime-version',
  'content-type',
  'content-transfer-encoding',
];

/** Signed where they occur; RFC 8058 section 4 asks for the two of List-Unsubscribe. */
const SIGNED = [
  'sender',
  'in-reply-to',
  'references',
  'content-id',
  'content-description',
  'list-id',
  'list-help',
  'list-post',
  'list-owner',
  'list-archive',
  'list-subscribe',
  'list-unsubscribe',
  'list-unsubscribe-post',
  'tls-required',
  // RFC 8460 section 5.3: "SHOULD be included in the DKIM signature".
  'tls-report-domain',
  'tls-report-submitter',
];

/** Octets hashed at a time; other work gets its turn between. */
const PIECE_OCTETS = 512 * 1024;

/** `bh=`: the hash of the body in relaxed canonicalisation (section 3.4.4). It ends with CRLF, or is empty. */
export async function bodyHash(body: Uint8Array): Promise<string> {
  const octets = Buffer.from(body.buffer, body.byteOffset, body.length);
  if (isRelaxed(octets)) return createHash('sha256').update(octets).digest('base64');
  const relaxed = new RelaxedBody({ hashAlgo: 'sha256' });
  for (let start = 0; start < octets.length; start += PIECE_OCTETS) {
    if (start > 0) await setImmediate();
    relaxed.updateHash(octets.subarray(start, start + PIECE_OCTETS));
  }
  return relaxed.bodyHash.digest('base64');
}

/**
 * Whether canonicalisation would change nothing, as is true of most encoded bodies: no run of blanks, none at the end of
 * a line, no empty lines at the end. Searching costs a tenth of rewriting.
 */
function isRelaxed(body: Buffer): boolean {
  if (body.includes('  ') || body.includes('\t') || body.includes(' \r\n')) return false;
  return body.length > 2 && body.subarray(-4).toString('latin1') !== '\r\n\r\n';
}

/** The field with its folds and its last CRLF. */
export async function signatureField(
  { domain, selector, algorithm, key }: DkimKey,
  fields: readonly HeaderField[],
  bodyHash: string,
  time: number,
): Promise<string> {
  const { names, canonical } = signedFields(fields);
  const unsigned = [
    `DKIM-Signature: v=1; a=${algorithm}; c=relaxed/relaxed; d=${domain};`,
    ` s=${selector}; t=${Math.floor(time / 1000)};`,
    ` bh=${bodyHash};`,
    ` h=${folded(names.join(':'))};`,
    ' b=',
  ].join('\r\n');
  // Section 3.7: the field itself comes last, with an empty b= and without its CRLF.
  const data = `${canonical}${relaxedLine({ name: 'dkim-signature', line: unsigned }).slice(0, -2)}`;
  const signature = await signWith(algorithm, key, Buffer.from(data, 'latin1'));
  return `${unsigned}${folded(signature.toString('base64'))}\r\n`;
}

const NAMES = [...OVERSIGNED, ...SIGNED];

/**
 * Names for h=, and what they stand for. Of several fields of one name the lowest comes first (section 5.4.2): the lowest
 * ones of all names, then what stands above them, then the names for what is not there.
 */
function signedFields(fields: readonly HeaderField[]): { names: string[]; canonical: string } {
  const wanted = fields
    .filter(({ name }) => NAMES.includes(name))
    .map(({ name, line }) => ({ key: name, line }));
  const lowest = signer.relaxedHeaders(wanted, NAMES.join(':'));
  const names = lowest.fieldNames === '' ? [] : lowest.fieldNames.split(':');
  let canonical = names.length === 0 ? '' : lowest.headers;
  const seen = new Set<string>();
  for (const { key, line } of wanted.reverse()) {
    if (!seen.has(key)) {
      seen.add(key);
      continue;
    }
    names.push(key);
    canonical += relaxedLine({ name: key, line });
  }
  return { names: [...names, ...OVERSIGNED], canonical };
}

/** Section 3.4.2, as Nodemailer does it: `name:value` and CRLF. */
function relaxedLine({ name, line }: HeaderField): string {
  return signer.relaxedHeaders([{ key: name, line }], name).headers;
}

function signWith(algorithm: DkimKey['algorithm'], key: KeyObject, data: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, signature: Buffer): void =>
      error === null ? resolve(signature) : reject(error);
    switch (algorithm) {
      case 'rsa-sha256':
        sign('sha256', data, key, done);
        return;
      case 'ed25519-sha256':
        // RFC 8463 section 3: PureEdDSA over the SHA-256 hash.
        sign(null, createHash('sha256').update(data).digest(), key, done);
        return;
      default: {
        const never: never = algorithm;
        reject(new TypeError(`no such algorithm: ${never}`));
      }
    }
  });
}

/** Characters of a line of h= and b=: with its fold below the 78 of RFC 5322 section 2.1.1. */
const FOLD_CHARACTERS = 72;

/** Blanks may stand anywhere in b=, and in h= beside its colons (section 3.5). */
function folded(text: string): string {
  if (!text.includes(':')) return text.replace(new RegExp(`.{${FOLD_CHARACTERS}}(?=.)`, 'gu'), '$&\r\n ');
  const lines: string[] = [];
  for (const name of text.split(':')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + name.length >= FOLD_CHARACTERS) lines.push(name);
    else lines[lines.length - 1] = `${last}:${name}`;
  }
  return lines.join(':\r\n ');
}
