/**
 * Keeps trust anchors up to date in a file (RFC 5011): reads it, asks the zone when it is time to, and writes what became
 * of its keys, whole or not at all.
 */
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Budget, MAX_KEYS, MAX_SIGNATURE_CHECKS_PER_ZONE } from './dnssec/bounds.js';
import { dsMatchesKey, isRevoked, readAnyZoneKey, type ZoneKey } from './dnssec/key.js';
import { RRsets } from './dnssec/rrset.js';
import { verifyRRset } from './dnssec/signature.js';
import type { Name } from './name.js';
import { RRTYPE } from './rrtype.js';
import type { Source } from './source.js';
import type { TrustAnchor } from './trust-anchor.js';
import {
  type AnchorState,
  afterFailure,
  afterSighting,
  readAnchorState,
  type Sighting,
  trustedAnchors,
  writeAnchorState,
} from './trust-anchor-state.js';
import { sameBytes } from './wire.js';

export interface AnchorKeeperOptions {
  /** Where the state is kept; its folder must exist and be the program's own. */
  readonly file: string;
  /** What the administrator (or the program) vouches for, all of one zone. */
  readonly configured: readonly TrustAnchor[];
  readonly zone: Name;
  readonly source: Source;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
}

export class AnchorKeeper {
  readonly #options: AnchorKeeperOptions;
  #state: AnchorState;
  #underWay: Promise<void> | undefined;

  private constructor(options: AnchorKeeperOptions, state: AnchorState) {
    this.#options = options;
    this.#state = state;
  }

  /**
   * Reads the state; a file that is not there yet is a state without keys.
   * @throws (rejects) where it can't be read or understood: the administrator has to look, for it says what is revoked
   */
  static async open(options: AnchorKeeperOptions): Promise<AnchorKeeper> {
    const empty: AnchorState = { zone: options.zone, keys: [], nextQuery: 0 };
    let text: string;
    try {
      text = await readFile(options.file, 'utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
        return new AnchorKeeper(options, empty);
      throw error;
    }
    return new AnchorKeeper(options, readAnchorState(text, options.zone));
  }

  get state(): AnchorState {
    return this.#state;
  }

  get anchors(): readonly TrustAnchor[] {
    return trustedAnchors(this.#state, this.#options.configured);
  }

  get isDue(): boolean {
    return this.#options.clock() >= this.#state.nextQuery;
  }

  /** Asks the zone for its keys and takes in what it says; one at a time. */
  refresh(): Promise<void> {
    this.#underWay ??= this.#refresh().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  async #refresh(): Promise<void> {
    const { clock, configured } = this.#options;
    const seen = await this.#look();
    const now = clock();
    const state =
      seen === undefined ? afterFailure(this.#state, now) : afterSighting(this.#state, configured, seen, now);
    await writeWhole(this.#options.file, writeAnchorState(state));
    this.#state = state;
  }

  /** The zone's keys, if a present anchor has signed them. */
  async #look(): Promise<Sighting | undefined> {
    const { source, zone, clock } = this.#options;
    const asked = await source.ask({ name: zone, type: RRTYPE.DNSKEY });
    if (asked.kind === 'failure') return undefined;
    const rrset = new RRsets(asked.message.answer).get(zone, RRTYPE.DNSKEY);
    if (rrset === undefined || rrset.rdatas.length > MAX_KEYS) return undefined;
    const budget = new Budget(`the keys of ${zone}`, MAX_SIGNATURE_CHECKS_PER_ZONE);
    const keys = rrset.rdatas.flatMap((rdata) => readAnyZoneKey(rdata) ?? []);
    const isAnchor = (key: ZoneKey) => !isRevoked(key) && this.anchors.some((anchor) => matches(anchor, key));
    const verdict = await verifyRRset(rrset, { name: zone, keys: keys.filter(isAnchor) }, clock(), budget);
    if (!verdict.valid) return undefined;
    const selfRevoked: ZoneKey[] = [];
    for (const key of keys.filter(isRevoked)) {
      const { valid } = await verifyRRset(rrset, { name: zone, keys: [key] }, clock(), budget);
      if (valid) selfRevoked.push(key);
    }
    const { originalTtl, expiration } = verdict.signature;
    return { keys, selfRevoked, originalTtl, expires: expiration * 1000 };
  }
}

function matches(anchor: TrustAnchor, key: ZoneKey): boolean {
  if (anchor.data.type === 'DS') return dsMatchesKey(anchor.data, anchor.name, key);
  return sameBytes(anchor.rdata.subarray(3), key.rdata.subarray(3));
}

/** Whole or not at all, whatever happens meanwhile; readable by its owner only. */
async function writeWhole(file: string, text: string): Promise<void> {
  const draft = `${file}.${process.pid}.new`;
  try {
    const handle = await open(draft, 'w', 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
  const folder = await open(dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
