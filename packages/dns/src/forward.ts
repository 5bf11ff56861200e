/**
 * A forwarding client: asks recursive resolvers, one after the other, until one gives an answer. What is no reply
 * (`ask-server.ts`) makes it ask the next, and in the end becomes a failure, which is never an empty answer. Whether a
 * reply is true, others have to prove.
 */
import { systemTimer, type Timer, wait } from './abort.js';
import { isLoopback } from './address.js';
import {
  type AskingParts,
  askServer,
  noReply,
  type QueryFlags,
  type Question,
  type Tried,
  type Trouble,
} from './ask-server.js';
import { Deadline } from './deadline.js';
import type { Message } from './message.js';
import { RCODE } from './rrtype.js';
import { formatServer, type ServerAddress } from './server-address.js';
import type { Exchanged } from './source.js';
import type { Transport } from './transport.js';

/** How long a server may take over UDP, in the first, second and third round. It may have to walk the whole tree for us. */
export const UDP_TRY_MS = [1_500, 3_000, 5_000] as const;
/** One question, with all of its tries. */
export const QUESTION_MS = 15_000;
/** Queries sent for one question, however many servers there are. */
export const MAX_TRIES = 12;
/** Before the next round, where in this one nobody could be reached at all and so no time went by; doubled each time. */
export const ROUND_PAUSE_MS = 250;
/** A server that gave no answer comes last for this time. */
export const PENALTY_MS = 30_000;

/** A server that answers over TCP and kept silent over UDP is asked over TCP for this time: a firewall stays where it is. */
export const TCP_ONLY_MS = 600_000;

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

type Patience = () => number;

/** By round; made once, as most questions need but one. */
const PATIENCES: readonly Patience[] = UDP_TRY_MS.map((milliseconds) => () => milliseconds);
const FIRST_PATIENCE: Patience = () => UDP_TRY_MS[0];

/** One question under way. */
interface Asked {
  readonly question: Question;
  readonly flags: QueryFlags;
  /** Comes with the caller's signal, and when the time for the question is over. */
  readonly deadline: Deadline;
}

interface Upstream extends ServerAddress {
  readonly name: string;
  /** Smoothed, milliseconds; 0 until it is known, so that each is tried once. */
  roundTrip: number;
  troubledAt: number;
  /** Until then UDP is taken to be blocked. */
  tcpOnlyUntil: number;
}

class ForwardingClient implements Forwarder {
  readonly #servers: readonly Upstream[];
  readonly #parts: AskingParts;
  readonly #clock: () => number;
  readonly #timer: Timer;

  constructor(options: ForwarderOptions) {
    this.#servers = options.servers.map((server) => ({
      ...server,
      ...(isLoopback(server.address) ? { isLocal: true as const } : {}),
      name: formatServer(server),
      roundTrip: 0,
      troubledAt: Number.NEGATIVE_INFINITY,
      tcpOnlyUntil: Number.NEGATIVE_INFINITY,
    }));
    this.#clock = options.clock ?? (() => performance.now());
    this.#timer = options.timer ?? systemTimer;
    this.#parts = { transport: options.transport, timer: this.#timer };
  }

  async ask(question: Question, options: AskOptions): Promise<Exchanged> {
    const { signal, cd, ad = false } = options;
    signal?.throwIfAborted();
    const deadline = Deadline.after(QUESTION_MS, this.#timer, signal);
    try {
      const asked = { question, flags: { rd: true, cd, do: options.do, ad }, deadline };
      const exchanged = await this.#askFirst(asked);
      signal?.throwIfAborted();
      return exchanged;
    } finally {
      deadline.release();
    }
  }

  /** Mostly the first one asked has a reply, and nothing more is needed. */
  async #askFirst(asked: Asked): Promise<Exchanged> {
    const [first] = this.#inOrder();
    if (first === undefined || asked.deadline.isOver) return noReply(new Map());
    const tried = await this.#try(first, FIRST_PATIENCE, asked, false);
    return tried.kind === 'reply' ? replyOf(tried.message, first) : this.#askInRounds(asked, first, tried);
  }

  /** @param first has been tried in the first round */
  async #askInRounds(asked: Asked, first: Upstream, firstTried: Trouble): Promise<Exchanged> {
    const troubles = new Map<string, Trouble>([[first.name, firstTried]]);
    let tries = 1;
    for (const [round, patience] of PATIENCES.entries()) {
      const servers = this.#inOrder().filter((server) =>
        round === 0 ? server !== first : isWorthAnother(troubles.get(server.name)),
      );
      if (round > 0 && servers.length === 0) break;
      if (round > 0 && servers.every((server) => troubles.get(server.name)?.kind === 'network')) {
        await this.#pause(ROUND_PAUSE_MS * 2 ** (round - 1), asked.deadline);
      }
      for (const server of servers) {
        if (asked.deadline.isOver || tries++ >= MAX_TRIES) return noReply(troubles);
        const wasSilent = troubles.get(server.name)?.kind === 'silent';
        const tried = await this.#try(server, patience, asked, wasSilent);
        if (tried.kind === 'reply') return replyOf(tried.message, server);
        troubles.set(server.name, tried);
      }
    }
    return noReply(troubles);
  }

  /** Those without recent trouble first, the fastest of them first. */
  #inOrder(): readonly Upstream[] {
    if (this.#servers.length === 1) return this.#servers;
    const now = this.#clock();
    const isTroubled = (server: Upstream) => (now - server.troubledAt < PENALTY_MS ? 1 : 0);
    return [...this.#servers].sort((a, b) => isTroubled(a) - isTroubled(b) || a.roundTrip - b.roundTrip);
  }

  async #pause(milliseconds: number, deadline: Deadline): Promise<void> {
    // Cut short by the deadline, which is looked at before the next try.
    await wait(milliseconds, this.#timer, deadline.signal).catch(() => {});
  }

  /** @param wasSilent it has let this question pass before */
  async #try(server: Upstream, patience: Patience, asked: Asked, wasSilent: boolean): Promise<Tried> {
    const start = this.#clock();
    const tried = await this.#either(server, patience, asked, wasSilent);
    if (hasSpoken(tried)) this.#measure(server, this.#clock() - start);
    const isUseless = tried.kind === 'rcode' ? tried.rcode === RCODE.REFUSED : tried.kind !== 'reply';
    if (isUseless) server.troubledAt = this.#clock();
    else if (tried.kind === 'reply') server.troubledAt = Number.NEGATIVE_INFINITY;
    return tried;
  }

  #either(server: Upstream, patience: Patience, asked: Asked, wasSilent: boolean): Promise<Tried> {
    const isPlain = server.tls === undefined && server.tcpOnly !== true;
    if (isPlain && this.#clock() < server.tcpOnlyUntil) return this.#overTcp(server, patience, asked);
    if (isPlain && wasSilent) return this.#overBoth(server, patience, asked);
    return this.#ask(server, patience, asked, asked.deadline);
  }

  #ask(how: ServerAddress, patience: Patience, asked: Asked, deadline: Deadline): Promise<Tried> {
    return askServer(this.#parts, how, asked.question, asked.flags, patience, deadline);
  }

  async #overTcp(server: Upstream, patience: Patience, asked: Asked): Promise<Tried> {
    const tried = await this.#ask({ ...server, tcpOnly: true }, patience, asked, asked.deadline);
    if (!hasSpoken(tried)) server.tcpOnlyUntil = Number.NEGATIVE_INFINITY;
    return tried;
  }

  /** Over UDP and TCP at once: a datagram may have been lost, or UDP be blocked. The first to speak decides. */
  async #overBoth(server: Upstream, patience: Patience, asked: Asked): Promise<Tried> {
    const end = new Deadline();
    const watcher = { timeIsOver: () => end.end() };
    asked.deadline.watch(watcher);
    const byUdp = this.#ask(server, patience, asked, end).then((tried) => ({ tried, isTcp: false }));
    const byTcp = this.#ask({ ...server, tcpOnly: true }, patience, asked, end).then((tried) => ({
      tried,
      isTcp: true,
    }));
    try {
      const first = await Promise.race([byUdp, byTcp]);
      const other = first.isTcp ? byUdp : byTcp;
      const { tried, isTcp } = hasSpoken(first.tried) ? first : await other;
      if (isTcp && hasSpoken(tried)) server.tcpOnlyUntil = this.#clock() + TCP_ONLY_MS;
      return hasSpoken(tried) ? tried : { kind: 'silent' };
    } finally {
      asked.deadline.unwatch(watcher);
      end.end();
    }
  }

  #measure(asked: Upstream, milliseconds: number): void {
    for (const server of this.#servers) {
      if (server !== asked) server.roundTrip *= AGING;
      else if (server.roundTrip === 0) server.roundTrip = milliseconds;
      else server.roundTrip += NEWEST * (milliseconds - server.roundTrip);
    }
  }
}

/**
 * A server that answered with an error has spoken, and asking again would only meet its cache; one that is not who it should
 * be stays so, and a transport of ours that is closed or can't do what it is asked for.
 */
function isWorthAnother(trouble: Trouble | undefined): boolean {
  return trouble?.kind !== 'rcode' && !(trouble?.kind === 'network' && trouble.isLasting);
}

function replyOf(message: Message, server: Upstream): Exchanged {
  return { kind: 'reply', message, server: server.name };
}

function hasSpoken(tried: Tried): boolean {
  return tried.kind === 'reply' || tried.kind === 'rcode';
}
