/**
 * What stands in the index: keys and values of its tables.
 *
 *     table          key                        value
 *     messages       id                         envelope, size, place of the body
 *     works          id destination             recipients
 *     due            destination time id        -          the earliest of a work's recipients that are not held
 *     heads          time destination           -          the earliest of a destination's works, or later where
 *                                                          the destination is down until then
 *     destinations   destination                the time under which it stands in heads; what is known of it
 *     files          body file                  messages and octets of it that are in the queue
 *     spent          body file                  -          nothing of it is in the queue; to be removed
 *     folders        folder of body files       -          where files may be that no message names yet
 *     state          name                       counts, epoch, next folder, changes
 *     state          arrived time               messages that arrived within five minutes from then
 *
 * The order of keys is the order in which work is handed out, so that nobody walks over a million recipients to
 * find the one that is due. Times have a fixed number of digits, so that they sort as text.
 */
import type { DestinationState, QueueCounts, QueuedEnvelope, QueuedRecipient } from '../queue.js';
import type { BodyPlace } from './body-file.js';
import { SEPARATOR } from './draft.js';
import { DamagedRecordError, Fields, parseJson } from './fields.js';
import { decodeEnvelope, decodeRecipient, encodeEnvelope, encodeRecipient } from './message-json.js';

/** 48 bits of milliseconds in base 16: enough until the year 10889. */
const TIME_DIGITS = 12;
const LATEST = 2 ** 48 - 1;

export function timeKey(time: number): string {
  const bounded = Math.min(Math.max(0, Math.ceil(time)), LATEST);
  return bounded.toString(16).padStart(TIME_DIGITS, '0');
}

function timeOf(key: string): number {
  const time = Number.parseInt(key, 16);
  if (key.length !== TIME_DIGITS || !Number.isSafeInteger(time)) throw damagedKey(key);
  return time;
}

export function workKey(id: string, destination: string): string {
  return id + SEPARATOR + destination;
}

export function dueKey(destination: string, due: number, id: string): string {
  return destination + SEPARATOR + timeKey(due) + SEPARATOR + id;
}

export function headKey(time: number, destination: string): string {
  return timeKey(time) + SEPARATOR + destination;
}

export function parseWorkKey(key: string): { id: string; destination: string } {
  const [id, destination, more] = key.split(SEPARATOR);
  if (id === undefined || destination === undefined || more !== undefined) throw damagedKey(key);
  return { id, destination };
}

export function parseDueKey(key: string): { due: number; id: string } {
  const first = key.indexOf(SEPARATOR);
  const second = key.indexOf(SEPARATOR, first + 1);
  if (first === -1 || second === -1 || key.includes(SEPARATOR, second + 1)) throw damagedKey(key);
  return { due: timeOf(key.slice(first + 1, second)), id: key.slice(second + 1) };
}

export function parseHeadKey(key: string): { time: number; destination: string } {
  const end = key.indexOf(SEPARATOR);
  if (end === -1 || key.includes(SEPARATOR, end + 1)) throw damagedKey(key);
  return { time: timeOf(key.slice(0, end)), destination: key.slice(end + 1) };
}

function damagedKey(key: string): DamagedRecordError {
  return new DamagedRecordError(`The index has a key that is none: ${JSON.stringify(key)}`);
}

export interface MessageEntry {
  readonly envelope: QueuedEnvelope;
  readonly place: BodyPlace;
}

export function encodeMessageEntry({ envelope, place }: MessageEntry): string {
  const { file, number, offset, size, crc } = place;
  return JSON.stringify({ ...encodeEnvelope(envelope), file, number, offset, size, crc });
}

export function decodeMessageEntry(text: string): MessageEntry {
  const fields = Fields.parse(text);
  return {
    envelope: decodeEnvelope(fields),
    place: {
      file: fields.string('file'),
      number: fields.number('number'),
      offset: fields.number('offset'),
      size: fields.number('size'),
      crc: fields.number('crc'),
    },
  };
}

export function encodeWork(recipients: readonly QueuedRecipient[], arrived: number): string {
  return JSON.stringify(
    recipients.map((recipient) => encodeRecipient(recipient, arrived, recipient.destination)),
  );
}

export function decodeWork(text: string, arrived: number, destination: string): readonly QueuedRecipient[] {
  const list = parseJson(text);
  if (!Array.isArray(list)) throw new DamagedRecordError('A work has no list of recipients.');
  return list.map((value) => decodeRecipient(value, arrived, destination));
}

/** The earliest time at which one of them may be tried; undefined where all are held. */
export function earliest(recipients: readonly QueuedRecipient[]): number | undefined {
  let due: number | undefined;
  for (const { state } of recipients) {
    if (!state.held && (due === undefined || state.due < due)) due = state.due;
  }
  return due;
}

export interface DestinationEntry {
  /** Under which it stands in `heads`. */
  readonly head: number | undefined;
  readonly state: DestinationState | undefined;
}

/** Nothing is due there, and nothing known of it: it does not stand in the index. */
export const NO_DESTINATION: DestinationEntry = { head: undefined, state: undefined };

export function encodeDestination({ head, state }: DestinationEntry): string {
  return JSON.stringify({
    head,
    notBefore: state?.notBefore,
    failures: state?.failures,
    reason: state?.reason,
  });
}

export function decodeDestination(text: string, destination: string): DestinationEntry {
  const fields = Fields.parse(text);
  const reason = fields.optionalString('reason');
  return {
    head: fields.optionalNumber('head'),
    state:
      reason === undefined
        ? undefined
        : {
            destination,
            notBefore: fields.number('notBefore'),
            failures: fields.number('failures'),
            reason,
          },
  };
}

/** What the index knows of a body file. */
export interface FileEntry {
  /** Messages of it that are in the queue. */
  readonly messages: number;
  readonly octets: number;
  /** The numbers of those that were in the queue ever: they are not taken in again. One bit each. */
  readonly seen: bigint;
}

export const NEW_FILE: FileEntry = { messages: 0, octets: 0, seen: 0n };

export function encodeFile({ messages, octets, seen }: FileEntry): string {
  return JSON.stringify({ messages, octets, seen: seen.toString(16) });
}

export function decodeFile(text: string): FileEntry {
  const fields = Fields.parse(text);
  const seen = fields.string('seen');
  if (!/^[0-9a-f]{1,64}$/u.test(seen)) throw new DamagedRecordError('seen is no set of numbers.');
  return {
    messages: fields.number('messages'),
    octets: fields.number('octets'),
    seen: BigInt(`0x${seen}`),
  };
}

export function encodeCounts(counts: QueueCounts): string {
  return JSON.stringify(counts);
}

export function decodeCounts(text: string | undefined): QueueCounts {
  if (text === undefined) return { messages: 0, recipients: 0, held: 0, octets: 0 };
  const fields = Fields.parse(text);
  return {
    messages: fields.number('messages'),
    recipients: fields.number('recipients'),
    held: fields.number('held'),
    octets: fields.number('octets'),
  };
}
