/**
 * The private keys of a folder of roll-overs.
 *
 * Each lies in `keys/`, in a file that is named after the key itself (the start of its SHA2-256, as in its `3 1 1` record) with its
 * request beside it; such a file is written once and never again. `next.key`, `next.csr` and `current.key` are links that follow what
 * the state says. So no key can take the place of another, and whoever looks afterwards finds all that there were.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { lstat, open, readFile, readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { makeFolder } from '../make-folder.js';
import type { KeyType, Rollover } from './rollover.js';
import { FILE_MODE, RolloverStateError } from './rollover-folder.js';

const KEYS = 'keys';
/** Hexadecimal digits of the digest: nobody has that many keys. */
const NAME_DIGITS = 16;
/** Octets. An RSA key of 16,384 bits has 13,000 in PEM. */
const MAX_KEY_OCTETS = 65_536;

/** @param name as in the state */
export const keyPath = (folder: string, name: string): string => join(folder, KEYS, `${name}.key`);

export interface KeptKey {
  /** Of its file in `keys/`, without `.key`. */
  readonly name: string;
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Uint8Array;
}

const generate = promisify(generateKeyPair);

/** A new key, and a request for a certificate of `host` with it. */
export async function makeKey(folder: string, type: KeyType, host: string): Promise<KeptKey> {
  return await keep(folder, await generated(type), host);
}

/** One that somebody has put there as `next.key`. @returns undefined where there is none */
export async function adoptKey(folder: string, host: string): Promise<KeptKey | undefined> {
  const file = join(folder, 'next.key');
  const found = await lstat(file).catch(ifAbsent);
  if (found === undefined || found.isSymbolicLink()) return undefined;
  return await keep(folder, await readKey(file), host);
}

async function generated(type: KeyType): Promise<KeyObject> {
  switch (type) {
    case 'p256':
      return (await generate('ec', { namedCurve: 'P-256' })).privateKey;
    case 'rsa2048':
      return (await generate('rsa', { modulusLength: 2048 })).privateKey;
    case 'rsa3072':
      return (await generate('rsa', { modulusLength: 3072 })).privateKey;
    default: {
      const never: never = type;
      return never;
    }
  }
}

async function keep(folder: string, key: KeyObject, host: string): Promise<KeptKey> {
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  const name = createHash('sha256').update(spki).digest('hex').slice(0, NAME_DIGITS);
  await makeFolder(join(folder, KEYS));
  await writeOnce(keyPath(folder, name), key.export({ format: 'pem', type: 'pkcs8' }).toString());
  const kind = key.asymmetricKeyType;
  if (kind === 'ec' || kind === 'rsa') {
    // Reading and writing ASN.1 takes longer to load than all the rest, and is needed for this alone.
    const { certificationRequest } = await import('./certification-request.js');
    const request = certificationRequest({ host, privateKey: key, spki });
    await writeOnce(join(folder, KEYS, `${name}.csr`), request);
  }
  return { name, spki };
}

/** Whole and on disk, or not there. What is there already is the same. */
async function writeOnce(file: string, text: string): Promise<void> {
  if ((await lstat(file).catch(ifAbsent)) !== undefined) return;
  // One name for all tries, so that no half of a key is left behind by one that was killed.
  const draft = join(dirname(file), 'unfinished.tmp');
  const handle = await open(draft, 'w', FILE_MODE);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
}

/** The links, as the state has it. Done before each step, so that one which was killed in between is made good. */
export async function linkKeys(folder: string, { keys }: Pick<Rollover, 'keys'>): Promise<void> {
  const { current, next } = keys;
  const links: [link: string, target: string | null][] = [
    ['current.key', current === null ? null : `${current}.key`],
    ['next.key', next === null ? null : `${next}.key`],
    ['next.csr', next === null ? null : `${next}.csr`],
  ];
  for (const [link, target] of links) await follow(folder, link, target);
}

async function follow(folder: string, link: string, target: string | null): Promise<void> {
  const file = join(folder, link);
  const wanted = target === null ? null : join(KEYS, target);
  const found = await lstat(file).catch(ifAbsent);
  if (found?.isSymbolicLink() === true) {
    if ((await readlink(file)) === wanted) return;
    if (wanted === null) return await rm(file);
  } else if (found !== undefined && (wanted === null || !(await isSame(file, join(folder, wanted))))) {
    throw new RolloverStateError(
      `${file} is not the one that the roll-over has, and is not overwritten: move it away, and do it again`,
    );
  }
  if (wanted === null || (await lstat(join(folder, wanted)).catch(ifAbsent)) === undefined) return;
  const draft = `${file}.tmp`;
  await rm(draft, { force: true });
  await symlink(wanted, draft);
  await rename(draft, file);
}

/** A key is the same whatever its encoding; anything else by its octets. */
async function isSame(file: string, kept: string): Promise<boolean> {
  if (!file.endsWith('.key')) return (await readFile(file)).equals(await readFile(kept));
  return spkiOf(await readKey(file)).equals(spkiOf(await readKey(kept)));
}

export interface NextKey {
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Uint8Array;
  /** Others on the machine can read its file. */
  readonly isExposed: boolean;
}

/** What `next.key` holds now. @throws (rejects) RolloverStateError where it can't be read */
export async function nextKeyOf(
  folder: string,
  { keys: { next } }: Pick<Rollover, 'keys'>,
): Promise<NextKey | undefined> {
  if (next === null) return undefined;
  const file = keyPath(folder, next);
  const key = await readKey(file);
  const { mode } = await stat(file);
  return { spki: spkiOf(key), isExposed: (mode & 0o007) !== 0 };
}

const spkiOf = (key: KeyObject): Buffer => createPublicKey(key).export({ format: 'der', type: 'spki' });

async function readKey(file: string): Promise<KeyObject> {
  const handle = await open(file, 'r').catch((error: unknown) => {
    throw new RolloverStateError(
      `can't read the key ${file}: ${error instanceof Error ? error.message : error}`,
    );
  });
  try {
    const { size } = await handle.stat();
    if (size > MAX_KEY_OCTETS) throw new RolloverStateError(`${file} is too large for a private key`);
    const octets = await handle.readFile();
    return createPrivateKey(octets);
  } catch (error) {
    if (error instanceof RolloverStateError) throw error;
    throw new RolloverStateError(`${file} is not a private key in PEM, without a password`);
  } finally {
    await handle.close();
  }
}

function ifAbsent(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
  throw error;
}
