/** One query to one server in one way, and what came of it: a reply, or why there is none. */
import { randomFillSync } from 'node:crypto';
import type { AskingParts, QueryFlags, Question, Tried, Trouble } from './ask-server.js';
import type { Deadline, DeadlineWatcher } from './deadline.js';
import { extendedErrors } from './ede-option.js';
import { type EdnsOption, encodeQuery, parseMessage } from './message.js';
import type { Name } from './name.js';
import { isReplyTo } from './reply-match.js';
import { RCODE } from './rrtype.js';
import { type QueryListener, type StartedQuery, startQuery } from './started-query.js';
import type { Endpoint, TurnEnd } from './transport.js';
import { TransportError } from './transport-error.js';
import { sameBytes, WireError } from './wire.js';

/** What fits any path without fragments (RFC 9715, the DNS flag day of 2020). */
export const EDNS_UDP_OCTETS = 1_232;

/** The question follows the header (RFC 1035 section 4.1). */
const QUESTION_OFFSET = 12;

/** @param patience says, when it is the question's turn, how many milliseconds there are for a reply */
export function exchangeOnce(
  parts: AskingParts,
  endpoint: Endpoint,
  question: Question,
  flags: QueryFlags,
  patience: () => number,
  deadline: Deadline,
): Promise<Tried> {
  return parts.transport.turn === undefined
    ? new Exchange(parts, endpoint, question, flags, patience(), deadline).tried
    : exchangeInTurn(parts, endpoint, question, flags, patience, deadline);
}

async function exchangeInTurn(
  parts: AskingParts,
  endpoint: Endpoint,
  question: Question,
  flags: QueryFlags,
  patience: () => number,
  deadline: Deadline,
): Promise<Tried> {
  let endTurn: (end: TurnEnd) => void;
  try {
    endTurn = await turnAt(endpoint, parts, deadline.signal);
  } catch (error) {
    return deadline.isOver ? { kind: 'silent' } : asTrouble(error);
  }
  const tried = await new Exchange(parts, endpoint, question, flags, patience(), deadline).tried;
  endTurn(howItEnded(tried, deadline));
  return tried;
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

function howItEnded(tried: Tried, deadline: Deadline): TurnEnd {
  switch (tried.kind) {
    case 'reply':
    case 'rcode':
    case 'malformed':
      return 'answered';
    case 'silent':
      return deadline.isOver ? 'undecided' : 'silent';
    case 'network':
      return 'undecided';
    default: {
      const never: never = tried;
      return never;
    }
  }
}

/** Ends with the reply, with the transport's failure, when patience is over or with the deadline: what comes first. */
class Exchange implements QueryListener, DeadlineWatcher {
  readonly tried: Promise<Tried>;
  readonly #question: Question;
  readonly #query: Uint8Array;
  /** What is sent in its place, where letters are mixed. */
  readonly #mixed: Uint8Array | undefined;
  readonly #deadline: Deadline;
  #settle: (tried: Tried) => void = () => {};
  #stopTimer: () => void = () => {};
  #started: StartedQuery | undefined;
  #isOver = false;

  constructor(
    { transport, timer }: AskingParts,
    endpoint: Endpoint,
    question: Question,
    flags: QueryFlags,
    patience: number,
    deadline: Deadline,
  ) {
    this.#question = question;
    this.#query = queryFor(question, flags);
    const isMixed = flags.mixedCase === true && endpoint.protocol === 'udp';
    this.#mixed = isMixed ? mixCase(this.#query, question.name) : undefined;
    this.#deadline = deadline;
    this.tried = new Promise((resolve) => {
      this.#settle = resolve;
    });
    if (deadline.isOver) {
      this.timeIsOver();
      return;
    }
    deadline.watch(this);
    this.#stopTimer = timer(patience, () => this.timeIsOver());
    try {
      this.#started = startQuery(transport, this.#mixed ?? this.#query, endpoint, this);
    } catch (error) {
      this.failed(error);
    }
  }

  replied(reply: Uint8Array): void {
    try {
      this.#end(this.#read(reply));
    } catch (error) {
      this.failed(error);
    }
  }

  failed(error: unknown): void {
    this.#end(asTrouble(error));
  }

  timeIsOver(): void {
    this.#end({ kind: 'silent' });
    this.#started?.end();
  }

  #end(tried: Tried): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stopTimer();
    this.#deadline.unwatch(this);
    this.#settle(tried);
  }

  #read(reply: Uint8Array): Tried {
    const { name } = this.#question;
    const octets = this.#mixed === undefined ? reply : restoreCase(reply, this.#mixed, this.#query, name);
    return readReply(this.#query, octets, name);
  }
}

/** With an id that nobody can foresee, new for each try (RFC 5452 section 9.2). */
function queryFor(question: Question, flags: QueryFlags): Uint8Array {
  const { rd, cd, ad = false } = flags;
  const edns = { udpSize: EDNS_UDP_OCTETS, version: 0, do: flags.do, options: NO_OPTIONS };
  const at = drawRandom(2);
  const id = ((randomness[at] ?? 0) << 8) | (randomness[at + 1] ?? 0);
  return encodeQuery({ name: question.name, type: question.type, id, rd, cd, ad, edns });
}

const NO_OPTIONS: readonly EdnsOption[] = [];

/** Random octets, drawn many at once: a system call for each query would take longer than to write it. */
const randomness = new Uint8Array(4_096);
let randomnessUsed = randomness.length;

/** Where in `randomness` so many octets begin that nobody had. To be used at once: what comes next may overwrite them. */
function drawRandom(count: number): number {
  if (randomnessUsed + count > randomness.length) {
    randomFillSync(randomness);
    randomnessUsed = 0;
  }
  randomnessUsed += count;
  return randomnessUsed - count;
}

/** The same query, the letters of its name in random case. */
function mixCase(query: Uint8Array, name: Name): Uint8Array {
  const mixed = query.slice();
  const bits = drawRandom(name.wire.length);
  for (let i = 0; i < name.wire.length; i++) {
    const octet = (mixed[QUESTION_OFFSET + i] ?? 0) | 0x20;
    // Length octets are under 64 and never become letters by this.
    const isLetter = octet >= 0x61 && octet <= 0x7a && (mixed[QUESTION_OFFSET + i] ?? 0) > 0x40;
    if (isLetter) mixed[QUESTION_OFFSET + i] = (randomness[bits + i] ?? 0) & 1 ? octet : octet & ~0x20;
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

function readReply(query: Uint8Array, octets: Uint8Array, asked: Name): Tried {
  // The transport has checked this already, if it is ours.
  if (!isReplyTo(query, octets)) return { kind: 'malformed', reason: 'the message is no reply to the query' };
  const message = parseMessage(octets, asked);
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
