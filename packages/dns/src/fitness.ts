/**
 * Whether DNSSEC survives a way of asking. Many stubs, routers and firewalls take out what they don't know, and some put
 * their own records in; whoever validates behind them finds every signed name bogus. Three questions tell, at the zone of
 * the trust anchor, which is the root nearly always:
 *
 * - its DNSKEY records: they come, they are signed, and the trust anchor vouches for them;
 * - a name that can't exist: its absence comes with a proof (NSEC or NSEC3) whose signature holds;
 * - the DS records of a zone that this proof shows to have some.
 *
 * The second name is made up anew each time, so that no cache and no list can know it.
 */
import { randomBytes } from 'node:crypto';
import type { Question } from './ask-server.js';
import { BoundError, Budget } from './dnssec/bounds.js';
import { collectDenials } from './dnssec/collect-denials.js';
import { EDE } from './dnssec/extended-error.js';
import { type RRset, RRsets } from './dnssec/rrset.js';
import { verifyRRset } from './dnssec/signature.js';
import { type FailedZone, type SecureZone, TrustChain } from './dnssec/trust-chain.js';
import type { Message } from './message.js';
import { Name } from './name.js';
import { parseRdata } from './record.js';
import { RCODE, RRTYPE } from './rrtype.js';
import type { Exchanged, NoReply, Reply } from './source.js';
import type { TrustAnchor } from './trust-anchor.js';
import { WireError } from './wire.js';

/** What is wrong with a way of asking. */
export type Fault =
  /** No answer, or none but errors. */
  | 'no-answer'
  /** RRSIG records are left out. */
  | 'strips-signatures'
  /** DNSKEY or DS records are left out. */
  | 'strips-keys'
  /** NSEC and NSEC3 records are left out. */
  | 'strips-denials'
  /** Keys that the trust anchor does not vouch for. */
  | 'other-keys'
  /** Signatures of another time: an old answer that is replayed, or a clock that is wrong. */
  | 'other-time'
  /** Answers that were changed: signatures that don't hold, names that do not exist. */
  | 'altered'
  /** TCP does not reach it, so that large answers can't be had. */
  | 'no-tcp';

export interface Flaw {
  readonly fault: Fault;
  /** In words that follow a name: `leaves the signatures out`. */
  readonly reason: string;
  /** So many servers were to be asked, and the network has a way to none of them. */
  readonly unreached?: number;
}

export interface FitnessOptions {
  readonly ask: (question: Question) => Promise<Exchanged>;
  readonly anchors: readonly TrustAnchor[];
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
}

/** Octets of a label that nobody has: 2^80 are too many to guess or to register. */
const MADE_UP_OCTETS = 10;

/** The first flaw that shows; undefined where there is none. Rejects only where `ask` does. */
export async function findFlaw(options: FitnessOptions): Promise<Flaw | undefined> {
  try {
    return await new Examination(options).run();
  } catch (error) {
    if (!(error instanceof WireError || error instanceof BoundError)) throw error;
    return { fault: 'altered', reason: `sends what can't be validated: ${error.message}` };
  }
}

/** The zone of the trust anchor that is closest to the root. */
export function anchoredZone(anchors: readonly TrustAnchor[]): Name {
  return anchors.reduce(
    (highest, { name }) => (name.labelCount < highest.labelCount ? name : highest),
    anchors[0]?.name ?? Name.root,
  );
}

class Examination {
  readonly #options: FitnessOptions;
  readonly #budget = new Budget('the probe');
  readonly #zone: Name;

  constructor(options: FitnessOptions) {
    this.#options = options;
    this.#zone = anchoredZone(options.anchors);
  }

  async run(): Promise<Flaw | undefined> {
    const { ask } = this.#options;
    const madeUp = this.#zone.prepend(`probe-${randomBytes(MADE_UP_OCTETS).toString('hex')}`);
    const [keys, denial] = await Promise.all([
      ask({ name: this.#zone, type: RRTYPE.DNSKEY }),
      ask({ name: madeUp, type: RRTYPE.A }),
    ]);
    if (keys.kind === 'failure') return noAnswer(keys);
    const zone = await this.#trustedZone(keys);
    if ('fault' in zone) return zone;
    if (denial.kind === 'failure') return noAnswer(denial, 'for a name that does not exist');
    return (
      (await this.#judgeDenial(denial.message, madeUp, zone)) ?? this.#judgeDelegation(denial.message, zone)
    );
  }

  async #trustedZone(keys: Reply): Promise<SecureZone | Flaw> {
    const { anchors, clock } = this.#options;
    const found = new RRsets(keys.message.answer).get(this.#zone, RRTYPE.DNSKEY);
    if (found === undefined)
      return { fault: 'strips-keys', reason: `leaves the keys of ${this.#what()} out` };
    if (found.signatures.length === 0) return stripsSignatures();
    const source = { ask: async () => keys, close: async () => {} };
    const own = anchors.filter(({ name }) => name.equals(this.#zone));
    const trust = await new TrustChain({ anchors: own, source, clock }).zoneOf(
      this.#zone,
      true,
      this.#budget,
    );
    switch (trust.status) {
      case 'secure':
        return trust;
      case 'insecure':
        return { fault: 'other-keys', reason: trust.reason };
      case 'bogus':
      case 'indeterminate':
        return this.#untrusted(trust);
    }
  }

  #untrusted({ ede, reason }: FailedZone): Flaw {
    switch (ede.code) {
      case EDE.DNSKEY_MISSING:
        return {
          fault: 'other-keys',
          reason:
            `answers with keys of ${this.#what()} that no trust anchor vouches for: it is being tampered with, or the ` +
            'trust anchors are those of another root',
        };
      case EDE.SIGNATURE_EXPIRED:
      case EDE.SIGNATURE_NOT_YET_VALID:
        return {
          fault: 'other-time',
          reason: `answers with signatures of another time (${reason}): old answers, or this machine's clock is wrong`,
        };
      default:
        return { fault: 'altered', reason: `answers with keys that don't validate: ${reason}` };
    }
  }

  async #judgeDenial(message: Message, madeUp: Name, zone: SecureZone): Promise<Flaw | undefined> {
    const answer = new RRsets(message.answer).get(madeUp, RRTYPE.A);
    if (answer !== undefined) {
      if (await this.#holds(answer, zone)) return undefined; // A wildcard of the zone's own.
      return { fault: 'altered', reason: 'answers for a name that does not exist' };
    }
    const sets = new RRsets(message.authority);
    const denials = [...sets.ofType(RRTYPE.NSEC), ...sets.ofType(RRTYPE.NSEC3)];
    if (denials.length === 0) {
      return { fault: 'strips-denials', reason: 'leaves the proofs of absence (NSEC, NSEC3) out' };
    }
    if (denials.some(({ signatures }) => signatures.length === 0)) return stripsSignatures();
    const proof = await collectDenials(message, zone, this.#options.clock(), this.#budget);
    if (proof.kind === 'too-many-iterations') return undefined;
    const denial =
      message.rcode === RCODE.NXDOMAIN ? proof.denier.noName(madeUp) : proof.denier.noData(madeUp, RRTYPE.A);
    if (denial.kind !== 'unproved') return undefined;
    return {
      fault: 'altered',
      reason: `answers with a proof of absence that fails: ${proof.flaw?.reason ?? denial.reason}`,
    };
  }

  /** NSEC records name their neighbours; NSEC3 records hide them, and then there is no zone to ask for. */
  async #judgeDelegation(message: Message, zone: SecureZone): Promise<Flaw | undefined> {
    const child = await this.#signedDelegation(message, zone);
    if (child === undefined) return undefined;
    const asked = await this.#options.ask({ name: child.name, type: RRTYPE.DS });
    if (asked.kind === 'failure') return noAnswer(asked, `for the DS records of ${child.name}`);
    const ds = new RRsets(asked.message.answer).get(child.name, RRTYPE.DS);
    if (ds === undefined)
      return { fault: 'strips-keys', reason: `leaves the DS records of ${child.name} out` };
    if (ds.signatures.length === 0) return stripsSignatures();
    if (await this.#holds(ds, zone)) return undefined;
    return {
      fault: 'altered',
      reason: `answers with DS records of ${child.name} whose signature does not hold`,
    };
  }

  /** The NSEC record of a delegation with DS records, if there is one whose signature holds. */
  async #signedDelegation(message: Message, zone: SecureZone): Promise<RRset | undefined> {
    for (const nsec of new RRsets(message.authority).ofType(RRTYPE.NSEC)) {
      const [rdata] = nsec.rdatas;
      if (rdata === undefined || nsec.name.equals(this.#zone)) continue;
      if (!(await this.#holds(nsec, zone))) continue;
      const data = parseRdata(RRTYPE.NSEC, rdata);
      if (data.type === 'NSEC' && data.types.has(RRTYPE.DS)) return nsec;
    }
    return undefined;
  }

  async #holds(set: RRset, zone: SecureZone): Promise<boolean> {
    const verdict = await verifyRRset(set, zone, this.#options.clock(), this.#budget);
    return verdict.valid;
  }

  #what(): string {
    return this.#zone.isRoot ? 'the root' : this.#zone.toString();
  }
}

function stripsSignatures(): Flaw {
  return { fault: 'strips-signatures', reason: 'leaves DNSSEC signatures out' };
}

function noAnswer({ reason, unreached }: NoReply, what?: string): Flaw {
  return {
    fault: 'no-answer',
    reason: `does not answer${what === undefined ? '' : ` ${what}`} (${reason})`,
    ...(unreached === undefined ? {} : { unreached }),
  };
}
