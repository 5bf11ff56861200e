/**
 * A forwarding client: asks recursive resolvers, one after the other, until one gives an answer. What is no reply
 * (`ask-server.ts`) makes it ask the next, and in the end becomes a failure, which is never an empty answer. Whether a
 * reply is true, others have to prove.
 */
import { onAbort, systemTimer, type Timer, wait } from './abort.js';
import { isLoopback } from './address.js';
import { askServer, noReply, type Question, type Tried, type Trouble } from './ask-server.js';
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

/** One question under way. */
interface Asked {
  readonly question: Question;
  readonly options: AskOptions;
  /** Aborts with the caller's signal, and when the time for the question is over. */
  readonly deadline: AbortSignal;
}

interface Upstream extends ServerAddress {
  readonly name: string;
  /** Smoothed, milliseconds; 0 until it is known, so that each is tried once. */
  roundTrip: number;
  troubledAt: number;
  /** Until then UDP is taken to be blocked. */
  tcpOnlyUntil: number;
}

type Asking = (how: ServerAddress, deadline: AbortSignal) => Promise<Tried>;

class ForwardingClient implements Forwarder {
  readonly #servers: readonly Upstream[];
  readonly #transport: Transport;
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
    const troubles = new Map<string, Trouble>();
    let tries = 0;
    for (const [round, patience] of UDP_TRY_MS.entries()) {
      const servers = this.#inOrder().filter((server) => isWorthAnother(troubles.get(server.name)));
      if (servers.length === 0) break;
      if (round > 0 && servers.every((server) => troubles.get(server.name)?.kind === 'network')) {
        await this.#pause(ROUND_PAUSE_MS * 2 ** (round - 1), asked.deadline);
      }
      for (const server of servers) {
        if (asked.deadline.aborted || tries++ >= MAX_TRIES) return noReply(troubles);
        const wasSilent = troubles.get(server.name)?.kind === 'silent';
        const tried = await this.#try(server, patience, asked, wasSilent);
        if (tried.kind === 'reply') return { ...tried, server: server.name };
        troubles.set(server.name, tried);
      }
    }
    return noReply(troubles);
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

  /** @param wasSilent it has let this question pass before */
  async #try(server: Upstream, patience: number, asked: Asked, wasSilent: boolean): Promise<Tried> {
    const parts = { transport: this.#transport, timer: this.#timer };
    const start = this.#clock();
    const flags = { ...asked.options, rd: true };
    const ask: Asking = (how, deadline) =>
      askServer(parts, how, asked.question, flags, () => patience, deadline);
    const tried = await this.#either(server, wasSilent, ask, asked.deadline);
    if (hasSpoken(tried)) this.#measure(server, this.#clock() - start);
    const isUseless = tried.kind === 'rcode' ? tried.rcode === RCODE.REFUSED : tried.kind !== 'reply';
    if (isUseless) server.troubledAt = this.#clock();
    else if (tried.kind === 'reply') server.troubledAt = Number.NEGATIVE_INFINITY;
    return tried;
  }

  async #either(server: Upstream, wasSilent: boolean, ask: Asking, deadline: AbortSignal): Promise<Tried> {
    const isPlain = server.tls === undefined && server.tcpOnly !== true;
    if (isPlain && this.#clock() < server.tcpOnlyUntil) {
      const tried = await ask({ ...server, tcpOnly: true }, deadline);
      if (!hasSpoken(tried)) server.tcpOnlyUntil = Number.NEGATIVE_INFINITY;
      return tried;
    }
    return isPlain && wasSilent ? this.#overBoth(server, ask, deadline) : ask(server, deadline);
  }

  /** Over UDP and TCP at once: a datagram may have been lost, or UDP be blocked. The first to speak decides. */
  async #overBoth(server: Upstream, ask: Asking, deadline: AbortSignal): Promise<Tried> {
    const end = new AbortController();
    const stopListening = onAbort(deadline, () => end.abort());
    const overUdp = ask(server, end.signal).then((tried) => ({ tried, isTcp: false }));
    const overTcp = ask({ ...server, tcpOnly: true }, end.signal).then((tried) => ({ tried, isTcp: true }));
    try {
      const first = await Promise.race([overUdp, overTcp]);
      const other = first.isTcp ? overUdp : overTcp;
      const { tried, isTcp } = hasSpoken(first.tried) ? first : await other;
      if (isTcp && hasSpoken(tried)) server.tcpOnlyUntil = this.#clock() + TCP_ONLY_MS;
      return hasSpoken(tried) ? tried : { kind: 'silent' };
    } finally {
      stopListening();
      end.abort();
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

function hasSpoken(tried: Tried): boolean {
  return tried.kind === 'reply' || tried.kind === 'rcode';
}
