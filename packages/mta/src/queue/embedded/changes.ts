/**
 * What can happen to the queue, as changes of a draft: a message comes, work is settled, recipients are changed
 * by an administrator, a destination is down. Each keeps all tables of the index in step.
 */
import type {
  DestinationState,
  QueueAction,
  QueueCounts,
  QueuedEnvelope,
  QueuedRecipient,
  QueueFilter,
  RecipientSettlement,
  Settled,
} from '../queue.js';
import { Arrivals } from './arrivals.js';
import type { BodyPlace } from './body-file.js';
import type { Draft } from './draft.js';
import {
  decodeCounts,
  decodeDestination,
  decodeFile,
  decodeMessageEntry,
  decodeWork,
  dueKey,
  earliest,
  encodeCounts,
  encodeDestination,
  encodeFile,
  encodeMessageEntry,
  encodeWork,
  type FileEntry,
  headKey,
  type MessageEntry,
  NEW_FILE,
  parseDueKey,
  parseWorkKey,
  workKey,
} from './entries.js';
import { namesMessage, namesRecipient } from './filter.js';

/** A message whose body is on the disk. */
export interface PlacedMessage {
  readonly id: string;
  readonly envelope: QueuedEnvelope;
  readonly recipients: readonly QueuedRecipient[];
  readonly place: BodyPlace;
}

/** Recipients that have left the queue. */
export interface Gone {
  readonly file: string;
  readonly id: string;
  readonly indices: readonly number[];
}

/** Recipients that an administrator holds, or has released. */
export interface Held extends Gone {
  readonly held: boolean;
}

export class DuplicateMessageError extends Error {
  override readonly name = 'DuplicateMessageError';
}

export class QueueChanges {
  readonly #draft: Draft;
  readonly #counts: { messages: number; recipients: number; held: number; octets: number };
  readonly #arrivals = new Arrivals();
  /** Destinations whose earliest work may be another now. */
  readonly touched = new Set<string>();
  /** Files of which nothing is in the queue any more. */
  readonly emptied = new Set<string>();
  /** Recipients that are not in the queue any more. */
  readonly gone: Gone[] = [];
  readonly held: Held[] = [];

  constructor(draft: Draft) {
    this.#draft = draft;
    this.#counts = { ...decodeCounts(draft.get('state', 'counts')) };
  }

  get counts(): QueueCounts {
    return this.#counts;
  }

  /** @throws `DuplicateMessageError` where another message has the id */
  add(message: PlacedMessage): void {
    const { id, envelope, recipients, place } = message;
    const known = this.message(id);
    if (known !== undefined) {
      // Another process has found the file and taken the message in already.
      if (known.place.file === place.file && known.place.offset === place.offset) return;
      throw new DuplicateMessageError(`The queue has a message ${id} already.`);
    }
    this.#draft.put('messages', id, encodeMessageEntry({ envelope, place }));
    const works = new Map<string, QueuedRecipient[]>();
    for (const recipient of recipients) {
      const work = works.get(recipient.destination);
      if (work === undefined) works.set(recipient.destination, [recipient]);
      else work.push(recipient);
    }
    for (const [destination, work] of works) this.#setWork(id, destination, { envelope, place }, [], work);
    this.#joinFile(place);
    this.#counts.messages++;
    this.#arrivals.add(envelope.arrived, 1);
    this.#counts.octets += place.size;
  }

  /** What became of the recipients of a claim. `lost` where none of them is there any more. */
  settle(id: string, destination: string, settlements: readonly RecipientSettlement[]): Settled {
    const message = this.message(id);
    const recipients = message === undefined ? [] : this.work(id, destination, message.envelope);
    const outcomes = new Map(settlements.map((settlement) => [settlement.index, settlement]));
    if (message === undefined || !recipients.some(({ index }) => outcomes.has(index))) {
      return { status: 'lost', reason: 'The recipients were deleted meanwhile.' };
    }
    const kept = recipients.flatMap((one) => afterwards(one, outcomes.get(one.index)));
    this.#setWork(id, destination, message, recipients, kept);
    this.#forgetWhenDone(id, message);
    return { status: 'settled' };
  }

  /** Changes what a filter names of one message. Gives the number of recipients. */
  change(id: string, filter: QueueFilter, action: QueueAction, now: number): number {
    const message = this.message(id);
    if (message === undefined || !namesMessage(filter, id, message.envelope)) return 0;
    let changed = 0;
    for (const key of this.#draft.allUnder('works', id)) {
      const { destination } = parseWorkKey(key);
      const recipients = this.work(id, destination, message.envelope);
      const named = new Set(recipients.filter((recipient) => namesRecipient(filter, recipient)));
      if (named.size === 0) continue;
      changed += named.size;
      const kept =
        action === 'delete'
          ? recipients.filter((recipient) => !named.has(recipient))
          : recipients.map((one) => (named.has(one) ? changeRecipient(one, action, now) : one));
      this.#setWork(id, destination, message, recipients, kept);
      if (action === 'retry') this.setDestination(destination, undefined);
    }
    if (changed > 0) this.#forgetWhenDone(id, message);
    return changed;
  }

  setDestination(destination: string, state: DestinationState | undefined): void {
    const text = this.#draft.get('destinations', destination);
    const known = text === undefined ? undefined : decodeDestination(text, destination);
    if (known?.state === undefined && state === undefined) return;
    this.#draft.put('destinations', destination, encodeDestination({ head: known?.head, state }));
    this.touched.add(destination);
  }

  message(id: string): MessageEntry | undefined {
    const text = this.#draft.get('messages', id);
    return text === undefined ? undefined : decodeMessageEntry(text);
  }

  work(id: string, destination: string, envelope: QueuedEnvelope): readonly QueuedRecipient[] {
    const text = this.#draft.get('works', workKey(id, destination));
    return text === undefined ? [] : decodeWork(text, envelope.arrived, destination);
  }

  file(file: string): FileEntry | undefined {
    const text = this.#draft.get('files', file);
    return text === undefined ? undefined : decodeFile(text);
  }

  /** Puts what was left to the end into the draft: where destinations stand, and the counts. */
  finish(): void {
    for (const destination of this.touched) this.#setHead(destination);
    this.#draft.put('state', 'counts', encodeCounts(this.#counts));
    this.#arrivals.write(this.#draft);
    for (const file of [...this.emptied]) {
      if (this.#draft.get('files', file) !== undefined) this.emptied.delete(file);
      else this.#draft.put('spent', file, '');
    }
  }

  #setWork(
    id: string,
    destination: string,
    { envelope, place }: MessageEntry,
    before: readonly QueuedRecipient[],
    after: readonly QueuedRecipient[],
  ): void {
    const key = workKey(id, destination);
    if (after.length > 0) this.#draft.put('works', key, encodeWork(after, envelope.arrived));
    else if (before.length > 0) this.#draft.remove('works', key);
    const [dueBefore, dueAfter] = [earliest(before), earliest(after)];
    if (dueBefore !== dueAfter) {
      if (dueBefore !== undefined) this.#draft.remove('due', dueKey(destination, dueBefore, id));
      if (dueAfter !== undefined) this.#draft.put('due', dueKey(destination, dueAfter, id), '');
    }
    this.touched.add(destination);
    this.#counts.recipients += after.length - before.length;
    this.#counts.held += heldOf(after) - heldOf(before);
    const { file } = place;
    const left = new Map(after.map(({ index, state }) => [index, state]));
    const indices = before.map(({ index }) => index).filter((index) => !left.has(index));
    if (indices.length > 0) this.gone.push({ file, id, indices });
    for (const held of [true, false]) {
      const changed = before.filter(
        ({ index, state }) => state.held !== held && left.get(index)?.held === held,
      );
      if (changed.length > 0) this.held.push({ file, id, held, indices: changed.map(({ index }) => index) });
    }
  }

  #forgetWhenDone(id: string, { envelope, place }: MessageEntry): void {
    if (this.#draft.firstUnder('works', id) !== undefined) return;
    this.#draft.remove('messages', id);
    this.#counts.messages--;
    this.#arrivals.add(envelope.arrived, -1);
    this.#counts.octets -= place.size;
    this.#leaveFile(place);
  }

  #joinFile({ file, number, size }: BodyPlace): void {
    const { messages, octets, seen } = this.file(file) ?? NEW_FILE;
    const entry = { messages: messages + 1, octets: octets + size, seen: seen | (1n << BigInt(number)) };
    this.#draft.put('files', file, encodeFile(entry));
    this.#draft.remove('spent', file);
  }

  #leaveFile({ file, size }: BodyPlace): void {
    const { messages, octets, seen } = this.file(file) ?? NEW_FILE;
    if (messages > 1) {
      this.#draft.put('files', file, encodeFile({ messages: messages - 1, octets: octets - size, seen }));
    } else {
      this.#draft.remove('files', file);
      this.emptied.add(file);
    }
  }

  #setHead(destination: string): void {
    const text = this.#draft.get('destinations', destination);
    const known = text === undefined ? undefined : decodeDestination(text, destination);
    const first = this.#draft.firstUnder('due', destination);
    const due = first === undefined ? undefined : parseDueKey(first).due;
    const head = due === undefined ? undefined : Math.max(due, known?.state?.notBefore ?? 0);
    if (known?.head !== undefined && known.head !== head) {
      this.#draft.remove('heads', headKey(known.head, destination));
    }
    if (head === undefined && known?.state === undefined) {
      if (known !== undefined) this.#draft.remove('destinations', destination);
      return;
    }
    if (head !== undefined && known?.head !== head) this.#draft.put('heads', headKey(head, destination), '');
    if (known?.head !== head) {
      this.#draft.put('destinations', destination, encodeDestination({ head, state: known?.state }));
    }
  }
}

function afterwards(
  recipient: QueuedRecipient,
  settlement: RecipientSettlement | undefined,
): readonly QueuedRecipient[] {
  switch (settlement?.outcome) {
    case undefined:
      return [recipient];
    case 'done':
      return [];
    case 'again': {
      const { due, warned, last } = settlement;
      const { held, attempts } = recipient.state;
      return [{ ...recipient, state: { held, due, attempts: attempts + 1, warned, last } }];
    }
  }
}

function changeRecipient(recipient: QueuedRecipient, action: 'hold' | 'release' | 'retry', now: number) {
  const { state } = recipient;
  switch (action) {
    case 'hold':
      return { ...recipient, state: { ...state, held: true } };
    case 'release':
      return { ...recipient, state: { ...state, held: false } };
    case 'retry':
      return { ...recipient, state: { ...state, due: now } };
  }
}

function heldOf(recipients: readonly QueuedRecipient[]): number {
  return recipients.filter(({ state }) => state.held).length;
}
