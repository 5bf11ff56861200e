/**
 * One search for a way to ask DNS: each way in turn (`ways-out.ts` has their order), with a head start before the next.
 */
import { onAbort, type Timer, untilAbort } from './abort.js';
import type { Question } from './ask-server.js';
import { type Flaw, findFlaw } from './fitness.js';
import { createForwarder } from './forward.js';
import { type Probed, probeServer } from './probe.js';
import { formatServer, type ServerAddress } from './server-address.js';
import type { Exchanged, Source } from './source.js';
import type { Transport } from './transport.js';
import type { TrustAnchor } from './trust-anchor.js';
import { lostText, type Tries } from './way-notice.js';

/** How long a better way may take before the next is tried beside it. */
export const HEAD_START_MS = 1_000;
/** The probe of iterating; it has about two round trips to make. */
export const ITERATE_PROBE_MS = 4_000;
/** With CD: give what you have, bogus or not (RFC 4035 section 3.2.2); it is validated here. */
const FLAGS = { cd: true, do: true } as const;

export interface WaysToTry {
  readonly systemServers: () => Promise<readonly ServerAddress[]>;
  /** Asks from the root down. */
  readonly iterator: Source;
  /** For when nothing else works; may be none. */
  readonly fallback: readonly ServerAddress[];
  readonly anchors: readonly TrustAnchor[];
  readonly transport: Transport;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
}

/** How questions are asked from now on. */
export type Way =
  | {
      readonly kind: 'forwarding' | 'fallback';
      readonly servers: readonly ServerAddress[];
      readonly ask: Source['ask'];
    }
  | { readonly kind: 'iterating'; readonly ask: Source['ask'] }
  | { readonly kind: 'no-way-out'; readonly reason: string };

type Found = Exclude<Way, { kind: 'no-way-out' }>;
type Fit = Extract<Probed, { kind: 'fit' }>;

/** Better ones are smaller. */
const RANK = { forwarding: 0, iterating: 1, fallback: 2, 'no-way-out': 3 } as const;

/** The servers that questions are forwarded to, for people. */
export function serversOf(way: Way): readonly string[] {
  if (way.kind !== 'forwarding' && way.kind !== 'fallback') return [];
  return way.servers.map((server) => `${formatServer(server)}${server.tcpOnly ? ' over TCP' : ''}`);
}

export interface SearchOptions extends WaysToTry {
  readonly timer: Timer;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** A way that is slow does not hold up the next one. */
  readonly inHaste: boolean;
}

export class Search {
  /** The first way that works, or the news that there is none. */
  readonly firstFound: Promise<Way>;
  /** All that was begun has ended; never rejects. */
  readonly done: Promise<void>;
  isOver = false;
  readonly #options: SearchOptions;
  readonly #adopt: (way: Way, tried: Tries) => void;
  readonly #tried: Tries = {
    system: new Map(),
    iterating: 'was not asked yet',
    fallback: new Map(),
    isCutOff: true,
    unreached: 0,
  };
  #found: Way | undefined;
  #tellFirst: (way: Way) => void = () => {};
  #failFirst: (error: unknown) => void = () => {};
  readonly #systemServers: Promise<readonly ServerAddress[]>;

  constructor(options: SearchOptions, adopt: (way: Way, tried: Tries) => void) {
    this.#options = options;
    this.#adopt = adopt;
    this.firstFound = new Promise((resolve, reject) => {
      this.#tellFirst = resolve;
      this.#failFirst = reject;
    });
    this.firstFound.catch(() => {}); // Perhaps nobody waits for it.
    this.#systemServers = this.#readSystemServers();
    this.done = this.#run();
  }

  /**
   * Asks the system's first resolver without waiting for its probe, so that the first question costs no round trip more
   * where all is well. What is returned gives the reply if that resolver turned out fit.
   */
  guess(question: Question, signal: AbortSignal): (way: Way) => Promise<Exchanged | undefined> {
    const asked = this.#systemServers.then(async ([first]) => {
      if (first === undefined) return undefined;
      const forwarder = createForwarder({
        servers: [first],
        transport: this.#options.transport,
        timer: this.#options.timer,
      });
      const reply = forwarder.ask(question, { ...FLAGS, signal });
      reply.catch(() => {}); // Aborted, and then nobody waits for it.
      return { server: first, reply };
    });
    return async (way) => {
      const { server, reply } = (await asked) ?? {};
      // The same object: one that is fit over TCP only is another, and its word over UDP does not count.
      if (server === undefined || way.kind !== 'forwarding' || !way.servers.includes(server))
        return undefined;
      const exchanged = await reply;
      return exchanged?.kind === 'reply' ? exchanged : undefined;
    };
  }

  async #run(): Promise<void> {
    try {
      await this.#tryAll();
    } catch (error) {
      // A fault of ours: whoever waits has to hear of it.
      this.#failFirst(error);
    }
    this.isOver = true;
  }

  async #tryAll(): Promise<void> {
    const stages = [() => this.#trySystem(), () => this.#tryIterating(), () => this.#tryFallback()];
    const begun: Promise<void>[] = [];
    for (const stage of stages) {
      const ended = stage();
      begun.push(ended);
      await this.#withHeadStart(ended);
      if (this.#found !== undefined || this.#options.signal.aborted) break;
    }
    await Promise.all(begun);
    if (this.#found === undefined) this.#take({ kind: 'no-way-out', reason: lostText(this.#tried) });
  }

  /** Waits for a way, for the stage's end, or for the end of its head start. */
  async #withHeadStart(stage: Promise<void>): Promise<void> {
    if (!this.#options.inHaste) return stage;
    let stop = () => {};
    const headStart = new Promise<void>((resolve) => {
      stop = this.#options.timer(HEAD_START_MS, resolve);
    });
    await Promise.race([stage, headStart, this.firstFound]);
    stop();
  }

  #take(way: Way): void {
    const isWorse = this.#found !== undefined && RANK[this.#found.kind] < RANK[way.kind];
    if (isWorse) return;
    this.#found = way;
    this.#adopt(way, this.#tried);
    this.#tellFirst(way);
  }

  async #readSystemServers(): Promise<readonly ServerAddress[]> {
    try {
      return await this.#options.systemServers();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#tried.system.set("the system's configuration", `can't be read (${reason})`);
      return [];
    }
  }

  async #trySystem(): Promise<void> {
    await this.#tryServers('forwarding', await this.#systemServers, this.#tried.system);
  }

  async #tryFallback(): Promise<void> {
    await this.#tryServers('fallback', this.#options.fallback, this.#tried.fallback);
  }

  /** The first that is fit is used at once; the others join it, in order of speed. */
  async #tryServers(
    kind: 'forwarding' | 'fallback',
    servers: readonly ServerAddress[],
    tried: Map<string, string>,
  ): Promise<void> {
    for (const server of servers) tried.set(formatServer(server), 'has not answered yet');
    const fit: Fit[] = [];
    await Promise.all(
      servers.map(async (server) => {
        const probed = await probeServer(server, this.#options);
        if (this.#options.signal.aborted) return;
        if (probed.kind === 'unfit') {
          tried.set(formatServer(server), probed.reason);
          this.#count(probed);
          return;
        }
        tried.delete(formatServer(server));
        fit.push(probed);
        fit.sort((a, b) => a.roundTrip - b.roundTrip);
        this.#take(this.#forwardingTo(kind, fit));
      }),
    );
  }

  #forwardingTo(kind: 'forwarding' | 'fallback', fit: readonly Fit[]): Found {
    const { transport, timer } = this.#options;
    const servers = fit.map(({ server }) => server);
    const forwarder = createForwarder({ servers, transport, timer });
    return {
      kind,
      servers,
      ask: (question, signal) => forwarder.ask(question, signal === undefined ? FLAGS : { ...FLAGS, signal }),
    };
  }

  #count({ unreached }: Flaw): void {
    if (unreached === undefined) this.#tried.isCutOff = false;
    else this.#tried.unreached += unreached;
  }

  async #tryIterating(): Promise<void> {
    const { iterator, anchors, clock } = this.#options;
    this.#tried.iterating = 'has not answered yet';
    const deadline = new AbortController();
    const stopListening = onAbort(this.#options.signal, () => deadline.abort());
    const stopTimer = this.#options.timer(ITERATE_PROBE_MS, () => deadline.abort());
    try {
      const ask: typeof iterator.ask = (question) => iterator.ask(question, deadline.signal);
      const flaw = await untilAbort(findFlaw({ ask, anchors, clock }), deadline.signal);
      if (flaw === undefined)
        this.#take({ kind: 'iterating', ask: (question, signal) => iterator.ask(question, signal) });
      else {
        this.#tried.iterating = flaw.reason;
        this.#count(flaw);
      }
    } catch (error) {
      if (!deadline.signal.aborted) throw error;
      this.#tried.iterating = `does not answer within ${ITERATE_PROBE_MS / 1000} s`;
      this.#tried.isCutOff = false;
    } finally {
      stopTimer();
      stopListening();
    }
  }
}
