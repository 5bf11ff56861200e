/**
 * The chain of trust: from a trust anchor down to the zone that holds a name (RFC 4035 section 5).
 *
 * The walk takes one label at a time. At each it asks the zone reached so far for the DS records of the next name. The
 * answer is one of: signed DS records (a secure zone begins here, and its keys must match them), a proof that there is a
 * delegation without DS (all below is insecure), or a proof that no zone begins here. Anything else is a failure.
 *
 * Every zone is walked to once for all look-ups that need it: results are kept for as long as their TTLs allow, and
 * look-ups that need the same step at the same time share it.
 */
import { inProportion } from '../cache-size.js';
import type { DsMismatch, ExtendedError, TrustLink, ZoneFault } from '../lookup.js';
import type { Message } from '../message.js';
import type { Name } from '../name.js';
import { type DsData, parseDs } from '../record.js';
import { RRTYPE } from '../rrtype.js';
import { SieveMap } from '../sieve-map.js';
import type { Source } from '../source.js';
import type { TrustAnchor } from '../trust-anchor.js';
import { WireError } from '../wire.js';
import { algorithmName, isSupportedAlgorithm } from './algorithm.js';
import {
  BoundError,
  Budget,
  MAX_DS,
  MAX_KEYS,
  MAX_SIGNATURE_CHECKS_PER_ZONE,
  type Strictness,
} from './bounds.js';
import { collectDenials } from './collect-denials.js';
import { dsMismatch, dsSummary, isSignedByOthers, keySummary, type PublishedDs } from './ds-mismatch.js';
import { EDE, ede } from './extended-error.js';
import { dsMatchesKey, isSupportedDigest, readZoneKey, type ZoneKey } from './key.js';
import { type RRset, RRsets } from './rrset.js';
import { expirationTime, verifyRRset } from './signature.js';

export type ZoneTrust = SecureZone | InsecureZone | FailedZone;

export interface SecureZone {
  readonly status: 'secure';
  readonly name: Name;
  readonly keys: readonly ZoneKey[];
  /** From the trust anchor to this zone. */
  readonly links: readonly TrustLink[];
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

export interface InsecureZone {
  readonly status: 'insecure';
  readonly reason: string;
  readonly ede?: ExtendedError;
  readonly links: readonly TrustLink[];
  readonly expires: number;
}

export interface FailedZone {
  readonly status: 'bogus' | 'indeterminate';
  readonly reason: string;
  readonly ede: ExtendedError;
  readonly rcode?: string;
  /** Where it is bogus, and known to be for this. */
  readonly fault?: ZoneFault;
  readonly links: readonly TrustLink[];
}

/** What one label of the walk brought. */
type Step =
  | ZoneTrust
  | { readonly status: 'no-cut'; readonly expires: number }
  | { readonly status: 'no-name'; readonly expires: number };

/** Zones and absent zone cuts remembered. */
const MAX_REMEMBERED_STEPS = 20_000;
/** Seconds for which a step is believed at most, whatever its TTL says. */
const MAX_STEP_TTL = 86_400;
/** Labels whose DS and DNSKEY records are asked for ahead of need, all at once. Longer names are walked without. */
const MAX_LABELS_ASKED_AHEAD = 4;

type Asked = ReturnType<Source['ask']>;

export interface TrustChainOptions extends Strictness {
  readonly anchors: readonly TrustAnchor[];
  readonly source: Source;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  /** Of the answers beside it. */
  readonly maxCacheOctets?: number;
}

export class TrustChain {
  readonly #strictness: Strictness;
  #anchors: ReadonlyMap<string, { readonly name: Name; readonly anchors: readonly TrustAnchor[] }>;
  readonly #source: Source;
  readonly #clock: () => number;
  readonly #steps: SieveMap<Exclude<Step, FailedZone>>;
  readonly #underWay = new Map<string, Promise<Step>>();

  constructor(options: TrustChainOptions) {
    this.#strictness = options;
    this.#source = options.source;
    this.#clock = options.clock;
    this.#steps = new SieveMap(inProportion(MAX_REMEMBERED_STEPS, options.maxCacheOctets));
    this.#anchors = byName(options.anchors);
  }

  /** Starts from other anchors from now on; what was built on the old ones is forgotten. */
  trust(anchors: readonly TrustAnchor[]): void {
    this.#anchors = byName(anchors);
    this.forget();
  }

  /** The closest trust anchor at or above the name: the point that its chain of trust starts from. */
  anchorAbove(name: Name): Name | undefined {
    for (let labels = name.labelCount; labels >= 0; labels--) {
      const anchor = this.#anchors.get(name.suffix(labels).key);
      if (anchor !== undefined) return anchor.name;
    }
    return undefined;
  }

  /**
   * The zone that `target` lies in, as far as it can be trusted.
   * @param target the signer that an RRset names, or the owner itself where nothing is signed
   * @param isSigner the target is claimed to be a zone: its keys are worth asking for ahead
   */
  async zoneOf(target: Name, isSigner: boolean, budget: Budget): Promise<ZoneTrust> {
    const start = this.anchorAbove(target);
    if (start === undefined) {
      return {
        status: 'insecure',
        reason: `no trust anchor is configured for ${target} or above`,
        links: [],
        expires: Number.POSITIVE_INFINITY,
      };
    }
    const ahead = this.#askAhead(start, target, isSigner);
    let zone = zoneOnly(await this.#step(start, undefined, ahead, budget));
    for (
      let labels = start.labelCount + 1;
      labels <= target.labelCount && zone.status === 'secure';
      labels++
    ) {
      const step = await this.#step(target.suffix(labels), zone, ahead, budget);
      if (step.status === 'no-name') break;
      if (step.status !== 'no-cut') zone = step;
    }
    return zone;
  }

  forget(): void {
    this.#steps.clear();
  }

  /** Sends the questions of the steps that are not remembered at once, so that a cold walk costs one round trip. */
  #askAhead(start: Name, target: Name, isSigner: boolean): Map<string, Asked> {
    const ahead = new Map<string, Asked>();
    const ask = (name: Name, type: number) => {
      const asked = this.#source.ask({ name, type });
      asked.catch(() => {}); // Whoever needs it awaits it; nobody may.
      ahead.set(`${type} ${name.key}`, asked);
    };
    if (target.labelCount - start.labelCount > MAX_LABELS_ASKED_AHEAD) return ahead;
    for (let labels = start.labelCount; labels <= target.labelCount; labels++) {
      const name = target.suffix(labels);
      if (this.#remembered(name) !== undefined || this.#underWay.has(name.key)) continue;
      if (labels > start.labelCount) ask(name, RRTYPE.DS);
      if (isSigner || labels === start.labelCount) ask(name, RRTYPE.DNSKEY);
    }
    return ahead;
  }

  #remembered(name: Name): Step | undefined {
    const step = this.#steps.get(name.key);
    if (step === undefined || step.expires > this.#clock()) return step;
    this.#steps.delete(name.key);
    return undefined;
  }

  /** @param parent the secure zone reached so far; undefined where `name` is a trust anchor */
  async #step(
    name: Name,
    parent: SecureZone | undefined,
    ahead: Map<string, Asked>,
    budget: Budget,
  ): Promise<Step> {
    const remembered = this.#remembered(name);
    if (remembered !== undefined) return remembered;
    const underWay = this.#underWay.get(name.key);
    if (underWay !== undefined) return underWay;
    budget.spendZoneStep();
    const walk = new ZoneWalk(this.#source, ahead, this.#strictness, this.#clock());
    const anchors = this.#anchors.get(name.key)?.anchors ?? [];
    const step = parent === undefined ? walk.fromAnchors(name, anchors) : walk.fromParent(name, parent);
    this.#underWay.set(name.key, step);
    try {
      const result = await step;
      if (isKept(result)) this.#steps.set(name.key, result);
      return result;
    } finally {
      this.#underWay.delete(name.key);
    }
  }
}

function byName(anchors: readonly TrustAnchor[]) {
  const found = new Map<string, { name: Name; anchors: TrustAnchor[] }>();
  for (const anchor of anchors) {
    const known = found.get(anchor.name.key);
    if (known === undefined) found.set(anchor.name.key, { name: anchor.name, anchors: [anchor] });
    else known.anchors.push(anchor);
  }
  return found;
}

function zoneOnly(step: Step): ZoneTrust {
  if (step.status === 'no-cut' || step.status === 'no-name')
    throw new Error('a trust anchor is always at a zone');
  return step;
}

/** A failure is not remembered: it may be over at the next look-up. */
function isKept(step: Step): step is Exclude<Step, FailedZone> {
  return step.status !== 'bogus' && step.status !== 'indeterminate';
}

/** One step of the walk, with an allowance of its own: a hostile zone must not spend what other look-ups share. */
class ZoneWalk {
  readonly #source: Source;
  readonly #ahead: Map<string, Asked>;
  readonly #strictness: Strictness;
  readonly #now: number;

  constructor(source: Source, ahead: Map<string, Asked>, strictness: Strictness, now: number) {
    this.#source = source;
    this.#ahead = ahead;
    this.#strictness = strictness;
    this.#now = now;
  }

  async fromAnchors(name: Name, anchors: readonly TrustAnchor[]): Promise<ZoneTrust> {
    const budget = new Budget(`the trust anchor at ${name}`, MAX_SIGNATURE_CHECKS_PER_ZONE, this.#strictness);
    const ds = anchors.flatMap((anchor) => (anchor.data.type === 'DS' ? [anchor.data] : []));
    const keys = anchors.flatMap((anchor) => (anchor.data.type === 'DNSKEY' ? [anchor.rdata] : []));
    return bounded([], () =>
      this.#enter(name, { ds, keys, ttl: MAX_STEP_TTL, links: [], from: 'trust anchor' }, budget),
    );
  }

  async fromParent(child: Name, parent: SecureZone): Promise<Step> {
    const budget = new Budget(`the delegation of ${child}`, MAX_SIGNATURE_CHECKS_PER_ZONE, this.#strictness);
    return bounded(parent.links, async () => {
      const asked = await this.#ask(child, RRTYPE.DS);
      if (asked.kind === 'failure') return unreachable(asked, `DS of ${child}`, parent.links);
      const answer = new RRsets(asked.message.answer);
      const ds = answer.get(child, RRTYPE.DS);
      if (ds !== undefined) return this.#followDs(ds, child, parent, budget);
      const alias =
        answer.get(child, RRTYPE.CNAME) ?? answer.ofType(RRTYPE.DNAME).find((set) => child.isBelow(set.name));
      if (alias !== undefined) return this.#aliasIsNoCut(alias, parent, budget);
      return this.#withoutDs(asked.message, child, parent, budget);
    });
  }

  /** RFC 4035 section 5.2. */
  async #followDs(rrset: RRset, child: Name, parent: SecureZone, budget: Budget): Promise<Step> {
    const verdict = await verifyRRset(rrset, parent, this.#now, budget);
    if (!verdict.valid) return bogus(verdict.reason, verdict.ede, parent.links, verdict.fault);
    if (verdict.wildcard !== undefined)
      return bogusText(`the DS of ${child} was expanded from a wildcard`, parent.links);
    if (rrset.rdatas.length > MAX_DS) throw new BoundError(`${rrset.rdatas.length} DS records for ${child}`);
    const records = readAll(rrset, parseDs);
    // Records that can't be read are no word of the parent's that the zone is insecure.
    if (records.length === 0) return bogusText(`the DS records of ${child} are malformed`, parent.links);
    const usable = records.filter(
      (ds) => isSupportedAlgorithm(ds.algorithm) && isSupportedDigest(ds.digestType),
    );
    if (usable.length === 0) return this.#unsupportedDs(child, records, parent, verdict.ttl);
    const { links } = parent;
    const published = { records, ttl: verdict.signature.originalTtl };
    return this.#enter(
      child,
      { ds: withoutWeakDigests(usable), keys: [], ttl: verdict.ttl, links, from: 'DS', published },
      budget,
    );
  }

  /** RFC 4035 section 5.2: no algorithm or digest that we know, so the zone is as good as unsigned. */
  #unsupportedDs(child: Name, records: readonly DsData[], parent: SecureZone, ttl: number): InsecureZone {
    const algorithms = [...new Set(records.map((ds) => algorithmName(ds.algorithm)))].join(', ');
    const onlyDigests = records.some((ds) => isSupportedAlgorithm(ds.algorithm));
    const reason = onlyDigests
      ? `${child} is delegated with DS digest types that are not supported`
      : `${child} is signed only with algorithms that are not supported (${algorithms})`;
    const code = onlyDigests ? EDE.UNSUPPORTED_DS_DIGEST : EDE.UNSUPPORTED_DNSKEY_ALGORITHM;
    return this.#insecure(child, reason, parent, ttl, ede(code, reason));
  }

  #insecure(
    child: Name,
    reason: string,
    parent: SecureZone,
    ttl: number,
    error?: ExtendedError,
  ): InsecureZone {
    return {
      status: 'insecure',
      reason,
      links: [...parent.links, { zone: child.toString(), status: 'insecure', reason }],
      expires: Math.min(parent.expires, this.#expiry(ttl)),
      ...(error === undefined ? {} : { ede: error }),
    };
  }

  /** Neither CNAME nor DNAME stands at or above a zone cut within the same zone (RFC 2181 section 10.1, RFC 6672 section 2.4). */
  async #aliasIsNoCut(alias: RRset, parent: SecureZone, budget: Budget): Promise<Step> {
    const verdict = await verifyRRset(alias, parent, this.#now, budget);
    if (!verdict.valid) return bogus(verdict.reason, verdict.ede, parent.links, verdict.fault);
    return { status: 'no-cut', expires: this.#expiry(verdict.ttl) };
  }

  async #withoutDs(message: Message, child: Name, parent: SecureZone, budget: Budget): Promise<Step> {
    const denials = await collectDenials(message, parent, this.#now, budget);
    if (denials.kind === 'too-many-iterations') {
      return this.#insecure(
        child,
        denials.reason,
        parent,
        denials.ttl,
        ede(EDE.UNSUPPORTED_NSEC3_ITERATIONS, denials.reason),
      );
    }
    const expires = this.#expiry(denials.ttl);
    const cut = denials.denier.noDelegationSigner(child);
    switch (cut.kind) {
      case 'insecure-delegation':
        return this.#insecure(child, cut.reason, parent, denials.ttl);
      case 'no-cut':
        return { status: 'no-cut', expires };
      case 'no-name':
        return { status: 'no-name', expires };
      case 'unproved': {
        const reason = `neither DS records of ${child} nor a proof that there are none: ${denials.flaw?.reason ?? cut.reason}`;
        return bogus(reason, ede(EDE.NSEC_MISSING, reason), parent.links, denials.flaw?.fault);
      }
    }
  }

  /** Asks a zone for its keys; one that the parent (or the administrator) vouches for must have signed them. */
  async #enter(zone: Name, trusted: Trusted, budget: Budget): Promise<ZoneTrust> {
    const asked = await this.#ask(zone, RRTYPE.DNSKEY);
    if (asked.kind === 'failure') return unreachable(asked, `DNSKEY of ${zone}`, trusted.links);
    const rrset = new RRsets(asked.message.answer).get(zone, RRTYPE.DNSKEY);
    const mismatch = (how: DsMismatch['how']) =>
      trusted.published === undefined ? undefined : dsMismatch(zone, how, trusted.published, rrset);
    if (rrset === undefined) {
      const reason = `${zone} has a ${trusted.from} but sends no DNSKEY records`;
      return bogus(reason, ede(EDE.DNSKEY_MISSING, reason), trusted.links, mismatch('no-keys'));
    }
    if (rrset.rdatas.length > MAX_KEYS)
      throw new BoundError(`${rrset.rdatas.length} DNSKEY records at ${zone}`);
    const keys = rrset.rdatas.flatMap((rdata) => readZoneKey(rdata) ?? []);
    const entry = keys.filter(
      (key) =>
        trusted.ds.some((ds) => dsMatchesKey(ds, zone, key)) ||
        trusted.keys.some((known) => sameKey(known, key)),
    );
    if (entry.length === 0) {
      const reason = `none of the keys of ${zone} matches its ${trusted.from}`;
      return bogus(reason, ede(EDE.DNSKEY_MISSING, reason), trusted.links, mismatch('no-match'));
    }
    const verdict = await verifyRRset(rrset, { name: zone, keys: entry }, this.#now, budget);
    if (!verdict.valid) {
      if (!isSignedByOthers(rrset, entry))
        return bogus(verdict.reason, verdict.ede, trusted.links, verdict.fault);
      const reason = `the keys of ${zone} are not signed by the one that its ${trusted.from} names`;
      return bogus(reason, ede(EDE.DNSKEY_MISSING, reason), trusted.links, mismatch('not-signing'));
    }
    const link: TrustLink = {
      zone: zone.toString(),
      status: 'secure',
      from: trusted.from,
      ds: trusted.ds.map(dsSummary),
      until: expirationTime(verdict.signature, this.#now),
      signedBy: verdict.signature.keyTag,
      keys: keys.map(keySummary),
    };
    return {
      status: 'secure',
      name: zone,
      keys,
      links: [...trusted.links, link],
      expires: this.#expiry(Math.min(trusted.ttl, verdict.ttl)),
    };
  }

  #ask(name: Name, type: number): Asked {
    return this.#ahead.get(`${type} ${name.key}`) ?? this.#source.ask({ name, type });
  }

  #expiry(ttl: number): number {
    return this.#now + Math.min(ttl, MAX_STEP_TTL) * 1000;
  }
}

/** Who vouches for a zone's keys. */
interface Trusted {
  readonly ds: readonly DsData[];
  /** DNSKEY RDATA that the administrator configured. */
  readonly keys: readonly Uint8Array[];
  readonly ttl: number;
  readonly links: readonly TrustLink[];
  readonly from: 'trust anchor' | 'DS';
  /** Where it is the parent: all that it says, with what is not used. */
  readonly published?: PublishedDs;
}

/** The key itself counts; flags may have changed since it was configured. */
function sameKey(configured: Uint8Array, key: ZoneKey): boolean {
  const known = readZoneKey(configured);
  return (
    known !== undefined &&
    known.data.algorithm === key.data.algorithm &&
    known.data.publicKey.length === key.data.publicKey.length &&
    known.data.publicKey.every((octet, i) => octet === key.data.publicKey[i])
  );
}

/** RFC 4509 section 3: SHA-1 is ignored where a stronger digest is there. */
function withoutWeakDigests(records: readonly DsData[]): readonly DsData[] {
  const strong = records.filter((ds) => ds.digestType !== 1);
  return strong.length > 0 ? strong : records;
}

/** Malformed records are as good as absent: they match nothing. */
function readAll<T>(rrset: RRset, parse: (rdata: Uint8Array) => T): T[] {
  return rrset.rdatas.flatMap((rdata) => {
    try {
      return [parse(rdata)];
    } catch (error) {
      if (error instanceof WireError) return [];
      throw error;
    }
  });
}

async function bounded<T>(links: readonly TrustLink[], work: () => Promise<T>): Promise<T | FailedZone> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof BoundError)) throw error;
    return { status: 'indeterminate', reason: error.message, ede: ede(EDE.OTHER, error.message), links };
  }
}

function bogus(
  reason: string,
  error: ExtendedError,
  links: readonly TrustLink[],
  fault?: ZoneFault,
): FailedZone {
  return { status: 'bogus', reason, ede: error, links, ...(fault === undefined ? {} : { fault }) };
}

function bogusText(reason: string, links: readonly TrustLink[]): FailedZone {
  return bogus(reason, ede(EDE.BOGUS, reason), links);
}

function unreachable(
  failure: { readonly reason: string; readonly rcode?: string; readonly ede: ExtendedError },
  what: string,
  links: readonly TrustLink[],
): FailedZone {
  return {
    status: 'indeterminate',
    reason: `${what} could not be looked up: ${failure.reason}`,
    ede: failure.ede,
    links,
    ...(failure.rcode === undefined ? {} : { rcode: failure.rcode }),
  };
}
