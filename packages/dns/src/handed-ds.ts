/**
 * DS records that came with a referral (RFC 4035 section 3.1.4): whoever follows it will ask for them next, to enter the
 * zone that it leads to, and need not ask the parent again.
 *
 * They are data like any other from that server: the parent's signature has to hold. Each set is given away once and soon.
 * A server that refers with old records, or false ones, then spoils one look-up as it could by its answer, and the next asks.
 */
import type { Message, ResourceRecord } from './message.js';
import type { Name } from './name.js';
import { CLASS_IN, RRTYPE } from './rrtype.js';
import { SieveMap } from './sieve-map.js';
import type { Reply } from './source.js';

/** Sets that wait for their question; it follows within two round trips. */
const MAX_SETS = 1_000;
/** Milliseconds until a set is as good as old: what is left of its TTL need not be counted, so short is the wait. */
const FRESH_MS = 10_000;

export class HandedDs {
  readonly #clock: () => number;
  readonly #sets = new SieveMap<{ readonly reply: Reply; readonly expires: number }>(MAX_SETS);

  /** @param clock milliseconds since the epoch */
  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** @param cut the zone that the message refers to; what it does not sign is not kept */
  learn({ message, server }: Reply, cut: Name): void {
    const isOfCut = (record: ResourceRecord) => record.class === CLASS_IN && record.name.equals(cut);
    const ofCut = message.authority.filter(isOfCut);
    const ds = ofCut.filter(({ type }) => type === RRTYPE.DS);
    const signatures = ofCut.filter((record) => record.type === RRTYPE.RRSIG && covers(record, RRTYPE.DS));
    if (ds.length === 0 || signatures.length === 0) return;
    const ttl = Math.min(...ds.map((record) => record.ttl));
    const expires = this.#clock() + Math.min(FRESH_MS, ttl * 1000);
    const told: Message = {
      ...message,
      questions: [{ name: cut, type: RRTYPE.DS, class: CLASS_IN }],
      answer: [...ds, ...signatures],
      authority: [],
      additional: [],
    };
    this.#sets.set(cut.key, { reply: { kind: 'reply', message: told, server }, expires });
  }

  /** As the answer to the question for them; undefined where it has to be asked. */
  take(cut: Name): Reply | undefined {
    const kept = this.#sets.get(cut.key);
    this.#sets.delete(cut.key);
    return kept !== undefined && kept.expires > this.#clock() ? kept.reply : undefined;
  }

  forget(): void {
    this.#sets.clear();
  }
}

/** RFC 4034 section 3.1: the type covered comes first. */
function covers({ rdata }: ResourceRecord, type: number): boolean {
  return rdata.length >= 2 && (((rdata[0] ?? 0) << 8) | (rdata[1] ?? 0)) === type;
}
