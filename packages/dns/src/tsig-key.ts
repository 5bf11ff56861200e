/**
 * Keys of TSIG (RFC 8945): a name, an algorithm, and a secret that two parties share; and the files that the
 * tools of name servers write them to.
 *
 * A secret goes in and never comes out: there is no way to print a key, and what is said of a file that can't
 * be read quotes nothing of it - where a file is not understood nobody knows which part of it is the secret.
 */
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { decodeBase64 } from './base-encoding.js';
import { Name } from './name.js';
import { WireError } from './wire.js';

/**
 * The algorithms of RFC 8945 section 6, without GSS-TSIG and MACs that are cut short; HMAC-MD5 MUST NOT be
 * used. SHA-1 is for servers that know nothing better.
 */
export const TSIG_ALGORITHMS = {
  'hmac-sha1': { hash: 'sha1', octets: 20 },
  'hmac-sha224': { hash: 'sha224', octets: 28 },
  'hmac-sha256': { hash: 'sha256', octets: 32 },
  'hmac-sha384': { hash: 'sha384', octets: 48 },
  'hmac-sha512': { hash: 'sha512', octets: 64 },
} as const;

export type TsigAlgorithm = keyof typeof TSIG_ALGORITHMS;

export class TsigKey {
  readonly name: Name;
  readonly algorithm: TsigAlgorithm;
  /** The secret is shorter than what the algorithm puts out (RFC 8945 section 8: it SHOULD NOT be). */
  readonly isShort: boolean;
  readonly #secret: KeyObject;

  /** @throws WireError for a secret without octets */
  constructor(name: Name, algorithm: TsigAlgorithm, secret: Uint8Array) {
    if (secret.length === 0) throw new WireError('the secret of the key is empty');
    this.name = name;
    this.algorithm = algorithm;
    this.isShort = secret.length < TSIG_ALGORITHMS[algorithm].octets;
    this.#secret = createSecretKey(secret);
  }

  /** Octets of its MACs. */
  get macOctets(): number {
    return TSIG_ALGORITHMS[this.algorithm].octets;
  }

  mac(octets: Uint8Array): Uint8Array {
    return createHmac(TSIG_ALGORITHMS[this.algorithm].hash, this.#secret).update(octets).digest();
  }
}

/** The file of one key has a few hundred; a secret of 64 octets is 88 of them. */
export const MAX_KEY_FILE_CHARACTERS = 8 * 1024;

/**
 * Reads a file with one key, as `tsig-keygen` and `ddns-confgen` (BIND) or `keymgr -t` (Knot) write it, or as
 * one line `algorithm:name:secret` (`kdig`, `knsupdate`).
 * @throws WireError that says what is wrong, and nothing of the secret
 */
export function parseTsigKey(text: string): TsigKey {
  if (text.length > MAX_KEY_FILE_CHARACTERS) {
    throw new WireError(`${text.length} characters are too many for one key (${MAX_KEY_FILE_CHARACTERS})`);
  }
  const [first, second] = readKeys(text);
  if (first === undefined) throw unreadable();
  if (second !== undefined) throw new WireError('there are several keys in it: leave the one that is meant');
  return toKey(first);
}

interface KeyText {
  name?: string;
  algorithm?: string;
  secret?: string;
}

const unreadable = (): WireError =>
  new WireError(
    'it is not a TSIG key: expected what tsig-keygen writes - ' +
      'key "name" { algorithm hmac-sha256; secret "Base64"; }; - or what keymgr -t writes, ' +
      'or a line algorithm:name:secret',
  );

function readKeys(text: string): KeyText[] {
  if (/^\s*key:\s*$/mu.test(text)) return readKnot(text);
  if (/\bkey\s+[^{}]*\{/u.test(text)) return readBind(text);
  const lines = text.split(/\r?\n/u).map((line) => line.trim());
  return lines.filter((line) => line !== '' && !line.startsWith('#')).map(readColons);
}

/** @param line whose secret may hold anything but a colon, which Base64 has none of */
function readColons(line: string): KeyText {
  const [algorithm, name, secret, more] = line.split(':');
  if (algorithm === undefined || name === undefined || secret === undefined || more !== undefined)
    throw unreadable();
  return { algorithm, name, secret };
}

/** `key:`, and below it `- id:`, `algorithm:` and `secret:`, in quotes or without. */
function readKnot(text: string): KeyText[] {
  const keys: KeyText[] = [];
  for (const line of text.split(/\r?\n/u)) {
    if (/^\s*(?:#|$|key:\s*$)/u.test(line)) continue;
    const [, dash, field, value = ''] = /^\s+(-\s+)?(id|algorithm|secret):\s*(.*?)\s*$/u.exec(line) ?? [];
    if (field === undefined) throw unreadable();
    if (dash !== undefined) keys.push({});
    const key = keys.at(-1);
    if (key === undefined) throw unreadable();
    const plain = /^(["'])(.*)\1$/u.exec(value)?.[2] ?? value;
    if (field === 'id') setOnce(key, 'name', plain);
    else if (field === 'algorithm') setOnce(key, 'algorithm', plain);
    else setOnce(key, 'secret', plain);
  }
  return keys;
}

/**
 * White space and comments; a string; a bracket or semicolon; a word, in which `//` is no comment (Base64 has
 * it).
 */
const BIND_TOKEN = /(?:\s|\/\*[\s\S]*?\*\/|(?:\/\/|#).*)+|"([^"\n]*)"|([{};])|([^\s"{};]+)/uy;

/** `key "name" { algorithm hmac-sha256; secret "..."; };`, once or several times. */
function readBind(text: string): KeyText[] {
  const tokens = bindTokens(text);
  const keys: KeyText[] = [];
  let at = 0;
  const next = (): string => tokens[at++] ?? '';
  const expect = (token: string): void => {
    if (next() !== token) throw unreadable();
  };
  while (at < tokens.length) {
    expect('key');
    const key: KeyText = { name: next() };
    expect('{');
    for (let field = next(); field !== '}'; field = next()) {
      if (field !== 'algorithm' && field !== 'secret') throw unreadable();
      setOnce(key, field, next());
      expect(';');
    }
    expect(';');
    keys.push(key);
  }
  return keys;
}

function bindTokens(text: string): string[] {
  const tokens: string[] = [];
  const pattern = new RegExp(BIND_TOKEN);
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text);
    if (match === null) throw unreadable();
    const token = match[1] ?? match[2] ?? match[3];
    if (token !== undefined) tokens.push(token);
  }
  return tokens;
}

function setOnce(key: KeyText, field: keyof KeyText, value: string): void {
  if (key[field] !== undefined) throw new WireError(`the key has two of "${field}"`);
  key[field] = value;
}

function toKey({ name, algorithm, secret }: KeyText): TsigKey {
  if (name === undefined || algorithm === undefined || secret === undefined) {
    throw new WireError('the key lacks its name, its algorithm or its secret');
  }
  const octets = decodeBase64(secret);
  if (octets === undefined || octets.length === 0)
    throw new WireError("the key's secret is not Base64 (RFC 4648)");
  return new TsigKey(readName(name), readAlgorithm(algorithm), octets);
}

function readName(text: string): Name {
  try {
    return Name.parse(text);
  } catch (error) {
    // Its message quotes the text, which may be the secret in the wrong place.
    if (error instanceof WireError) throw new WireError("the key's name is not a domain name");
    throw error;
  }
}

function readAlgorithm(text: string): TsigAlgorithm {
  const plain = text.toLowerCase().replace(/\.$/u, '');
  if (/^hmac-md5(?:\.|$)/u.test(plain)) {
    throw new WireError('HMAC-MD5 must not be used (RFC 8945 section 6): make a key with hmac-sha256');
  }
  if (isAlgorithm(plain)) return plain;
  throw new WireError(`the key's algorithm is none of ${Object.keys(TSIG_ALGORITHMS).join(', ')}`);
}

const isAlgorithm = (text: string): text is TsigAlgorithm => Object.hasOwn(TSIG_ALGORITHMS, text);
