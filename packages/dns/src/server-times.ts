/** How fast each authoritative server answers, so that good ones are asked first and dead ones are not waited for. */
import { isIPv6 } from 'node:net';
import { SieveMap } from './sieve-map.js';

/** Addresses remembered. */
const MAX_ADDRESSES = 20_000;
/** Weight of the newest measurement. */
const NEWEST = 0.3;
/** What is assumed of a server that was never asked, in milliseconds: better than a slow one, worse than a near one. */
const UNKNOWN_MS = 60;
/** IPv4 goes first where neither is known: on many machines IPv6 is configured and leads nowhere. */
const UNKNOWN_IPV6_MS = 80;
/** Waiting for a reply: three times what it usually takes, within these bounds, in milliseconds. */
const MIN_PATIENCE_MS = 400;
const UNKNOWN_PATIENCE_MS = 1_200;
const MAX_PATIENCE_MS = 4_000;
/** What each silence in a row adds to a server's time. */
const SILENCE_MS = 1_000;
const MAX_SILENCES = 5;

interface Measured {
  readonly smoothed: number;
  readonly silences: number;
}

export class ServerTimes {
  readonly #measured = new SieveMap<Measured>(MAX_ADDRESSES);

  /** The addresses, the one to ask first in front. */
  inOrder(addresses: readonly string[]): string[] {
    return addresses.length < 2
      ? [...addresses]
      : [...addresses].sort((a, b) => this.#expected(a) - this.#expected(b));
  }

  /** Milliseconds to wait for a reply. */
  patience(address: string): number {
    const known = this.#measured.get(address);
    if (known === undefined) return UNKNOWN_PATIENCE_MS;
    const patience = Math.max(MIN_PATIENCE_MS, known.smoothed * 3) * 2 ** known.silences;
    return Math.min(MAX_PATIENCE_MS, patience);
  }

  answered(address: string, milliseconds: number): void {
    const known = this.#measured.get(address);
    const smoothed =
      known === undefined ? milliseconds : known.smoothed + NEWEST * (milliseconds - known.smoothed);
    this.#measured.set(address, { smoothed, silences: 0 });
  }

  silent(address: string): void {
    const known = this.#measured.get(address) ?? { smoothed: UNKNOWN_MS, silences: 0 };
    this.#measured.set(address, { ...known, silences: Math.min(MAX_SILENCES, known.silences + 1) });
  }

  #expected(address: string): number {
    const known = this.#measured.get(address);
    if (known !== undefined) return known.smoothed + known.silences * SILENCE_MS;
    return isIPv6(address) ? UNKNOWN_IPV6_MS : UNKNOWN_MS;
  }
}
