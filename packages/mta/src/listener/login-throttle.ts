/**
 * Failed logins per client (RFC 4954 section 9: guesses are to be slowed down). A login that is being checked takes
 * the place of one that failed, so that many at a time gain nothing; but whoever finds no place because of those is
 * told to wait, and not that he has failed: programs that all log in at once have done nothing wrong.
 */

/** Milliseconds after which a client's failures are forgotten. */
const WINDOW = 10 * 60_000;

/** Clients that are remembered; beyond, the oldest is forgotten. A client of IPv6 has 64 bits here. */
const MAX_CLIENTS = 50_000;

interface Logins {
  readonly since: number;
  failed: number;
  /** Being checked. */
  pending: number;
}

export class LoginThrottle {
  limit: number;
  readonly #clock: () => number;
  readonly #clients = new Map<string, Logins>();

  constructor(limit: number, clock: () => number) {
    this.limit = limit;
    this.#clock = clock;
  }

  /** `wait`: those that are being checked come first. `stop`: it has failed too often, and is not listened to. */
  begin(client: string): 'go' | 'wait' | 'stop' {
    const now = this.#clock();
    let logins = this.#clients.get(client);
    if (logins === undefined || now - logins.since >= WINDOW) {
      // Behind all others: the first of the map is always the oldest.
      this.#clients.delete(client);
      logins = { since: now, failed: 0, pending: logins?.pending ?? 0 };
      this.#clients.set(client, logins);
      if (this.#clients.size > MAX_CLIENTS) {
        const [oldest] = this.#clients.keys();
        if (oldest !== undefined) this.#clients.delete(oldest);
      }
    }
    if (logins.failed >= this.limit) return 'stop';
    if (logins.failed + logins.pending >= this.limit) return 'wait';
    logins.pending++;
    return 'go';
  }

  /** What became of a login that `begin` let in. */
  end(client: string, failed: boolean): void {
    const logins = this.#clients.get(client);
    if (logins === undefined) return;
    if (logins.pending > 0) logins.pending--;
    if (failed) logins.failed++;
  }
}
