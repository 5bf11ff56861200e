/**
 * Whether one resolver can carry DNSSEC, found out by asking it (`fitness.ts` has the questions): over UDP, and at the same
 * time over TCP, which large answers need. Where UDP is blocked or tampered with and TCP is not, it is fit over TCP.
 */
import { systemTimer, type Timer } from './abort.js';
import { askServer, describeTrouble, noReply, type Question } from './ask-server.js';
import { Deadline } from './deadline.js';
import { anchoredZone, type Flaw, findFlaw } from './fitness.js';
import { RRTYPE } from './rrtype.js';
import { formatServer, parseServer, type ServerAddress } from './server-address.js';
import type { Exchanged } from './source.js';
import { createNetworkTransport, type Transport } from './transport.js';
import { parseTrustAnchors, rootTrustAnchors, type TrustAnchor } from './trust-anchor.js';

export type Probed =
  | {
      readonly kind: 'fit';
      /** How it is to be asked. */
      readonly server: ServerAddress;
      /** Milliseconds until the first reply came. */
      readonly roundTrip: number;
    }
  | (Flaw & {
      readonly kind: 'unfit';
      readonly server: ServerAddress;
    });

export interface ProbeParts {
  readonly transport: Transport;
  readonly anchors: readonly TrustAnchor[];
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly timer?: Timer;
  readonly signal?: AbortSignal;
}

/** All of one server's probe. */
export const PROBE_MS = 5_000;
/** How long a question waits over UDP before it is sent again, and then before UDP is given up. */
export const PROBE_TRY_MS = [800, 1_600] as const;
/** How long TCP has for the first answer; UDP, with both of its tries, has as much. */
export const PROBE_TCP_MS = 2_400;
/** With CD: give what you have, bogus or not (RFC 4035 section 3.2.2); what comes is validated here. */
const FLAGS = { rd: true, cd: true, do: true } as const;

export interface ProbeOptions {
  /** DS or DNSKEY records in presentation format; the root's built-in ones where absent. */
  readonly trustAnchors?: readonly string[];
  /** Replaces the network. */
  readonly transport?: Transport;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
  readonly signal?: AbortSignal;
}

/**
 * Finds out whether a resolver can carry DNSSEC, in one or two round trips and five seconds at most.
 * @param upstream as for `createResolver`: `192.0.2.1`, `192.0.2.1#5353`, `tls://192.0.2.1/dns.example`
 * @throws (rejects) TypeError or WireError for an invalid argument, the signal's reason when it aborts
 */
export async function probeUpstream(upstream: string, options: ProbeOptions = {}): Promise<Probed> {
  const { trustAnchors, clock = Date.now, signal } = options;
  const server = parseServer(upstream);
  const anchors = trustAnchors === undefined ? rootTrustAnchors() : parseTrustAnchors(trustAnchors);
  signal?.throwIfAborted();
  const network = options.transport === undefined ? createNetworkTransport() : undefined;
  try {
    const transport = options.transport ?? network;
    if (transport === undefined) throw new TypeError('no transport');
    const probed = await probeServer(server, { transport, anchors, clock, ...(signal && { signal }) });
    signal?.throwIfAborted();
    return probed;
  } finally {
    await network?.close();
  }
}

/** Never rejects; a server that was not heard because the signal aborted counts as unfit. */
export async function probeServer(server: ServerAddress, parts: ProbeParts): Promise<Probed> {
  const { timer = systemTimer, signal } = parts;
  const deadline = Deadline.after(PROBE_MS, timer, signal);
  try {
    return await new ServerProbe(parts, timer, deadline).run(server);
  } finally {
    deadline.release();
    // What a decision did not wait for.
    deadline.end();
  }
}

class ServerProbe {
  readonly #parts: ProbeParts;
  readonly #timer: Timer;
  readonly #deadline: Deadline;
  readonly #start = performance.now();
  #roundTrip: number | undefined;

  constructor(parts: ProbeParts, timer: Timer, deadline: Deadline) {
    this.#parts = parts;
    this.#timer = timer;
    this.#deadline = deadline;
  }

  async run(server: ServerAddress): Promise<Probed> {
    if (server.tls !== undefined || server.tcpOnly) return this.#judge(server);
    const overTcp: ServerAddress = { ...server, tcpOnly: true };
    const large = this.#askLarge(overTcp);
    const [probed, answer] = await Promise.all([this.#judge(server), large]);
    if (probed.kind === 'fit') {
      if (answer === 'reply') return probed;
      const reason = `does not answer over TCP, so that large answers can't be had (${answer})`;
      return { kind: 'unfit', server, fault: 'no-tcp', reason };
    }
    if (answer !== 'reply') return probed;
    // A firewall may block UDP alone, and one that rewrites answers often does so with UDP alone.
    const byTcp = await this.#judge(overTcp);
    return byTcp.kind === 'fit' ? byTcp : probed;
  }

  /** Whether a large answer can be had over TCP, or why not. */
  async #askLarge(server: ServerAddress): Promise<string> {
    let stop = () => {};
    const over = new Promise<string>((resolve) => {
      stop = this.#timer(PROBE_TCP_MS, () => resolve('no answer in time'));
    });
    const asked = this.#ask(server, { name: anchoredZone(this.#parts.anchors), type: RRTYPE.DNSKEY });
    const told = asked.then((answer) => (answer.kind === 'reply' ? 'reply' : answer.reason));
    return Promise.race([told, over]).finally(() => stop());
  }

  async #judge(server: ServerAddress): Promise<Probed> {
    const { anchors, clock } = this.#parts;
    const flaw = await findFlaw({ ask: (question) => this.#ask(server, question), anchors, clock });
    if (flaw !== undefined) return { kind: 'unfit', server, ...flaw };
    return { kind: 'fit', server, roundTrip: this.#roundTrip ?? 0 };
  }

  async #ask(server: ServerAddress, question: Question): Promise<Exchanged> {
    const parts = { transport: this.#parts.transport, timer: this.#timer };
    const isUdp = server.tls === undefined && server.tcpOnly !== true;
    let tried = await askServer(parts, server, question, FLAGS, () => PROBE_TRY_MS[0], this.#deadline);
    if (isUdp && tried.kind === 'silent' && !this.#deadline.isOver) {
      tried = await askServer(parts, server, question, FLAGS, () => PROBE_TRY_MS[1], this.#deadline);
    }
    const name = formatServer(server);
    if (tried.kind !== 'reply') return { ...noReply(new Map([['', tried]])), reason: describeTrouble(tried) };
    this.#roundTrip ??= performance.now() - this.#start;
    return { ...tried, server: name };
  }
}
