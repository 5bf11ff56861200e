/**
 * A forwarding client: asks recursive resolvers, one after the other, until one gives an answer.
 *
 * It decides only what is a reply and what is none. NOERROR, NXDOMAIN and YXDOMAIN are replies; every other response code,
 * silence, junk and malformed messages make it ask the next server, and in the end become a failure, which is never an
 * empty answer. Whether a reply is true, others have to prove.
 */
import { randomInt } from 'node:crypto';
import { onAbort, systemTimer, type Timer, untilAbort, wait } from './abort.js';
import { EDE } from './dnssec/extended-error.js';
import { extendedErrors } from './ede-option.js';
import type { ExtendedError } from './lookup.js';
import { encodeQuery, type Message, parseMessage } from './message.js';
import type { Name } from './name.js';
import { isReplyTo } from './reply-match.js';
import { RCODE, rcodeName } from './rrtype.js';
import type { Exchanged } from './source.js';
import { formatServer, type ServerAddress, type Transport } from './transport.js';
import { TransportError } from './transport-error.js';
import { WireError } from './wire.js';

/** What fits any path without fragments (RFC 9715, the DNS flag day of 2020). */
export const EDNS_UDP_OCTETS = 1_232;
/** How long a server may take over UDP, in the first, second and third round. It may have to walk the whole tree for us. */
export const UDP_TRY_MS = [1_500, 3_000, 5_000] as const;
/** How long it may take over TCP, with the connection's set-up. */
export const TCP_TRY_MS = 5_000;
/** One question, with all of its tries. */
export const QUESTION_MS = 15_000;
/** Queries sent for one question, however many servers there are. */
export const MAX_TRIES = 12;
/** Before the next round, where in this one nobody could be reached at all and so no time went by; doubled each time. */
export const ROUND_PAUSE_MS = 250;
/** A server that gave no answer comes last for this time. */
export const PENALTY_MS = 30_000;

/** Weight of the newest measurement in a server's smoothed round-trip time (RFC 6298 has 1/8, for many more samples). */
const NEWEST = 0.3;
/** Servers that are not asked get a little better each time, so that they are tried again some day. */
const AGING = 0.98;

export interface ForwarderOptions {
  /** At least one. */
  readonly servers: readonly ServerAddress[];
  readonly transport: Transport;
  /** Milliseconds; only differences count. */
  readonly clock?: () => number;
  readonly timer?: Timer;
}

export interface AskOptions {
  /** Checking disabled: give what you have, we validate (RFC 4035 section 3.2.2). */
  readonly cd: boolean;
  /** DNSSEC records are wanted (RFC 3225). */
  readonly do: boolean;
  /** The AD bit of the reply will be looked at (RFC 6840 section 5.7). */
  readonly ad?: boolean;
  readonly signal?: AbortSignal;
}

export interface Forwarder {
  /** @throws (rejects) only with the signal's reason, when it aborts */
  ask(question: Question, options: AskOptions): Promise<Exchanged>;
}

export function createForwarder(options: ForwarderOptions): Forwarder {
  if (options.servers.length === 0) throw new TypeError('a forwarder needs at least one server');
  return new ForwardingClient(options);
}

export interface Question {
  readonly name: Name;
  readonly type: number;
}

/** Why one server gave no reply. In order of what tells a person most. */
type Trouble =
  | { readonly kind: 'rcode'; readonly rcode: number; readonly ede?: ExtendedError }
  | { readonly kind: 'malformed'; readonly reason: string }
  | { readonly kind: 'network'; readonly reason: string; readonly isOurs: boolean }
  | { readonly kind: 'silent' };

/** One question under way. */
interface Asked {
  readonly question: Question;
  readonly options: AskOptions;
  /** Aborts with the caller's signal, and when the time for the question is over. */
  readonly deadline: AbortSignal;
}

type Tried = { readonly kind: 'reply'; readonly message: Message } | Trouble;

const TELLING: readonly Trouble['kind'][] = ['rcode', 'malformed', 'network', 'silent'];

interface Upstream extends ServerAddress {
  readonly name: string;
  /** Smoothed, milliseconds; 0 until it is known, so that each is tried once. */
  roundTrip: number;
  troubledAt: number;
}

class ForwardingClient implements Forwarder {
  readonly #servers: readonly Upstream[];
  readonly #transport: Transport;
  readonly #clock: () => number;
  readonly #timer: Timer;

  constructor(options: ForwarderOptions) {
    this.#servers = options.servers.map(({ address, port }) => ({
      address,
      port,
      name: formatServer({ address, port }),
      roundTrip: 0,
      troubledAt: Number.NEGATIVE_INFINITY,
    }));
    this.#transport = options.transport;
    this.#clock = options.clock ?? (() => performance.now());
    this.#timer = options.timer ?? systemTimer;
  }

  async ask(question: Question, options: AskOptions): Promise<Exchanged> {
    const { signal } = options;
    signal?.throwIfAborted();
    const deadline = new AbortController();
    const stopListening = onAbort(signal, () => deadline.abort());
    const stopTimer = this.#timer(QUESTION_MS, () => deadline.abort());
    try {
      const exchanged = await this.#askInRounds({ question, options, deadline: deadline.signal });
      signal?.throwIfAborted();
      return exchanged;
    } finally {
      stopTimer();
      stopListening();
    }
  }

  async #askInRounds(asked: Asked): Promise<Exchanged> {
    const troubles = new Map<Upstream, Trouble>();
    let tries = 0;
    for (const [round, patience] of UDP_TRY_MS.entries()) {
      const servers = this.#inOrder().filter((server) => isWorthAnother(troubles.get(server)));
      if (round > 0 && servers.every((server) => troubles.get(server)?.kind === 'network')) {
        await this.#pause(ROUND_PAUSE_MS * 2 ** (round - 1), asked.deadline);
      }
      for (const server of servers) {
        if (asked.deadline.aborted || tries++ >= MAX_TRIES) return failure(troubles);
        const tried = await this.#try(server, patience, asked);
        if (tried.kind === 'reply') return { ...tried, server: server.name };
        troubles.set(server, tried);
      }
    }
    return failure(troubles);
  }

  /** Those without recent trouble first, the fastest of them first. */
  #inOrder(): Upstream[] {
    const now = this.#clock();
    const isTroubled = (server: Upstream) => (now - server.troubledAt < PENALTY_MS ? 1 : 0);
    return [...this.#servers].sort((a, b) => isTroubled(a) - isTroubled(b) || a.roundTrip - b.roundTrip);
  }

  async #pause(milliseconds: number, deadline: AbortSignal): Promise<void> {
    // Cut short by the deadline, which is looked at before the next try.
    await wait(milliseconds, this.#timer, deadline).catch(() => {});
  }

  /** One server: over UDP, then over TCP where the reply does not fit, or where what came over UDP can't be right. */
  async #try(server: Upstream, patience: number, asked: Asked): Promise<Tried> {
    const start = this.#clock();
    let tried = await this.#once(server, 'udp', patience, asked);
    const isTruncated = tried.kind === 'reply' && tried.message.flags.tc;
    if (isTruncated || tried.kind === 'malformed') tried = await this.#once(server, 'tcp', TCP_TRY_MS, asked);
    if (tried.kind === 'reply' && tried.message.flags.tc)
      tried = { kind: 'malformed', reason: 'truncated over TCP' };
    if (tried.kind === 'reply' || tried.kind === 'rcode') this.#measure(server, this.#clock() - start);
    const isUseless = tried.kind === 'rcode' ? tried.rcode === RCODE.REFUSED : tried.kind !== 'reply';
    if (isUseless) server.troubledAt = this.#clock();
    else if (tried.kind === 'reply') server.troubledAt = Number.NEGATIVE_INFINITY;
    return tried;
  }

  #measure(asked: Upstream, milliseconds: number): void {
    for (const server of this.#servers) {
      if (server !== asked) server.roundTrip *= AGING;
      else if (server.roundTrip === 0) server.roundTrip = milliseconds;
      else server.roundTrip += NEWEST * (milliseconds - server.roundTrip);
    }
  }

  /** One query and what came of it. */
  async #once(server: Upstream, protocol: 'udp' | 'tcp', patience: number, asked: Asked): Promise<Tried> {
    const query = queryFor(asked);
    const end = new AbortController();
    const stopListening = onAbort(asked.deadline, () => end.abort());
    const stopTimer = this.#timer(patience, () => end.abort());
    try {
      const { address, port } = server;
      const exchange = async () => this.#transport.exchange(query, { address, port, protocol }, end.signal);
      return readReply(query, await untilAbort(exchange(), end.signal));
    } catch (error) {
      return end.signal.aborted ? { kind: 'silent' } : asTrouble(error);
    } finally {
      stopTimer();
      stopListening();
    }
  }
}

/** With an id that nobody can foresee, new for each try (RFC 5452 section 9.2). */
function queryFor({ question, options }: Asked): Uint8Array {
  const { cd, ad = false } = options;
  const edns = { udpSize: EDNS_UDP_OCTETS, version: 0, do: options.do, options: [] };
  return encodeQuery({ ...question, id: randomInt(0x10000), rd: true, cd, ad, edns });
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
  if (!(error instanceof TransportError)) return { kind: 'network', reason: String(error), isOurs: false };
  switch (error.failure) {
    case 'junk':
    case 'malformed':
      return { kind: 'malformed', reason: error.message };
    case 'silent':
      return { kind: 'silent' };
    case 'unreachable':
    case 'cut-off':
      return { kind: 'network', reason: error.message, isOurs: false };
    case 'limit':
    case 'closed':
    case 'unsupported':
      return { kind: 'network', reason: error.message, isOurs: true };
    default: {
      const never: never = error.failure;
      return never;
    }
  }
}

/**
 * A server that answered with an error has spoken, and asking again would only meet its cache; a transport of ours that is
 * closed or can't do what it is asked for stays so.
 */
function isWorthAnother(trouble: Trouble | undefined): boolean {
  return trouble?.kind !== 'rcode' && !(trouble?.kind === 'network' && trouble.isOurs);
}

/** The most telling trouble decides code and error; the reason names every server. */
function failure(troubles: ReadonlyMap<Upstream, Trouble>): Exchanged {
  const list = [...troubles].sort(([, a], [, b]) => rank(a) - rank(b));
  const reason = list.map(([server, trouble]) => `${server.name}: ${describe(trouble)}`).join('; ');
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

function describe(trouble: Trouble): string {
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
