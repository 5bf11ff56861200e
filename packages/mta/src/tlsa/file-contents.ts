/**
 * What an administrator's file holds: certificates, certification requests and keys, in whatever encoding they come.
 *
 * PEM has labels, so each block says what it is, and what stands around the blocks is comment. DER says nothing: it is tried
 * as one thing after the other. PKCS #12 is tried last (`pkcs12.ts`). What is none of these, or is one and can't be read, is an
 * error with a reason and, where there is one, the command that converts it. Nothing is skipped: a bundle with one damaged
 * certificate would publish a record that is missing.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { publicKeyOf, readCertificationRequest } from '@danelaw/dane';
import { openPkcs12 } from './pkcs12.js';

/** One thing out of a file. */
export type Item =
  /** DER. */
  | { readonly kind: 'certificate'; readonly der: Uint8Array }
  /** `spki`: SubjectPublicKeyInfo in DER. */
  | {
      readonly kind: 'certification request' | 'public key' | 'private key';
      readonly spki: Uint8Array;
    };

/** Asks for a password, once it is known that one is needed. */
export type AskPassword = () => Promise<string>;

/** The file does not hold what it should; the message is for people and does not name it. */
export class ContentsError extends Error {
  override readonly name = 'ContentsError';
}

/** Octets. The bundle of all of the Web's authorities has 250,000. */
export const MAX_FILE_OCTETS = 1_048_576;
/** Things in one file. A server's has two to six. */
export const MAX_ITEMS = 64;

/**
 * @throws (rejects) ContentsError; whatever `password` rejects with
 */
export async function readContents(octets: Uint8Array, password: AskPassword): Promise<readonly Item[]> {
  if (octets.length === 0) throw new ContentsError('the file is empty');
  if (octets.length > MAX_FILE_OCTETS) {
    throw new ContentsError(`the file has ${octets.length} octets, more than ${MAX_FILE_OCTETS}`);
  }
  const text = pemText(octets);
  const items = text === undefined ? await readDer(octets, password) : await readPem(text, password);
  if (items.length === 0) throw new ContentsError('there is neither certificate nor key in it');
  return items;
}

const PEM_MARK = '-----BEGIN ';

/** The text of a PEM file, in any of the encodings that editors and Windows give it. */
function pemText(octets: Uint8Array): string | undefined {
  const bytes = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
  const text = bytes[0] === 0xff && bytes[1] === 0xfe ? bytes.toString('utf16le') : bytes.toString('latin1');
  return text.includes(PEM_MARK) ? text : undefined;
}

const BLOCK =
  /-----BEGIN ([A-Z0-9 #]{1,40})-----([^-]*(?:-(?!----)[^-]*)*)(?:-----END ([A-Z0-9 #]{1,40})-----)?/gu;

async function readPem(text: string, password: AskPassword): Promise<Item[]> {
  const items: Item[] = [];
  for (const [block, label = '', body = '', end] of text.matchAll(BLOCK)) {
    if (end !== label)
      throw new ContentsError(`the block "BEGIN ${label}" has no "END ${label}": it is cut off`);
    const item = await readBlock(label, body, block, password);
    if (item !== undefined) items.push(item);
    if (items.length > MAX_ITEMS) throw new ContentsError(`there are more than ${MAX_ITEMS} things in it`);
  }
  return items;
}

async function readBlock(
  label: string,
  body: string,
  block: string,
  password: AskPassword,
): Promise<Item | undefined> {
  switch (label) {
    case 'CERTIFICATE':
    case 'X509 CERTIFICATE':
      return certificateItem(octetsOf(label, body));
    case 'CERTIFICATE REQUEST':
    case 'NEW CERTIFICATE REQUEST':
      return requestItem(octetsOf(label, body));
    case 'PUBLIC KEY':
    case 'RSA PUBLIC KEY':
      octetsOf(label, body);
      return publicKeyItem({ key: block, format: 'pem' });
    case 'PRIVATE KEY':
    case 'RSA PRIVATE KEY':
    case 'EC PRIVATE KEY':
      // One of the latter two may be encrypted, and says so in a line of its own.
      if (body.includes('ENCRYPTED')) return await encryptedKeyItem({ key: block, format: 'pem' }, password);
      octetsOf(label, body);
      return privateKeyItem({ key: block, format: 'pem' });
    case 'ENCRYPTED PRIVATE KEY':
      octetsOf(label, body);
      return await encryptedKeyItem({ key: block, format: 'pem' }, password);
    // Stand beside keys, and say nothing that matters here.
    case 'EC PARAMETERS':
    case 'DH PARAMETERS':
    case 'ATTRIBUTE CERTIFICATE':
      return undefined;
    case 'TRUSTED CERTIFICATE':
      throw new ContentsError(
        'it is in OpenSSL\'s own format of trusted certificates; "openssl x509 -in FILE" makes PEM of it',
      );
    case 'PKCS7':
    case 'CMS':
      throw new ContentsError('it is PKCS #7; "openssl pkcs7 -print_certs -in FILE" makes PEM of it');
    case 'OPENSSH PRIVATE KEY':
      throw new ContentsError("it is a key of OpenSSH, which no certificate has; give the mail server's");
    case 'X509 CRL':
      throw new ContentsError('it is a list of revoked certificates (CRL), not a certificate');
    default:
      throw new ContentsError(`there is a block "${label}" in it, which is neither certificate nor key`);
  }
}

function octetsOf(label: string, body: string): Uint8Array {
  const base64 = body.replace(/\s/gu, '');
  if (!/^[A-Za-z0-9+/]+={0,2}$/u.test(base64) || base64.length % 4 !== 0) {
    throw new ContentsError(`the block "${label}" is damaged: it is not base64`);
  }
  return Buffer.from(base64, 'base64');
}

function certificateItem(der: Uint8Array): Item {
  attempt(() => publicKeyOf(der));
  return { kind: 'certificate', der };
}

function requestItem(der: Uint8Array): Item {
  return { kind: 'certification request', spki: attempt(() => readCertificationRequest(der).spki) };
}

type KeyInput =
  | { readonly key: string; readonly format: 'pem' }
  | { readonly key: Buffer; readonly format: 'der'; readonly type: 'pkcs8' | 'pkcs1' | 'sec1' };

function publicKeyItem(input: Parameters<typeof createPublicKey>[0]): Item {
  const key = attempt(() => createPublicKey(input));
  return { kind: 'public key', spki: spkiOf(key) };
}

function privateKeyItem(input: KeyInput & { readonly passphrase?: string }): Item {
  const key = attempt(() => createPrivateKey(input));
  return { kind: 'private key', spki: spkiOf(createPublicKey(key)) };
}

async function encryptedKeyItem(input: KeyInput, password: AskPassword): Promise<Item> {
  const passphrase = await password();
  try {
    return privateKeyItem({ ...input, passphrase });
  } catch {
    throw new ContentsError('the password does not open its private key');
  }
}

const spkiOf = (key: KeyObject): Uint8Array => key.export({ format: 'der', type: 'spki' });

/** TypeErrors and OpenSSL's errors, as ours. */
function attempt<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new ContentsError(`what is in it can't be read: ${messageOf(error)}`);
  }
}

/** OpenSSL's errors carry numbers and names of its own functions in front of the reason. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'reason' in error && typeof error.reason === 'string' ? error.reason : error.message;
}

const SEQUENCE = 0x30;
/** Of Java's own key stores. */
const JKS_MAGIC = 0xfeedfeed;
/** In DER: PKCS #7's signedData and PBES2, by which what can't be tried is known. */
const SIGNED_DATA = Buffer.from('06092a864886f70d010702', 'hex');
const PBES2 = Buffer.from('06092a864886f70d01050d', 'hex');
/** Where the first object identifier of these stands. */
const IDENTIFIED_WITHIN = 32;

async function readDer(octets: Uint8Array, password: AskPassword): Promise<Item[]> {
  const bytes = Buffer.from(octets);
  if (bytes.length >= 4 && bytes.readUInt32BE(0) === JKS_MAGIC) {
    throw new ContentsError(
      'it is a key store of Java; "keytool -importkeystore -deststoretype pkcs12" makes PKCS #12 of it',
    );
  }
  if (bytes[0] !== SEQUENCE) {
    throw new ContentsError(
      'it is neither PEM nor DER nor PKCS #12: no certificate and no key begins like that',
    );
  }
  const simple = firstOf([
    () => certificateItem(bytes),
    () => requestItem(bytes),
    () => publicKeyItem({ key: bytes, format: 'der', type: 'spki' }),
    ...(['pkcs8', 'pkcs1', 'sec1'] as const).map(
      (type) => () => privateKeyItem({ key: bytes, format: 'der', type }),
    ),
  ]);
  if (simple !== undefined) return [simple];
  const start = bytes.subarray(0, IDENTIFIED_WITHIN);
  if (start.includes(SIGNED_DATA)) {
    throw new ContentsError(
      'it is PKCS #7; "openssl pkcs7 -inform DER -print_certs -in FILE" makes PEM of it',
    );
  }
  if (start.includes(PBES2)) {
    return [await encryptedKeyItem({ key: bytes, format: 'der', type: 'pkcs8' }, password)];
  }
  const opened = await openPkcs12(bytes, password);
  switch (opened.status) {
    case 'opened': {
      const [own] = opened.chain;
      // It stays where it is, but it is there.
      const key: Item[] = own === undefined ? [] : [{ kind: 'private key', spki: publicKeyOf(own) }];
      return [...opened.chain.map(certificateItem), ...key];
    }
    case 'refused':
      throw new ContentsError(opened.reason);
    default: {
      const never: never = opened;
      return never;
    }
  }
}

function firstOf(tries: readonly (() => Item)[]): Item | undefined {
  for (const each of tries) {
    try {
      return each();
    } catch (error) {
      if (!(error instanceof ContentsError)) throw error;
    }
  }
  return undefined;
}
