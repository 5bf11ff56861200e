/**
 * A queue as one file, for a backup and for the way to another machine or another engine.
 *
 * JSON lines: a first one that names the format, one for each message - with its envelope, what is known of each
 * recipient, and its body in base 64 with a digest - and a last one with the number of messages, without which
 * the file is not whole.
 */
import { createHash } from 'node:crypto';
import {
  BodyLostError,
  type LastTry,
  type NewMessage,
  type Notify,
  type Origin,
  type Queue,
  type QueuedEnvelope,
  type QueueFilter,
  type RecipientState,
} from './queue.js';
import { isQueueId } from './queue-id.js';

/** Changes when older programs could no longer read what is written. */
const FORMAT = 'danelaw-queue-1';

export interface Exported {
  readonly messages: number;
  /** Messages whose body was gone or damaged: they are not in the file. */
  readonly lost: readonly string[];
}

/** Writes what the filter names, line by line. Messages that leave the queue meanwhile may be left out. */
export async function exportQueue(
  queue: Queue,
  filter: QueueFilter,
  write: (line: string) => Promise<void> | void,
): Promise<Exported> {
  await write(JSON.stringify({ format: FORMAT }));
  let messages = 0;
  const lost: string[] = [];
  for await (const { id, envelope, recipients } of queue.list(filter)) {
    let body: Uint8Array;
    try {
      body = await queue.body(id);
    } catch (error) {
      if (!(error instanceof BodyLostError)) throw error;
      if ((await queue.read(id)) !== undefined) lost.push(id);
      continue;
    }
    const octets = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    await write(
      JSON.stringify({ id, envelope, recipients, sha256: digest(octets), body: octets.toString('base64') }),
    );
    messages += 1;
  }
  await write(JSON.stringify({ end: messages }));
  return { messages, lost };
}

export class ImportError extends Error {
  override readonly name = 'ImportError';
}

/**
 * Puts what `exportQueue` wrote into a queue. A message that is there already is left alone, so that an import
 * that broke off can be repeated.
 *
 * @throws (rejects) ImportError where a line is not what it should be: what came before it is in the queue
 */
export async function importQueue(
  queue: Queue,
  lines: AsyncIterable<string>,
): Promise<{ added: number; present: number }> {
  let number = 0;
  let added = 0;
  let present = 0;
  let isKnown = false;
  let isWhole = false;
  for await (const line of lines) {
    number += 1;
    if (line === '') continue;
    const value = parse(line, number);
    if (!isKnown) {
      isKnown = value['format'] === FORMAT;
      if (isKnown) continue;
      throw new ImportError(
        `line ${number}: it is no export of a queue, or of a newer danelaw (expected ${FORMAT})`,
      );
    }
    if (typeof value['end'] === 'number') {
      if (value['end'] !== added + present) {
        throw new ImportError(
          `line ${number}: ${value['end']} messages were written, and ${added + present} are here`,
        );
      }
      isWhole = true;
      continue;
    }
    const message = readMessage(value, number);
    if ((await queue.read(message.id)) === undefined) {
      await add(queue, message, number);
      added += 1;
    } else {
      present += 1;
    }
  }
  if (!isWhole)
    throw new ImportError(`after line ${number}: the file is not whole; ${added} messages were added`);
  return { added, present };
}

async function add(queue: Queue, message: NewMessage, line: number): Promise<void> {
  try {
    await queue.add(message);
  } catch (error) {
    if (error instanceof RangeError) throw new ImportError(`line ${line}: ${error.message}`);
    throw error;
  }
}

const digest = (octets: Uint8Array): string => createHash('sha256').update(octets).digest('hex');

type Fields = Readonly<Record<string, unknown>>;

function parse(line: string, number: number): Fields {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new ImportError(`line ${number}: it is no JSON`);
  }
  if (isFields(value)) return value;
  throw new ImportError(`line ${number}: it is no JSON object`);
}

function readMessage(value: Fields, number: number): NewMessage {
  const wrong = (what: string): ImportError => new ImportError(`line ${number}: ${what}`);
  const { id, envelope, recipients, sha256, body } = value;
  if (typeof id !== 'string' || !isQueueId(id)) throw wrong('the id is none');
  if (!isEnvelope(envelope)) throw wrong('the envelope is incomplete');
  if (typeof body !== 'string') throw wrong('there is no body');
  const octets = Buffer.from(body, 'base64');
  if (digest(octets) !== sha256) throw wrong('the body is damaged: its digest is another one');
  if (!Array.isArray(recipients) || recipients.length === 0) throw wrong('there are no recipients');
  const readRecipient = (each: unknown) => {
    if (!isRecipient(each)) throw wrong('a recipient is incomplete');
    const { address, destination, notify, orcpt, state } = each;
    return { address, destination, notify, orcpt, state };
  };
  return { id, envelope, recipients: recipients.map(readRecipient), body: octets };
}

function isEnvelope(value: unknown): value is QueuedEnvelope {
  if (!isFields(value)) return false;
  const flags = ['requireTls', 'smtpUtf8', 'eightBit', 'utf8Header', 'tlsRequiredNo'];
  return (
    typeof value['from'] === 'string' &&
    flags.every((flag) => typeof value[flag] === 'boolean') &&
    isWhole(value['arrived']) &&
    isOptionalString(value['envid']) &&
    (value['ret'] === undefined || value['ret'] === 'full' || value['ret'] === 'hdrs') &&
    isOrigin(value['origin'])
  );
}

function isOrigin(value: unknown): value is Origin {
  if (!isFields(value)) return false;
  const kinds: unknown[] = ['smtp', 'sendmail', 'bounce', 'report'];
  const texts = ['client', 'helo', 'user', 'protocol'];
  return kinds.includes(value['kind']) && texts.every((text) => isOptionalString(value[text]));
}

interface ReadRecipient {
  readonly address: string;
  readonly destination: string;
  readonly notify?: Notify;
  readonly orcpt?: string;
  readonly state: RecipientState;
}

function isRecipient(value: unknown): value is ReadRecipient {
  if (!isFields(value)) return false;
  const { address, destination, notify, orcpt, state } = value;
  return (
    typeof address === 'string' &&
    typeof destination === 'string' &&
    (notify === undefined || isNotify(notify)) &&
    isOptionalString(orcpt) &&
    isState(state)
  );
}

function isNotify(value: unknown): value is Notify {
  const events: unknown[] = ['success', 'failure', 'delay'];
  return value === 'never' || (Array.isArray(value) && value.every((each) => events.includes(each)));
}

function isState(value: unknown): value is RecipientState {
  if (!isFields(value)) return false;
  const { held, due, attempts, warned, last } = value;
  const isCount = isWhole(attempts) && Number(attempts) >= 0;
  const areFlags = typeof held === 'boolean' && typeof warned === 'boolean';
  return areFlags && isCount && isWhole(due) && (last === undefined || isLastTry(last));
}

function isLastTry(value: unknown): value is LastTry {
  if (!isFields(value)) return false;
  const texts = ['enhancedStatus', 'reply', 'host'];
  const isText = (text: unknown): boolean => text === null || typeof text === 'string';
  return (
    isWhole(value['time']) &&
    typeof value['reason'] === 'string' &&
    texts.every((text) => isText(value[text]))
  );
}

/** Times and counts. An engine that is given anything else could not read it back. */
const isWhole = (value: unknown): boolean => Number.isSafeInteger(value);

const isOptionalString = (value: unknown): boolean => value === undefined || typeof value === 'string';

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
