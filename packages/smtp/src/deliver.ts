/**
 * Delivers one message: sorts the envelope's recipients by destination, takes the message to each, and tells
 * for each recipient what became of it and what was proved on the way.
 */
import { setMaxListeners } from 'node:events';
import { type ClientOptions, makeClient } from './client.js';
import { type DestinationResult, deliverToDestination } from './destination.js';
import { type Mailbox, parseMailbox } from './mailbox.js';
import type { Message } from './message.js';
import type { Delivery, RecipientOutcome } from './outcome.js';
import { printable } from './reply.js';

export interface Envelope {
  /** `local@domain`; the empty string is the null reverse-path (RFC 5321 section 4.5.5). */
  readonly from: string;
  /** `local@domain` each. */
  readonly to: readonly string[];
  /** RFC 8689: the message goes only over authenticated TLS, to servers that promise the same. */
  readonly requireTls?: boolean;
}

export interface DeliverOptions extends ClientOptions {
  readonly envelope: Envelope;
  /** From `checkMessage`. */
  readonly message: Message;
}

/**
 * Destinations that are served at the same time. A silent one holds up none of the others as long as there are fewer
 * silent ones than this; each costs a connection at a time, and little memory, as the message is shared.
 */
const PARALLEL_DESTINATIONS = 64;
/** The destination's own, and its look-ups'. */
const LISTENERS_PER_DESTINATION = 8;

/**
 * Delivers a message to every recipient of its envelope.
 *
 * @returns one outcome for each recipient, in the order of the envelope; a failure is an outcome, not an
 * exception
 * @throws (rejects) when `signal` aborts, with its reason; `TypeError` for an impossible `heloName`
 */
export async function deliver(options: DeliverOptions): Promise<Delivery> {
  const client = makeClient({ ...options, ...(options.signal && { signal: forMany(options.signal) }) });
  const { envelope, message } = options;
  const requireTls = envelope.requireTls ?? false;
  const from = envelope.from === '' ? undefined : parseMailbox(envelope.from);
  if (from === undefined && envelope.from !== '') {
    const reason = `the sender "${printable(envelope.from)}" is no mailbox (RFC 5321 section 4.1.2)`;
    return {
      recipients: envelope.to.map((recipient) => unsent(recipient, '5.1.7', reason)),
      attempts: [],
      unrouted: [],
    };
  }
  const recipients = envelope.to.map((text) => ({ text, mailbox: parseMailbox(text) }));
  const consignments = [
    ...byDestination(
      recipients.flatMap(({ mailbox }) => mailbox ?? []),
      client.relay !== undefined,
    ),
  ];
  const results = await inParallel(consignments, ([nextHop, mailboxes]) =>
    deliverToDestination(client, { nextHop, from, recipients: mailboxes, message, requireTls }),
  );
  return {
    recipients: recipients.map(({ text, mailbox }) => outcomeOf(text, mailbox, results)),
    attempts: results.flatMap(({ attempts }) => attempts),
    unrouted: results.flatMap(({ unrouted }) => unrouted ?? []),
  };
}

/** The same signal, of which Node.js does not think that so many listeners were forgotten. */
function forMany(signal: AbortSignal): AbortSignal {
  const own = AbortSignal.any([signal]);
  setMaxListeners(LISTENERS_PER_DESTINATION * PARALLEL_DESTINATIONS, own);
  return own;
}

function outcomeOf(
  text: string,
  mailbox: Mailbox | undefined,
  results: readonly DestinationResult[],
): RecipientOutcome {
  if (mailbox === undefined) {
    return unsent(text, '5.1.3', `the recipient "${printable(text)}" is no mailbox (RFC 5321 section 4.1.2)`);
  }
  const outcome = results.flatMap(({ outcomes }) => outcomes.get(mailbox) ?? [])[0];
  return outcome === undefined
    ? unsent(text, '5.3.5', 'no destination was found')
    : { ...outcome, recipient: text };
}

function unsent(recipient: string, enhancedStatus: string, reason: string): RecipientOutcome {
  const nothing = { stage: null, reply: null, code: null, host: null, address: null, tls: null, mx: null };
  return { recipient, status: 'failed', enhancedStatus, reason, exceptions: [], ...nothing };
}

/** With a relay there is one destination, whatever the domains are. */
function byDestination(mailboxes: readonly Mailbox[], relayed: boolean): Map<string, Mailbox[]> {
  const groups = new Map<string, Mailbox[]>();
  for (const mailbox of mailboxes) {
    const nextHop = relayed ? '' : mailbox.domain;
    const group = groups.get(nextHop);
    if (group === undefined) groups.set(nextHop, [mailbox]);
    else group.push(mailbox);
  }
  return groups;
}

/** Runs `work` for each item, a bounded number at a time; the results are in the order of the items. */
async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results = new Map<number, R>();
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) results.set(index, await work(item));
  };
  await Promise.all(Array.from({ length: PARALLEL_DESTINATIONS }, worker));
  return items.flatMap((_, index) => results.get(index) ?? []);
}
