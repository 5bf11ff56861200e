/**
 * Failed logins per client (RFC 4954 section 9: guesses are to be slowed down). A login counts as failed from
 * the moment it begins until it has succeeded, so that many at a time gain nothing.
 */

/** Milliseconds after which a client's failures are forgotten. */
const WINDOW = 10 * 60_000;

/** Clients that are remembered; beyond, the oldest is forgotten. A client of IPv6 has 64 bits here. */
const MAX_CLIENTS = 50_000;

interface Failures {
  readonly since: number;
  count: number;
}

export class LoginThrottle {
  limit: number;
  readonly #clock: () => number;
  readonly #clients = new Map<string, Failures>();

  constructor(limit: number, clock: () => number) {
    this.limit = limit;
    this.#clock = clock;
  }

  /** False: this client has failed too often, and is not to be listened to. */
  begin(client: string): boolean {
    const now = this.#clock();
    let failures = this.#clients.get(client);
    if (failures === undefined || now - failures.since >= WINDOW) {
      // Behind all others: the first of the map is always the oldest.
      this.#clients.delete(client);
      failures = { since: now, count: 0 };
      this.#clients.set(client, failures);
      if (this.#clients.size > MAX_CLIENTS) {
        const [oldest] = this.#clients.keys();
        if (oldest !== undefined) this.#clients.delete(oldest);
      }
    }
    if (failures.count >= this.limit) return false;
    failures.count++;
    return true;
  }

  /** The login that `begin` let in was right, or was not tried at all. */
  takeBack(client: string): void {
    const failures = this.#clients.get(client);
    if (failures !== undefined && failures.count > 0) failures.count--;
  }
}
