/**
 * A roll-over on disk: one file, replaced as a whole, in a folder that one process at a time works in.
 *
 * What is there is checked as if a stranger had written it: a person may have.
 */
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Rollover } from './rollover.js';

/** Private keys may be beside it. */
export const FOLDER_MODE = 0o700;
export const FILE_MODE = 0o600;
export const NEXT_KEY = 'next.key';
const STATE = 'rollover.json';
const FORMAT = 1;

/** The folder can't be used; the message is for people. */
export class RolloverStateError extends Error {
  override readonly name = 'RolloverStateError';
}

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
  const draft = `${file}.${process.pid}.tmp`;
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

function parse(text: string): Rollover | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const field = (name: string): unknown => Object.getOwnPropertyDescriptor(value, name)?.value;
  const [host, port, name, starttls] = ['host', 'port', 'name', 'starttls'].map(field);
  const [direction, old, next] = ['direction', 'old', 'next'].map(field);
  const [completeSince, ttl, lastLook] = ['completeSince', 'ttl', 'lastLook'].map(field);
  const [retired, retiring] = ['retired', 'retiring'].map(field);
  if (field('format') !== FORMAT || typeof host !== 'string' || typeof retired !== 'boolean')
    return undefined;
  if (!isNatural(port) || typeof name !== 'string') return undefined;
  if (starttls !== 'smtp' && starttls !== 'imap' && starttls !== 'pop3' && starttls !== 'none')
    return undefined;
  if (direction !== 'forward' && direction !== 'back') return undefined;
  if (!isRecords(old) || !isRecords(next) || !isNatural(ttl) || !isNatural(lastLook)) return undefined;
  if (!isRecords(retiring) || old.length === 0 || next.length === 0) return undefined;
  if (completeSince !== null && !isNatural(completeSince)) return undefined;
  return {
    host,
    port,
    name,
    starttls,
    direction,
    old,
    next,
    completeSince,
    ttl,
    retired,
    retiring,
    lastLook,
  };
}

const isNatural = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
const isRecords = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((each) => typeof each === 'string' && RECORD.test(each));
const RECORD = /^[0-9]{1,3} [0-9]{1,3} [0-9]{1,3} (?:[0-9a-f]{2})+$/u;
