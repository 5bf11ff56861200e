/**
 * The queue: where a message is from the moment its sender is told "250" until the last of its recipients is
 * settled.
 *
 * One interface, two engines (`embedded/`, `postgres/`), one suite of tests for both. An engine keeps messages
 * and hands out work; it decides nothing. When to try again, whom to tell, what a reply means: all that is the
 * scheduler's.
 *
 * - A message is *added*. When the promise resolves it is durable: flushed to disk, not merely written.
 * - The unit of work is one message's recipients at one destination. It is *claimed* by the one who will try
 *   it, and *settled* with what became of each recipient. When that resolves, it is durable too, together with
 *   the bounces that came of it: in one transaction, so that neither can be there without the other.
 * - A claim has a *fence*, a number that grows with every claim of the same work. Where a lease ran out and
 *   somebody else has claimed the work since, a settlement with the old number changes nothing and says so.
 * - Between claim and settlement a crash gives the work back, so a message may be tried twice; it is never
 *   lost.
 *
 * Times are milliseconds since the epoch, and come from the caller.
 */

/** A message that is to be kept. */
export interface NewMessage {
  /** From `makeQueueId`; the caller makes it, as it stands in the Received field. */
  readonly id: string;
  readonly envelope: QueuedEnvelope;
  /** At least one. Their place in the list is their `index` from then on. */
  readonly recipients: readonly NewRecipient[];
  /** As it is to be sent: CRLF line ends, dots not doubled. */
  readonly body: Uint8Array;
}

/** What holds for all recipients, and does not change. */
export interface QueuedEnvelope {
  /** `local@domain`, domain in A-labels; the empty string is the null reverse-path. */
  readonly from: string;
  /** RFC 3461 section 4.4, as it came (xtext decoded). */
  readonly envid?: string | undefined;
  /** RFC 3461 section 4.3: how much of the message a report of failure returns. */
  readonly ret?: 'full' | 'hdrs' | undefined;
  /** RFC 8689: REQUIRETLS was said to us. */
  readonly requireTls: boolean;
  /** RFC 6531: SMTPUTF8 was said to us. */
  readonly smtpUtf8: boolean;
  /** What `checkMessage` of @danelaw/smtp found out about the body. */
  readonly eightBit: boolean;
  readonly utf8Header: boolean;
  readonly tlsRequiredNo: boolean;
  readonly arrived: number;
  readonly origin: Origin;
}

/** Who handed a message in, for the log. */
export interface Origin {
  /** `smtp` and `sendmail` came from outside; `bounce` and `report` are our own. */
  readonly kind: 'smtp' | 'sendmail' | 'bounce' | 'report';
  /** The client's address. */
  readonly client?: string | undefined;
  readonly helo?: string | undefined;
  readonly user?: string | undefined;
  /** `sendmail`: the number of this machine's user who left it in the maildrop. */
  readonly uid?: number | undefined;
  /** RFC 3848: `ESMTPSA`. */
  readonly protocol?: string | undefined;
}

/** RFC 3461 section 4.1; `undefined` where the sender did not say: failure, and delay. */
export type Notify = 'never' | readonly ('success' | 'failure' | 'delay')[];

export interface NewRecipient {
  /** `local@domain`, domain in A-labels. */
  readonly address: string;
  /** The next-hop domain in A-labels and lower case, or an address literal in brackets. */
  readonly destination: string;
  readonly notify?: Notify | undefined;
  /** RFC 3461 section 4.2, as it came: `rfc822;you@example.org`. */
  readonly orcpt?: string | undefined;
  /** For messages that come from another queue; a new one is due since it arrived, and was never tried. */
  readonly state?: RecipientState | undefined;
}

/** What changes while a recipient waits. */
export interface RecipientState {
  /** Held: not tried until it is released. */
  readonly held: boolean;
  /** When it is to be tried next. */
  readonly due: number;
  /** How often it was tried. */
  readonly attempts: number;
  /** The sender has been told of the delay. */
  readonly warned: boolean;
  /** How the last try ended; undefined before the first. */
  readonly last: LastTry | undefined;
}

export interface LastTry {
  readonly time: number;
  /** RFC 3463, `4.4.1`. */
  readonly enhancedStatus: string | null;
  /** The reply on one line, where it was one. */
  readonly reply: string | null;
  readonly host: string | null;
  /** What happened, by which rule, in a sentence. */
  readonly reason: string;
}

/** A recipient as it is in the queue. */
export interface QueuedRecipient extends Omit<NewRecipient, 'state'> {
  readonly index: number;
  readonly state: RecipientState;
}

/**
 * One message's due recipients at one destination, handed to one who tries them. There is one at a time: those
 * who become due meanwhile wait for its end.
 */
export interface Claim {
  readonly id: string;
  readonly destination: string;
  readonly envelope: QueuedEnvelope;
  /** Octets of the body. */
  readonly size: number;
  readonly recipients: readonly QueuedRecipient[];
  /** Grows with every claim of the same work. */
  readonly fence: number;
  /**
   * When the claim ends by itself; undefined where it lasts as long as the process. Whoever could not have
   * the reply to the final dot by then must not send it.
   */
  readonly leaseUntil: number | undefined;
}

export interface ClaimRequest {
  readonly now: number;
  /** Claims wanted at most. */
  readonly max: number;
  /** Claims of one destination that may live at a time, over all nodes. */
  readonly limitOf: (destination: string) => number;
  /** Milliseconds that a claim lives where several nodes share the queue. */
  readonly lease: number;
}

export interface ClaimBatch {
  /** Oldest due first within a destination; destinations take turns. */
  readonly claims: readonly Claim[];
  /**
   * When, as far as is known, more will be due; undefined where nothing waits. What is due now and was left
   * because of a limit does not count: it becomes claimable by a settlement.
   */
  readonly nextDue: number | undefined;
}

/** What became of one recipient of a claim. */
export type RecipientSettlement =
  /** Delivered, failed or expired: it leaves the queue. */
  | { readonly index: number; readonly outcome: 'done' }
  /** It stays. */
  | {
      readonly index: number;
      readonly outcome: 'again';
      readonly due: number;
      readonly warned: boolean;
      readonly last: LastTry;
    };

export interface Settlement {
  /** One for each recipient of the claim. */
  readonly recipients: readonly RecipientSettlement[];
  /** Bounces and reports that come of it. */
  readonly followUps: readonly NewMessage[];
}

/** `lost`: the claim is not the caller's any more, and nothing was changed. */
export type Settled = { readonly status: 'settled' } | { readonly status: 'lost'; readonly reason: string };

/** A destination that is down is tried as one destination, and not once for each message. */
export interface DestinationState {
  readonly destination: string;
  /** Nothing of it is claimed before. */
  readonly notBefore: number;
  /** Failures in a row. */
  readonly failures: number;
  readonly reason: string;
}

/** Which recipients; what is left out does not restrict. */
export interface QueueFilter {
  readonly id?: string | undefined;
  /** The sender, whole or as `@domain`; `<>` for the null reverse-path. Compared without regard to case. */
  readonly from?: string | undefined;
  /** The recipient, whole or as `@domain`. */
  readonly to?: string | undefined;
  readonly destination?: string | undefined;
  /** It arrived before this time. */
  readonly arrivedBefore?: number | undefined;
  readonly arrivedAfter?: number | undefined;
  /** It is to be tried next after this time. */
  readonly dueAfter?: number | undefined;
  /** Part of the reason of the last try, without regard to case. */
  readonly reason?: string | undefined;
  /** Destinations that are down for such a reason: all who wait for them are named by it, tried or not. */
  readonly downFor?: readonly string[] | undefined;
  readonly state?: 'held' | 'queued' | undefined;
}

/** One message, with the recipients that are still in the queue (and, from `list`, that the filter names). */
export interface QueueEntry {
  readonly id: string;
  readonly envelope: QueuedEnvelope;
  readonly size: number;
  readonly recipients: readonly QueuedRecipient[];
}

export type QueueAction = 'hold' | 'release' | 'delete' | 'retry';

export interface QueueCounts {
  readonly messages: number;
  readonly recipients: number;
  readonly held: number;
  /** Octets of the bodies. */
  readonly octets: number;
}

/** Permission to have one more connection to a host, over all nodes. */
export interface Slot {
  release(): void;
}

export interface Queue {
  /**
   * Keeps a message. Many calls at a time share their flushes.
   * @throws (rejects) `QueueFullError` where there is no room; nothing is kept then
   * @throws (rejects) `RangeError` where the id is none, or there are no recipients; another error where the
   * queue has a message of that id (it stays as it was)
   * @throws (rejects) `QueueUnavailableError` where a database can't be reached; it may be tried again
   */
  add(message: NewMessage): Promise<void>;
  /** @throws (rejects) `BodyLostError` where the body is gone or damaged */
  body(id: string): Promise<Uint8Array>;
  claim(request: ClaimRequest): Promise<ClaimBatch>;
  /**
   * Ends a claim. Many calls at a time share their flushes.
   * @throws (rejects) `QueueFullError` where there is no room; the claim goes on, and may be settled again
   * @throws (rejects) `RangeError` where the settlement does not name each recipient of the claim once; the
   * claim goes on
   * @throws (rejects) `QueueUnavailableError` where a database could not be reached until the lease ended
   */
  settle(claim: Claim, settlement: Settlement): Promise<Settled>;
  /** Gives a claim back untried. */
  release(claim: Claim): Promise<void>;
  /** Makes leases longer. Gives the new end of each claim that is still the caller's. */
  renew(
    claims: readonly Claim[],
    now: number,
    lease: number,
  ): Promise<ReadonlyMap<Claim, number | undefined>>;
  /** Undefined forgets it: the destination is fine. Kept over restarts, but need not be durable at once. */
  setDestination(destination: string, state: DestinationState | undefined): Promise<void>;
  destinations(): AsyncIterable<DestinationState>;
  /** Undefined where the host has as many connections as it may. `lease`: as with claims. */
  takeSlot(host: string, limit: number, now: number, lease: number): Promise<Slot | undefined>;
  /** Calls back when there may be work earlier than `nextDue` said. Returns the way to stop that. */
  onWork(listener: () => void): () => void;
  /** By arrival, oldest first. */
  list(filter: QueueFilter): AsyncIterable<QueueEntry>;
  read(id: string): Promise<QueueEntry | undefined>;
  /**
   * Changes every recipient that the filter names; `retry` makes due now, and forgets what is known of the
   * destinations; what is held stays held. Resolves to the number of recipients that the filter names. Work under way is not disturbed, but for `delete`:
   * its settlement is `lost` for what was deleted.
   */
  change(filter: QueueFilter, action: QueueAction, now: number): Promise<number>;
  counts(): Promise<QueueCounts>;
  /**
   * How many messages of the queue arrived before each of these times, which ascend. An engine may be wrong by
   * those of five minutes, if that spares it from looking at every message.
   */
  arrivedBefore(times: readonly number[]): Promise<readonly number[]>;
  /** Resolves when everything is durable and nothing is open. Claims are given back. */
  close(): Promise<void>;
}

/** No room for another message: the disk is full, or a bound of the configuration is reached. */
export class QueueFullError extends Error {
  override readonly name = 'QueueFullError';
}

/** The body of a message is gone, or is not what was written. */
export class BodyLostError extends Error {
  override readonly name = 'BodyLostError';
}

/** The queue on disk, or in the database, can't be used: a newer format, another process, no permission. */
export class QueueUnusableError extends Error {
  override readonly name: string = 'QueueUnusableError';
}

/** It holds what can't be read back, and whoever opens it next makes it anew: going on is of no use, a new start is. */
export class QueueDamagedError extends QueueUnusableError {
  override readonly name: string = 'QueueDamagedError';
}

/** The queue can't be reached for now: the database restarts, or the network is down. It may be tried again. */
export class QueueUnavailableError extends Error {
  override readonly name = 'QueueUnavailableError';
}
