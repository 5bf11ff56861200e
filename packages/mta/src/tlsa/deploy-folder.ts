/**
 * Where a server finds its certificate, changed in one step.
 *
 *     current  -> 3f9a...   what the server is configured with: current/combined.pem, or the other two
 *     waiting  -> 77c1...   what is to follow, once its records are published
 *     previous -> 0b52...   what was there before
 *     3f9a.../  privkey.pem  fullchain.pem  combined.pem
 *     deploy.json
 *
 * Each pair of key and chain has a folder of its own, named after what is in it, which is written under another name, flushed, and
 * renamed: it is there whole or not at all. `current` is a symbolic link, and a new link renamed over it takes its place. So whoever
 * is killed, and however full the disk is, a server that looks finds one pair or the other, and never the key of the one and the
 * certificate of the other.
 */
import { createHash } from 'node:crypto';
import {
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  unlink,
} from 'node:fs/promises';
import { join } from 'node:path';
import { wordsOf } from '../words-of.js';
import { type DeployState, NEW_STATE } from './deploy.js';
import { isSteady } from './steady-clock.js';

export const KEY_FILE = 'privkey.pem';
export const CHAIN_FILE = 'fullchain.pem';
/** The key, and the chain behind it: what Postfix wants in `smtpd_tls_chain_files`. */
export const COMBINED_FILE = 'combined.pem';
const STATE_FILE = 'deploy.json';
const FORMAT = 1;

export type Place = 'current' | 'waiting' | 'previous';
const PLACES: readonly Place[] = ['current', 'waiting', 'previous'];

/** A key, and the certificates that belong to it, as they are to be in the files. */
export interface Pair {
  readonly key: Uint8Array;
  readonly chain: Uint8Array;
}

/** What is changed on the disk, so that tests can have it fail at any moment. */
export interface DeployDisk {
  /** A new file, that is on the disk when this resolves. */
  write(file: string, octets: Uint8Array, mode: number): Promise<void>;
  makeFolder(path: string, mode: number): Promise<void>;
  /** The names in it are on the disk when this resolves. */
  flushFolder(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  link(to: string, path: string): Promise<void>;
  unlink(path: string): Promise<void>;
  removeFolder(path: string): Promise<void>;
}

export const localDeployDisk: DeployDisk = {
  async write(file, octets, mode) {
    const handle = await open(file, 'wx', mode);
    try {
      await handle.writeFile(octets);
      // What a umask took away.
      await handle.chmod(mode);
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  async makeFolder(path, mode) {
    await mkdir(path, { mode });
    const handle = await open(path, 'r');
    try {
      await handle.chmod(mode);
    } finally {
      await handle.close();
    }
  },
  async flushFolder(path) {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  rename,
  async link(to, path) {
    await symlink(to, path);
  },
  unlink,
  async removeFolder(path) {
    await rm(path, { recursive: true, force: true });
  },
};

/** The folder can't be used; the message is for people. */
export class DeployFolderError extends Error {
  override readonly name = 'DeployFolderError';
}

/** Set-group-ID of a folder: what is made in it has its group. That is how an administrator says who else may read keys. */
const SET_GROUP = 0o2000;
/** In front of what is not finished. */
const DRAFT = '.draft-';
const ID = /^[0-9a-f]{32}$/u;

/** One process works in it at a time. */
export class DeployFolder {
  readonly path: string;
  readonly #disk: DeployDisk;
  readonly #keyMode: number;
  readonly #folderMode: number;

  private constructor(path: string, disk: DeployDisk, hasGroup: boolean) {
    this.path = path;
    this.#disk = disk;
    this.#keyMode = hasGroup ? 0o640 : 0o600;
    this.#folderMode = hasGroup ? 0o2750 : 0o700;
  }

  /** @param path of a folder that is there */
  static async open(path: string, disk: DeployDisk = localDeployDisk): Promise<DeployFolder> {
    const { mode } = await stat(path);
    return new DeployFolder(path, disk, (mode & SET_GROUP) !== 0);
  }

  /** Takes away what a killed process left, and pairs that nothing points to: keys should not lie around. */
  async clear(): Promise<void> {
    const kept = await Promise.all(PLACES.map((place) => this.idAt(place)));
    for (const name of await readdir(this.path)) {
      if (name.startsWith(DRAFT) || (ID.test(name) && !kept.includes(name))) {
        await this.#disk.removeFolder(join(this.path, name));
      }
    }
  }

  /**
   * @returns the name of the pair there; undefined where there is none
   * @throws DeployFolderError where something else is in its place
   */
  async idAt(place: Place): Promise<string | undefined> {
    const link = join(this.path, place);
    try {
      const id = await readlink(link);
      if (ID.test(id)) return id;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      if (codeOf(error) !== 'EINVAL') throw error;
    }
    throw new DeployFolderError(
      `${link} is not what danelaw puts there: give another folder, or move it away`,
    );
  }

  /**
   * The pair of this name.
   * @throws DeployFolderError where it is not whole
   */
  async pair(id: string): Promise<Pair> {
    const folder = join(this.path, id);
    try {
      const [key, chain] = [await readFile(join(folder, KEY_FILE)), await readFile(join(folder, CHAIN_FILE))];
      return { key, chain };
    } catch (error) {
      throw new DeployFolderError(`${folder} is not whole: ${wordsOf(error)}`);
    }
  }

  /** Has the pair on the disk, whole. Nothing points to it yet. */
  async store(pair: Pair): Promise<void> {
    const id = idOf(pair);
    const final = join(this.path, id);
    if ((await readdir(this.path)).includes(id)) {
      if (idOf(await this.pair(id)) === id) return;
      throw new DeployFolderError(`${final} was changed: remove it`);
    }
    const draft = join(this.path, `${DRAFT}${id}`);
    await this.#disk.removeFolder(draft);
    await this.#disk.makeFolder(draft, this.#folderMode);
    await this.#disk.write(join(draft, KEY_FILE), pair.key, this.#keyMode);
    await this.#disk.write(join(draft, CHAIN_FILE), pair.chain, 0o644);
    await this.#disk.write(join(draft, COMBINED_FILE), combined(pair), this.#keyMode);
    await this.#disk.flushFolder(draft);
    await this.#disk.rename(draft, final);
    await this.#disk.flushFolder(this.path);
  }

  /** In one step. */
  async point(place: Place, id: string): Promise<void> {
    const draft = join(this.path, `${DRAFT}${place}`);
    await this.#disk.removeFolder(draft);
    await this.#disk.link(id, draft);
    await this.#disk.rename(draft, join(this.path, place));
    await this.#disk.flushFolder(this.path);
  }

  async clearPlace(place: Place): Promise<void> {
    if ((await this.idAt(place)) === undefined) return;
    await this.#disk.unlink(join(this.path, place));
    await this.#disk.flushFolder(this.path);
  }

  /** @throws DeployFolderError where there is something that can't be one */
  async readState(): Promise<DeployState> {
    const file = join(this.path, STATE_FILE);
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return NEW_STATE;
      throw error;
    }
    const state = parseState(text);
    if (state !== undefined) return state;
    throw new DeployFolderError(`${file} is not of this version: remove it, and waiting begins anew`);
  }

  async writeState(state: DeployState): Promise<void> {
    const draft = join(this.path, `${DRAFT}${STATE_FILE}`);
    await this.#disk.removeFolder(draft);
    const text = `${JSON.stringify({ format: FORMAT, ...state }, null, 2)}\n`;
    await this.#disk.write(draft, Buffer.from(text), 0o600);
    await this.#disk.rename(draft, join(this.path, STATE_FILE));
    await this.#disk.flushFolder(this.path);
  }
}

/** Named after what is in it: the same pair has the same name, and is there once. */
export function idOf(pair: Pair): string {
  return createHash('sha256').update(combined(pair)).digest('hex').slice(0, 32);
}

function combined({ key, chain }: Pair): Uint8Array {
  const newline = key.at(-1) === 0x0a ? '' : '\n';
  return Buffer.concat([key, Buffer.from(newline), chain]);
}

function parseState(text: string): DeployState | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const field = (name: string): unknown => Object.getOwnPropertyDescriptor(value, name)?.value;
  const [candidate, completeSince, steady] = [field('candidate'), field('completeSince'), field('steady')];
  const [ttl, unfinished] = [field('ttl'), field('unfinished')];
  if (field('format') !== FORMAT || !isIdOrNull(candidate) || !isIdOrNull(unfinished)) return undefined;
  if (!isNatural(ttl) || !(completeSince === null || isNatural(completeSince))) return undefined;
  if (!isSteady(steady)) return undefined;
  return { candidate, completeSince, steady, ttl, unfinished };
}

const isNatural = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
const isIdOrNull = (value: unknown): value is string | null =>
  value === null || (typeof value === 'string' && ID.test(value));
const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined;
