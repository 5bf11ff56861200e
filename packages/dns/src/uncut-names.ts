/**
 * Names at which no zone begins, as their zone's servers have shown by answering for them: QNAME minimisation need not
 * stop there again (RFC 9156 section 2.3). Who has had the address of a mail host need not ask for it once more on the way to
 * its TLSA records.
 *
 * A cut that is made there meanwhile is found nevertheless: the server then refers whoever asks for a name below it.
 */
import { inProportion } from './cache-size.js';
import type { Message } from './message.js';
import type { Name } from './name.js';
import { RCODE } from './rrtype.js';
import { SieveMap } from './sieve-map.js';

const MAX_NAMES = 20_000;
/** Seconds. */
const MAX_TTL = 3_600;

export class UncutNames {
  readonly #clock: () => number;
  readonly #names: SieveMap<{ readonly zone: Name; readonly expires: number }>;

  /** @param clock milliseconds since the epoch @param maxCacheOctets of the answers beside it */
  constructor(clock: () => number, maxCacheOctets?: number) {
    this.#clock = clock;
    this.#names = new SieveMap(inProportion(MAX_NAMES, maxCacheOctets));
  }

  /** @param message of a server of the zone, and no referral */
  learn(name: Name, zone: Name, { rcode, answer, authority }: Message): void {
    const records = [...answer, ...authority];
    if (rcode !== RCODE.NOERROR || records.length === 0 || name.equals(zone)) return;
    const ttl = Math.min(MAX_TTL, ...records.map((record) => record.ttl));
    this.#names.set(name.key, { zone, expires: this.#clock() + ttl * 1000 });
  }

  /** Whether the name is known to be one of this zone's own. */
  has(name: Name, zone: Name): boolean {
    const known = this.#names.get(name.key);
    return known !== undefined && known.expires > this.#clock() && known.zone.equals(zone);
  }

  forget(): void {
    this.#names.clear();
  }
}
