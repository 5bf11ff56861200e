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
  type DestinationEntry,
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
  NO_DESTINATION,
  parseDueKey,
  parseWorkKey,
  workKey,
} from './entries.js';
import { namesMessage, namesRecipient } from './filter.js';
import { NOTHING_RECENT, type RecentChanges, type RecentMessage, type RecentReader } from './recent.js';

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

/** `isDone`: nothing is left of the work. */
export type SettledWork =
  | { readonly status: 'settled'; readonly isDone: boolean }
  | Extract<Settled, { status: 'lost' }>;

export class DuplicateMessageError extends Error {
  override readonly name = 'DuplicateMessageError';
}

export class QueueChanges {
  readonly #draft: Draft;
  readonly #recent: RecentReader;
  readonly #counts: { messages: number; recipients: number; held: number; octets: number };
  readonly #arrivals = new Arrivals();
  /** Messages that came here, or of which work was settled; undefined where the draft has to be asked. */
  readonly #messages = new Map<string, RecentMessage | undefined>();
  /** Files that got or lost messages; undefined where none is left. They are written at the end. */
  readonly #files = new Map<string, FileEntry | undefined>();
  /** What is said of destinations, and where they stand in the end. */
  readonly #states = new Map<string, DestinationState | undefined>();
  readonly #destinations = new Map<string, DestinationEntry>();
  /** Destinations whose earliest work may be another now; and the first key of `due` that came to them. */
  readonly touched = new Map<string, string | undefined>();
  /** Files of which nothing is in the queue any more. */
  readonly emptied = new Set<string>();
  /** Recipients that are not in the queue any more. */
  readonly gone: Gone[] = [];
  /** Messages of which nothing is. */
  readonly done: string[] = [];
  readonly held: Held[] = [];

  /** @param recent what is remembered of the index that the draft is made on */
  constructor(draft: Draft, recent: RecentReader = NOTHING_RECENT) {
    this.#draft = draft;
    this.#recent = recent;
    this.#counts = { ...decodeCounts(draft.get('state', 'counts')) };
  }

  get counts(): QueueCounts {
    return this.#counts;
  }

  /** What is to be remembered of it. */
  get remembered(): RecentChanges {
    return { messages: this.#messages, destinations: this.#destinations };
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
    this.#messages.set(id, { envelope, place, works });
    this.#joinFile(place);
    this.#counts.messages++;
    this.#arrivals.add(envelope.arrived, 1);
    this.#counts.octets += place.size;
  }

  /** What became of the recipients of a claim. `lost` where none of them is there any more. */
  settle(id: string, destination: string, settlements: readonly RecipientSettlement[]): SettledWork {
    const message = this.message(id);
    const recipients = message === undefined ? [] : this.work(id, destination, message.envelope);
    const outcomes = new Map<number, RecipientSettlement>();
    for (const settlement of settlements) outcomes.set(settlement.index, settlement);
    if (message === undefined || !recipients.some(({ index }) => outcomes.has(index))) {
      return { status: 'lost', reason: 'The recipients were deleted meanwhile.' };
    }
    const kept: QueuedRecipient[] = [];
    for (const recipient of recipients) {
      const after = afterwards(recipient, outcomes.get(recipient.index));
      if (after !== undefined) kept.push(after);
    }
    this.#setWork(id, destination, message, recipients, kept);
    const isDone = kept.length === 0;
    const left = isDone ? withoutWork(this.#remembered(id), destination) : undefined;
    // Whoever waits, waits longer than anything is remembered.
    this.#messages.set(id, left);
    if (left === undefined || left.works.size === 0) this.#forgetWhenDone(id, message, left !== undefined);
    return { status: 'settled', isDone };
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
    if (changed > 0) {
      this.#messages.set(id, undefined);
      this.#forgetWhenDone(id, message, false);
    }
    return changed;
  }

  setDestination(destination: string, state: DestinationState | undefined): void {
    if (state === undefined && this.#stateOf(destination) === undefined) return;
    this.#states.set(destination, state);
    this.#touch(destination, undefined);
  }

  #stateOf(destination: string): DestinationState | undefined {
    return this.#states.has(destination)
      ? this.#states.get(destination)
      : this.#destination(destination).state;
  }

  /** As it is in the index. */
  #destination(destination: string): DestinationEntry {
    const recent = this.#recent.destination(destination);
    if (recent !== undefined) return recent;
    const text = this.#draft.get('destinations', destination);
    return text === undefined ? NO_DESTINATION : decodeDestination(text, destination);
  }

  #remembered(id: string): RecentMessage | undefined {
    return this.#messages.has(id) ? this.#messages.get(id) : this.#recent.message(id);
  }

  message(id: string): MessageEntry | undefined {
    const remembered = this.#remembered(id);
    if (remembered !== undefined) return remembered;
    const text = this.#draft.get('messages', id);
    return text === undefined ? undefined : decodeMessageEntry(text);
  }

  work(id: string, destination: string, envelope: QueuedEnvelope): readonly QueuedRecipient[] {
    const remembered = this.#remembered(id);
    if (remembered !== undefined) return remembered.works.get(destination) ?? [];
    const text = this.#draft.get('works', workKey(id, destination));
    return text === undefined ? [] : decodeWork(text, envelope.arrived, destination);
  }

  file(file: string): FileEntry | undefined {
    if (this.#files.has(file)) return this.#files.get(file);
    const text = this.#draft.get('files', file);
    return text === undefined ? undefined : decodeFile(text);
  }

  /** Puts what was left to the end into the draft: where destinations stand, and the counts. */
  finish(): void {
    for (const destination of this.touched.keys()) this.#setHead(destination);
    for (const [file, entry] of this.#files) {
      if (entry === undefined) this.#draft.remove('files', file);
      else this.#draft.put('files', file, encodeFile(entry));
    }
    this.#draft.put('state', 'counts', encodeCounts(this.#counts));
    this.#arrivals.write(this.#draft);
    for (const file of [...this.emptied]) {
      if (this.#files.get(file) !== undefined) this.emptied.delete(file);
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
    const dueBefore = earliest(before);
    const dueAfter = earliest(after);
    let came: string | undefined;
    if (dueBefore !== dueAfter) {
      if (dueBefore !== undefined) this.#draft.remove('due', dueKey(destination, dueBefore, id));
      if (dueAfter !== undefined) {
        came = dueKey(destination, dueAfter, id);
        this.#draft.put('due', came, '');
      }
    }
    this.#touch(destination, came);
    this.#counts.recipients += after.length - before.length;
    this.#counts.held += heldOf(after) - heldOf(before);
    if (before.length > 0) this.#tell(id, place, before, after);
  }

  #touch(destination: string, came: string | undefined): void {
    const first = this.touched.get(destination);
    const isFirst = first === undefined || (came !== undefined && came < first);
    if (isFirst) this.touched.set(destination, came);
  }

  /** Who of a work has gone, and who was held or released. */
  #tell(
    id: string,
    { file }: BodyPlace,
    before: readonly QueuedRecipient[],
    after: readonly QueuedRecipient[],
  ): void {
    if (after.length === 0) {
      this.gone.push({ file, id, indices: before.map(({ index }) => index) });
      return;
    }
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

  /** @param isDone it is known that nothing is left of it */
  #forgetWhenDone(id: string, { envelope, place }: MessageEntry, isDone: boolean): void {
    if (!isDone && this.#draft.firstUnder('works', id) !== undefined) return;
    this.#messages.set(id, undefined);
    this.done.push(id);
    this.#draft.remove('messages', id);
    this.#counts.messages--;
    this.#arrivals.add(envelope.arrived, -1);
    this.#counts.octets -= place.size;
    this.#leaveFile(place);
  }

  #joinFile({ file, number, size }: BodyPlace): void {
    const known = this.file(file);
    const { messages, octets, seen } = known ?? NEW_FILE;
    const entry = { messages: messages + 1, octets: octets + size, seen: seen | (1n << BigInt(number)) };
    this.#files.set(file, entry);
    if (known === undefined) this.#draft.remove('spent', file);
  }

  #leaveFile({ file, size }: BodyPlace): void {
    const { messages, octets, seen } = this.file(file) ?? NEW_FILE;
    if (messages > 1) {
      this.#files.set(file, { messages: messages - 1, octets: octets - size, seen });
    } else {
      this.#files.set(file, undefined);
      this.emptied.add(file);
    }
  }

  #setHead(destination: string): void {
    const before = this.#destination(destination);
    const state = this.#stateOf(destination);
    // What stands nowhere in the order has nothing that is due.
    const first = this.#draft.firstUnder('due', destination, before.head === undefined);
    const due = first === undefined ? undefined : parseDueKey(first).due;
    const head = due === undefined ? undefined : Math.max(due, state?.notBefore ?? 0);
    const isNowhere = head === undefined && state === undefined;
    this.#destinations.set(destination, isNowhere ? NO_DESTINATION : { head, state });
    if (head !== before.head) {
      if (before.head !== undefined) this.#draft.remove('heads', headKey(before.head, destination));
      if (head !== undefined) this.#draft.put('heads', headKey(head, destination), '');
    }
    if (isNowhere) {
      if (before !== NO_DESTINATION) this.#draft.remove('destinations', destination);
    } else if (head !== before.head || this.#states.has(destination)) {
      this.#draft.put('destinations', destination, encodeDestination({ head, state }));
    }
  }
}

/** The message without its work at one destination; undefined where it is not remembered. */
function withoutWork(message: RecentMessage | undefined, destination: string): RecentMessage | undefined {
  if (message === undefined) return undefined;
  const { envelope, place } = message;
  const works = new Map(message.works);
  works.delete(destination);
  return { envelope, place, works };
}

function afterwards(
  recipient: QueuedRecipient,
  settlement: RecipientSettlement | undefined,
): QueuedRecipient | undefined {
  switch (settlement?.outcome) {
    case undefined:
      return recipient;
    case 'done':
      return undefined;
    case 'again': {
      const { due, warned, last } = settlement;
      const { held, attempts } = recipient.state;
      return { ...recipient, state: { held, due, attempts: attempts + 1, warned, last } };
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
  let held = 0;
  for (const { state } of recipients) if (state.held) held += 1;
  return held;
}
