/**
 * TLS sessions for later connections (RFC 8446 section 2.2, RFC 5077), each with the chain of its full
 * handshake.
 *
 * A resumed session shows no certificate, and Node.js resumes one under any server name without a word. So a
 * session is found again under its key alone (`session-key.ts`: address, port, server name, least version of
 * TLS, login ...), and only if whoever asks finds nothing wrong with its chain; once resumed it is judged by
 * that chain like any other.
 *
 * Under TLS 1.3 each is used once (RFC 8446 appendix C.4: nobody on the way can tell that two connections
 * belong together, and servers may refuse a second use). Under TLS 1.2 servers rarely send new ones when they
 * resume, so one serves until it is too old.
 */
import type { Secured } from './tls-facts.js';

/** Enough for a server that sends its usual two, on two connections. The newest are kept. */
const MAX_PER_KEY = 4;
/**
 * A ticket holds the server's certificate and up to 64 KiB of the server's own. Usual are 2 KiB in all.
 * Octets.
 */
const MAX_OCTETS = 16_384;

export interface Ticket {
  /** OpenSSL's form of it, from the socket's `session` event. */
  readonly session: Buffer;
  readonly secured: Secured;
}

export interface KeptTicket extends Ticket {
  /**
   * When the full handshake was, whose chain this is; a resumption does not make it younger. Milliseconds.
   */
  readonly since: number;
}

/** What one connection may do with the sessions of its key. */
export interface Resumption {
  /** The newest session whose chain `fits`. */
  offer(fits: (secured: Secured) => boolean): KeptTicket | undefined;
  /** @param resumed the session that this connection resumed: the chain is that one's */
  keep(ticket: Ticket, resumed: KeptTicket | undefined): void;
  /** A handshake with one of them failed. */
  forget(): void;
}

export interface TicketLimits {
  /** Keys for which sessions are kept; the one that was used longest ago goes first. */
  readonly keys: number;
  /** Milliseconds since the full handshake. */
  readonly age: number;
}

export class TicketStore {
  readonly #limits: TicketLimits;
  readonly #clock: () => number;
  /** In the order of their last use. */
  readonly #byKey = new Map<string, KeptTicket[]>();

  /** @param clock milliseconds, monotonic */
  constructor(limits: TicketLimits, clock: () => number) {
    this.#limits = limits;
    this.#clock = clock;
  }

  for(key: string): Resumption {
    return {
      offer: (fits) => this.#offer(key, fits),
      keep: (ticket, resumed) => this.#keep(key, ticket, resumed),
      forget: () => this.#byKey.delete(key),
    };
  }

  clear(): void {
    this.#byKey.clear();
  }

  #offer(key: string, fits: (secured: Secured) => boolean): KeptTicket | undefined {
    const oldest = this.#clock() - this.#limits.age;
    const kept = (this.#byKey.get(key) ?? []).filter(({ since }) => since >= oldest);
    const judged = new Map<Secured['chain'], boolean>();
    const found = kept.findLast(({ secured }) => {
      const known = judged.get(secured.chain);
      const verdict = known ?? fits(secured);
      judged.set(secured.chain, verdict);
      return verdict;
    });
    const isSpent = (ticket: KeptTicket): boolean =>
      ticket === found && ticket.secured.protocol === 'TLSv1.3';
    this.#put(
      key,
      kept.filter((ticket) => !isSpent(ticket)),
    );
    return found;
  }

  #keep(key: string, { session, secured }: Ticket, resumed: KeptTicket | undefined): void {
    if (session.length > MAX_OCTETS) return;
    const since = resumed?.since ?? this.#clock();
    const kept = this.#byKey.get(key) ?? [];
    this.#put(key, [...kept, { session, secured, since }].slice(-MAX_PER_KEY));
  }

  #put(key: string, tickets: KeptTicket[]): void {
    this.#byKey.delete(key);
    if (tickets.length > 0) this.#byKey.set(key, tickets);
    const [longestUnused] = this.#byKey.keys();
    if (this.#byKey.size > this.#limits.keys && longestUnused !== undefined) {
      this.#byKey.delete(longestUnused);
    }
  }
}
