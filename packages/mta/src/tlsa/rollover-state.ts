/**
 * A roll-over on disk: one file, replaced as a whole, in a folder that one process at a time works in. Those that are finished stay
 * beside it in `history/`, when the next one takes its place.
 *
 * What is there is checked as if a stranger had written it: a person may have.
 */
import { link, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../make-folder.js';
import { KEY_TYPES, type Rollover } from './rollover.js';
import { FILE_MODE, RolloverStateError } from './rollover-folder.js';
import { isSteady } from './steady-clock.js';

const STATE = 'rollover.json';
const HISTORY = 'history';
const FORMAT = 2;

/** @returns undefined where there is none */
export async function readRollover(folder: string): Promise<Rollover | undefined> {
  const file = join(folder, STATE);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new RolloverStateError(
      `can't read ${file}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  const read = parse(text);
  if (read === undefined) {
    throw new RolloverStateError(
      `${file} is not a roll-over of this version: nothing is done before a person has looked`,
    );
  }
  return read;
}

/** All of it, or the file stays as it was. */
export async function writeRollover(folder: string, rollover: Rollover): Promise<void> {
  const file = join(folder, STATE);
  // One name for all tries: what a killed one left is written over. The lock keeps others away.
  const draft = `${file}.tmp`;
  const handle = await open(draft, 'w', FILE_MODE);
  try {
    await handle.writeFile(`${JSON.stringify({ format: FORMAT, ...rollover }, null, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
  const directory = await open(folder, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Keeps a copy of a finished one, by the time at which it began. Done twice it is done once. */
export async function keepFinished(folder: string, { begun }: Rollover): Promise<void> {
  await makeFolder(join(folder, HISTORY));
  const name = `${new Date(begun).toISOString().replaceAll(':', '')}.json`;
  await link(join(folder, STATE), join(folder, HISTORY, name)).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return;
    throw error;
  });
}

function parse(text: string): Rollover | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value) || value['format'] !== FORMAT) return undefined;
  const { host, port, name, starttls, direction, changes, order, old, next, chains, since } = value;
  const { ttl, ttlSeen, retired, retiring, hold, standby, keys, begun, lastLook, steady } = value;
  if (typeof host !== 'string' || !isNatural(port) || typeof name !== 'string') return undefined;
  if (starttls !== 'smtp' && starttls !== 'imap' && starttls !== 'pop3' && starttls !== 'none')
    return undefined;
  if (direction !== 'forward' && direction !== 'back') return undefined;
  if (changes !== 'key' && changes !== 'issuer') return undefined;
  if (order !== 'before' && order !== 'after') return undefined;
  if (!isRecords(old) || !isRecords(next) || old.length === 0 || next.length === 0) return undefined;
  if (!isChains(chains) || !isObject(since)) return undefined;
  const times = Object.entries(since).flatMap(([record, time]): [string, number][] =>
    isNatural(time) && RECORD.test(record) ? [[record, time]] : [],
  );
  if (times.length < Object.keys(since).length) return undefined;
  if (!isNatural(ttl) || !isNatural(ttlSeen) || !isNatural(begun) || !isNatural(lastLook)) return undefined;
  if (typeof retired !== 'boolean' || !isRecords(retiring) || typeof hold !== 'boolean') return undefined;
  if (!isSteady(steady)) return undefined;
  const type = KEY_TYPES.find((each) => each === standby) ?? null;
  if (type !== standby || !isObject(keys)) return undefined;
  const { current, next: nextKey } = keys;
  if (!isKeyName(current) || !isKeyName(nextKey)) return undefined;
  return {
    ...{ host, port, name, starttls, direction, changes, order, old, next, chains, ttl, ttlSeen },
    ...{ retired, retiring, hold, standby: type, begun, lastLook, steady },
    since: Object.fromEntries(times),
    keys: { current, next: nextKey },
  };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isNatural = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
const isTexts = (value: unknown, form: RegExp): value is string[] =>
  Array.isArray(value) && value.every((each) => typeof each === 'string' && form.test(each));
const isRecords = (value: unknown): value is string[] => isTexts(value, RECORD);
const isChains = (value: unknown): value is string[][] =>
  Array.isArray(value) && value.every((each) => isTexts(each, BASE64));
const isKeyName = (value: unknown): value is string | null =>
  value === null || (typeof value === 'string' && KEY_NAME.test(value));
const RECORD = /^[0-9]{1,3} [0-9]{1,3} [0-9]{1,3} (?:[0-9a-f]{2})+$/u;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/u;
/** It becomes part of a path. */
const KEY_NAME = /^[0-9a-f]{16}$/u;
