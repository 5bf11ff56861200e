/**
 * One question to one server: over UDP, over TCP where that does not do, and what came of it.
 *
 * What is decided here is only what is a reply and what is none. NOERROR, NXDOMAIN and YXDOMAIN are replies; every other
 * response code, silence, junk and malformed messages are troubles, each kept apart, and never an empty answer.
 */
import { randomFillSync } from 'node:crypto';
import { onAbort, type Timer, untilAbort } from './abort.js';
import { EDE } from './dnssec/extended-error.js';
import { extendedErrors } from './ede-option.js';
import type { ExtendedError } from './lookup.js';
import { encodeQuery, type Message, parseMessage } from './message.js';
import type { Name } from './name.js';
import { isReplyTo } from './reply-match.js';
import { RCODE, rcodeName } from './rrtype.js';
import type { ServerAddress } from './server-address.js';
import type { NoReply } from './source.js';
import type { Endpoint, Transport, TurnEnd } from './transport.js';
import { TransportError } from './transport-error.js';
import { sameBytes, WireError } from './wire.js';

/** What fits any path without fragments (RFC 9715, the DNS flag day of 2020). */
export const EDNS_UDP_OCTETS = 1_232;
/** How long a server may take over TCP, with the connection's set-up, for what it has an answer to. */
export const TCP_TRY_MS = 5_000;
/** How long one may take at least that is asked over a connection from the start: two or three round trips go before. */
export const STREAM_TRY_MS = 3_000;

/** The question follows the header (RFC 1035 section 4.1). */
const QUESTION_OFFSET = 12;

export interface Question {
  readonly name: Name;
  readonly type: number;
}

export interface QueryFlags {
  /** Recursion desired. */
  readonly rd: boolean;
  /** Checking disabled: give what you have, we validate (RFC 4035 section 3.2.2). */
  readonly cd: boolean;
  /** DNSSEC records are wanted (RFC 3225). */
  readonly do: boolean;
  /** The AD bit of the reply will be looked at (RFC 6840 section 5.7). */
  readonly ad?: boolean;
  /**
   * Letters in random case, which the reply has to repeat: more for a forger to guess. A reply that does not is asked for
   * over TCP, where there is nothing to guess.
   */
  readonly mixedCase?: boolean;
}

export interface AskingParts {
  readonly transport: Transport;
  readonly timer: Timer;
  /** Hears for how many milliseconds the question waited for its turn, which is not the server's time. */
  readonly onWaited?: (milliseconds: number) => void;
}

/** Why one server gave no reply. In order of what tells a person most. */
export type Trouble =
  | { readonly kind: 'rcode'; readonly rcode: number; readonly ede?: ExtendedError }
  | { readonly kind: 'malformed'; readonly reason: string }
  | { readonly kind: 'network'; readonly reason: string; readonly isLasting: boolean }
  | { readonly kind: 'silent' };

export type Tried = { readonly kind: 'reply'; readonly message: Message } | Trouble;

/**
 * @param patience says, when the question's turn has come, how many milliseconds there are for a reply; over TCP and TLS
 * it may be more
 * @param deadline ends everything; the question then counts as unanswered
 */
export async function askServer(
  parts: AskingParts,
  server: ServerAddress,
  question: Question,
  flags: QueryFlags,
  patience: () => number,
  deadline: AbortSignal,
): Promise<Tried> {
  const once = (protocol: Endpoint['protocol'], milliseconds: () => number) =>
    exchangeOnce(parts, server, protocol, question, flags, milliseconds, deadline);
  const patient = () => Math.max(patience(), STREAM_TRY_MS);
  if (server.tls !== undefined) return unlessTruncated(await once('tls', patient));
  if (server.tcpOnly) return unlessTruncated(await once('tcp', patient));
  let tried = await once('udp', patience);
  const isTruncated = tried.kind === 'reply' && tried.message.flags.tc;
  if (isTruncated || tried.kind === 'malformed') tried = await once('tcp', () => TCP_TRY_MS);
  return unlessTruncated(tried);
}

/** What is cut off where there is room for everything is no reply. */
function unlessTruncated(tried: Tried): Tried {
  return tried.kind === 'reply' && tried.message.flags.tc
    ? { kind: 'malformed', reason: 'truncated over TCP' }
    : tried;
}

async function exchangeOnce(
  parts: AskingParts,
  server: ServerAddress,
  protocol: Endpoint['protocol'],
  question: Question,
  flags: QueryFlags,
  patience: () => number,
  deadline: AbortSignal,
): Promise<Tried> {
  const { address, port, tls, isLocal } = server;
  const endpoint = {
    address,
    port,
    protocol,
    ...(tls === undefined ? {} : { tls }),
    ...(isLocal === undefined ? {} : { isLocal }),
  };
  if (parts.transport.turn === undefined) {
    return exchangeNow(parts, endpoint, question, flags, patience(), deadline);
  }
  let endTurn: (end: TurnEnd) => void;
  try {
    endTurn = await turnAt(endpoint, parts, deadline);
  } catch (error) {
    return deadline.aborted ? { kind: 'silent' } : asTrouble(error);
  }
  const tried = await exchangeNow(parts, endpoint, question, flags, patience(), deadline);
  endTurn(howItEnded(tried, deadline));
  return tried;
}

async function exchangeNow(
  parts: AskingParts,
  endpoint: Endpoint,
  question: Question,
  flags: QueryFlags,
  patience: number,
  deadline: AbortSignal,
): Promise<Tried> {
  const query = queryFor(question, flags);
  const isMixed = flags.mixedCase === true && endpoint.protocol === 'udp';
  const mixed = isMixed ? mixCase(query, question.name) : undefined;
  const end = new AbortController();
  const stopListening = onAbort(deadline, () => end.abort());
  const stopTimer = parts.timer(patience, () => end.abort());
  try {
    const exchange = async () => parts.transport.exchange(mixed ?? query, endpoint, end.signal);
    const reply = await untilAbort(exchange(), end.signal);
    return readReply(query, mixed === undefined ? reply : restoreCase(reply, mixed, query, question.name));
  } catch (error) {
    return end.signal.aborted ? { kind: 'silent' } : asTrouble(error);
  } finally {
    stopTimer();
    stopListening();
  }
}

async function turnAt(
  endpoint: Endpoint,
  { transport, onWaited }: AskingParts,
  deadline: AbortSignal,
): Promise<(end: TurnEnd) => void> {
  const start = performance.now();
  try {
    return (await transport.turn?.(endpoint, deadline)) ?? (() => {});
  } finally {
    onWaited?.(performance.now() - start);
  }
}

function howItEnded(tried: Tried, deadline: AbortSignal): TurnEnd {
  switch (tried.kind) {
    case 'reply':
    case 'rcode':
    case 'malformed':
      return 'answered';
    case 'silent':
      return deadline.aborted ? 'undecided' : 'silent';
    case 'network':
      return 'undecided';
    default: {
      const never: never = tried;
      return never;
    }
  }
}

/** With an id that nobody can foresee, new for each try (RFC 5452 section 9.2). */
function queryFor(question: Question, flags: QueryFlags): Uint8Array {
  const { rd, cd, ad = false } = flags;
  const edns = { udpSize: EDNS_UDP_OCTETS, version: 0, do: flags.do, options: [] };
  const [high = 0, low = 0] = randomOctets(2);
  return encodeQuery({ name: question.name, type: question.type, id: (high << 8) | low, rd, cd, ad, edns });
}

/** Random octets, drawn many at once: a system call for each query would take longer than to write it. */
const randomness = new Uint8Array(4_096);
let randomnessUsed = randomness.length;

/** To be used at once: what comes next overwrites it. */
function randomOctets(count: number): Uint8Array {
  if (randomnessUsed + count > randomness.length) {
    randomFillSync(randomness);
    randomnessUsed = 0;
  }
  randomnessUsed += count;
  return randomness.subarray(randomnessUsed - count, randomnessUsed);
}

/** The same query, the letters of its name in random case. */
function mixCase(query: Uint8Array, name: Name): Uint8Array {
  const mixed = query.slice();
  const bits = randomOctets(name.wire.length);
  for (let i = 0; i < name.wire.length; i++) {
    const octet = (mixed[QUESTION_OFFSET + i] ?? 0) | 0x20;
    // Length octets are under 64 and never become letters by this.
    const isLetter = octet >= 0x61 && octet <= 0x7a && (mixed[QUESTION_OFFSET + i] ?? 0) > 0x40;
    if (isLetter) mixed[QUESTION_OFFSET + i] = (bits[i] ?? 0) & 1 ? octet : octet & ~0x20;
  }
  return mixed;
}

/**
 * Puts the name back as it was asked for: other names of the reply are compressed to point at it.
 * @throws WireError where the reply does not repeat the letters that were sent
 */
function restoreCase(reply: Uint8Array, mixed: Uint8Array, query: Uint8Array, name: Name): Uint8Array {
  const end = QUESTION_OFFSET + name.wire.length;
  const questions = ((reply[4] ?? 0) << 8) | (reply[5] ?? 0);
  // An error without a question is for readReply to judge.
  if (questions === 0) return reply;
  if (!sameBytes(reply.subarray(QUESTION_OFFSET, end), mixed.subarray(QUESTION_OFFSET, end))) {
    throw new WireError('the reply does not repeat the letters of the question');
  }
  const restored = reply.slice();
  restored.set(query.subarray(QUESTION_OFFSET, end), QUESTION_OFFSET);
  return restored;
}

function readReply(query: Uint8Array, octets: Uint8Array): Tried {
  // The transport has checked this already, if it is ours.
  if (!isReplyTo(query, octets)) return { kind: 'malformed', reason: 'the message is no reply to the query' };
  const message = parseMessage(octets);
  switch (message.rcode) {
    case RCODE.NOERROR:
    case RCODE.NXDOMAIN:
    case RCODE.YXDOMAIN:
      return { kind: 'reply', message };
    default: {
      const [ede] = extendedErrors(message.edns);
      return { kind: 'rcode', rcode: message.rcode, ...(ede === undefined ? {} : { ede }) };
    }
  }
}

function asTrouble(error: unknown): Trouble {
  if (error instanceof WireError) return { kind: 'malformed', reason: `malformed reply: ${error.message}` };
  if (!(error instanceof TransportError)) return { kind: 'network', reason: String(error), isLasting: false };
  switch (error.failure) {
    case 'junk':
    case 'malformed':
      return { kind: 'malformed', reason: error.message };
    case 'silent':
      return { kind: 'silent' };
    case 'unreachable':
    case 'cut-off':
      return { kind: 'network', reason: error.message, isLasting: false };
    case 'limit':
    case 'closed':
    case 'unsupported':
    case 'unauthenticated':
      return { kind: 'network', reason: error.message, isLasting: true };
    default: {
      const never: never = error.failure;
      return never;
    }
  }
}

const TELLING: readonly Trouble['kind'][] = ['rcode', 'malformed', 'network', 'silent'];

/** The most telling trouble decides code and error; the reason names every server. */
export function noReply(troubles: ReadonlyMap<string, Trouble>): NoReply {
  const list = [...troubles].sort(([, a], [, b]) => rank(a) - rank(b));
  const reason = list.map(([server, trouble]) => `${server}: ${describeTrouble(trouble)}`).join('; ');
  const [, worst] = list[0] ?? [];
  const text = {
    kind: 'failure',
    reason: reason === '' ? 'there was no time to ask any server' : reason,
  } as const;
  switch (worst?.kind) {
    case 'rcode': {
      const rcode = rcodeName(worst.rcode);
      return { ...text, rcode, ede: worst.ede ?? { code: EDE.OTHER, text: reason } };
    }
    case 'malformed':
    case 'network':
      return { ...text, ede: { code: EDE.NETWORK_ERROR, text: reason } };
    case 'silent':
    case undefined:
      return { ...text, ede: { code: EDE.NO_REACHABLE_AUTHORITY, text: reason } };
    default: {
      const never: never = worst;
      return never;
    }
  }
}

function rank(trouble: Trouble): number {
  const hasReason = trouble.kind === 'rcode' && trouble.ede !== undefined;
  return hasReason ? -1 : TELLING.indexOf(trouble.kind);
}

/** For people, to be put behind a server's name. */
export function describeTrouble(trouble: Trouble): string {
  switch (trouble.kind) {
    case 'rcode': {
      const { rcode, ede } = trouble;
      return ede === undefined
        ? rcodeName(rcode)
        : `${rcodeName(rcode)} (extended error ${ede.code}: ${ede.text || 'no text'})`;
    }
    case 'malformed':
    case 'network':
      return trouble.reason;
    case 'silent':
      return 'no answer in time';
    default: {
      const never: never = trouble;
      return never;
    }
  }
}
