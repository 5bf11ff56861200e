/**
 * The validating resolver: follows a question through its aliases, and proves every step (RFC 4035 section 5).
 *
 * For each RRset of the answer the zone it lies in is looked for along the chain of trust. If that zone is secure, a
 * signature of it must hold, and an answer that was expanded from a wildcard must come with the proof that nothing closer
 * exists. If the chain ends before, the answer is insecure. There is no third way to get an answer.
 */
import { type AliasStep, aliasAt, speaksOf } from './alias.js';
import { AnswerBuilder, type Trust } from './answer-builder.js';
import { BoundError, Budget, MAX_ALIASES, MAX_SIGNATURE_CHECKS, type Strictness } from './dnssec/bounds.js';
import { collectDenials, type Flaw } from './dnssec/collect-denials.js';
import type { Denial } from './dnssec/denial.js';
import { EDE, ede } from './dnssec/extended-error.js';
import { type RRset, RRsets } from './dnssec/rrset.js';
import { expirationTime, type ValidVerdict, verifyRRset } from './dnssec/signature.js';
import type { FailedZone, SecureZone, TrustChain } from './dnssec/trust-chain.js';
import type { Answered, ExtendedError, Lookup, ProofStep, ZoneFault } from './lookup.js';
import type { Message } from './message.js';
import type { Name } from './name.js';
import { negativeTtl } from './negative-ttl.js';
import type { ProofCache } from './proof-cache.js';
import { CLASS_IN, RCODE, RRTYPE, typeName } from './rrtype.js';
import type { Source } from './source.js';
import { WireError } from './wire.js';

/** Signers that are tried for one RRset or denial: the zone's own, and one that a careless or hostile server added. */
const MAX_SIGNERS = 2;

export interface ValidatorParts extends Strictness {
  readonly source: Source;
  readonly chain: TrustChain;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  /** Where proofs are kept that may serve for other names. */
  readonly proofs?: ProofCache;
  readonly explain?: boolean;
}

/** One look-up from question to verdict. Never rejects for anything that the network says. */
export async function validatedLookup(name: Name, type: number, parts: ValidatorParts): Promise<Lookup> {
  const lookup = new ValidatedLookup(name, type, parts);
  try {
    return await lookup.run();
  } catch (error) {
    return lookup.failure(error);
  }
}

/** Why a step could not be proved; ends the look-up. */
class StepFailure extends Error {
  readonly status: 'bogus' | 'indeterminate';
  readonly ede: ExtendedError;
  readonly rcode: string | undefined;
  readonly fault: ZoneFault | undefined;

  constructor(failure: Omit<FailedZone, 'links'>) {
    super(failure.reason);
    this.status = failure.status;
    this.ede = failure.ede;
    this.rcode = failure.rcode;
    this.fault = failure.fault;
  }
}

class ValidatedLookup {
  readonly #type: number;
  readonly #parts: ValidatorParts;
  readonly #answer: AnswerBuilder;
  readonly #budget: Budget;
  readonly #visited = new Set<string>();
  #name: Name;

  constructor(name: Name, type: number, parts: ValidatorParts) {
    this.#name = name;
    this.#type = type;
    this.#parts = parts;
    this.#answer = new AnswerBuilder(name, type, parts.explain ?? false);
    this.#budget = new Budget(`${typeName(type)} of ${name}`, MAX_SIGNATURE_CHECKS, parts);
  }

  async run(): Promise<Lookup> {
    for (;;) {
      const message = await this.#ask();
      const asked = this.#name;
      try {
        const done = await this.#read(message);
        if (done !== undefined) return done;
      } catch (error) {
        // What the message has of names that it was not asked for may be old, or half: they are asked for by their own name.
        if (!(error instanceof StepFailure) || this.#name === asked) throw error;
      }
    }
  }

  /** Follows the message as far as it leads; undefined where it ends at an alias (RFC 7672 section 2.1.3). */
  async #read(message: Message): Promise<Answered | undefined> {
    const sets = new RRsets(message.answer);
    do {
      const done = await this.#finalAnswer(message, sets);
      if (done !== undefined) return done;
      const alias = aliasAt(sets, this.#name);
      if (alias === undefined) {
        const absent = await this.#absence(message);
        if (absent instanceof StepFailure) throw absent;
        return absent;
      }
      await this.#follow(alias, message);
    } while (speaksOf(message, sets, this.#name));
    return undefined;
  }

  failure(error: unknown): Lookup {
    if (error instanceof StepFailure) {
      const { status, message, ede, rcode, fault } = error;
      const failed = this.#answer.failed(status, message, ede, rcode);
      return failed.status === 'bogus' && fault !== undefined ? { ...failed, fault } : failed;
    }
    if (error instanceof BoundError) {
      return this.#answer.failed('indeterminate', error.message, ede(EDE.OTHER, error.message));
    }
    if (error instanceof WireError) {
      const reason = `the answer for ${this.#name} is malformed: ${error.message}`;
      return this.#answer.failed('indeterminate', reason, ede(EDE.INVALID_DATA, reason));
    }
    throw error;
  }

  async #ask(): Promise<Message> {
    const asked = await this.#parts.source.ask({ name: this.#name, type: this.#type });
    if (asked.kind === 'reply') return asked.message;
    throw new StepFailure({ status: 'indeterminate', ...asked });
  }

  /** The records that were asked for, if they are at the name reached so far. */
  async #finalAnswer(message: Message, sets: RRsets): Promise<Answered | undefined> {
    if (this.#type === RRTYPE.ANY) return this.#everything(message, sets);
    if (this.#type === RRTYPE.RRSIG) return this.#signatures(message);
    if (this.#type === RRTYPE.CNAME) {
      // The answer is the alias itself, be it one that a DNAME made.
      const alias = aliasAt(sets, this.#name);
      if (alias === undefined) return undefined;
      const trust = await this.#judge(alias.proof, message);
      return this.#answer.records(alias.cname, trust);
    }
    const set = sets.get(this.#name, this.#type);
    if (set === undefined) return undefined;
    const judged = await this.#judge(set, message);
    return this.#answer.records({ ...set, ttl: judged.ttl }, judged);
  }

  /** Signatures asked for as such: they are not signed themselves (RFC 4035 section 2.2), so nothing vouches for them. */
  #signatures(message: Message): Answered | undefined {
    const found = message.answer.filter(
      (record) => record.type === RRTYPE.RRSIG && record.class === CLASS_IN && record.name.equals(this.#name),
    );
    const [first] = found;
    if (first === undefined) return undefined;
    const ttl = Math.min(...found.map((record) => record.ttl));
    const rdatas = found.map(({ rdata }) => rdata);
    const reason = `RRSIG records are not signed: those of ${this.#name} are what the server says`;
    return this.#answer.records(
      { name: first.name, type: first.type, ttl, rdatas },
      { status: 'insecure', reason },
    );
  }

  async #everything(message: Message, sets: RRsets): Promise<Answered | undefined> {
    const found = sets.at(this.#name);
    if (found.length === 0) return undefined;
    const alias = aliasAt(sets, this.#name);
    // Nothing but the alias that a DNAME makes can be there, and the DNAME is what is signed (RFC 6672 section 5.3.1).
    if (alias?.proof.type === RRTYPE.DNAME) {
      return this.#answer.records(alias.cname, await this.#judge(alias.proof, message));
    }
    const parts = [];
    for (const set of found) {
      const trust = await this.#judge(set, message);
      parts.push({ part: { ...set, ttl: trust.ttl }, trust });
    }
    return this.#answer.allRecords(parts);
  }

  async #follow(alias: AliasStep, message: Message): Promise<void> {
    if (this.#visited.size >= MAX_ALIASES) throw new BoundError(`more than ${MAX_ALIASES} aliases`);
    this.#visited.add(this.#name.key);
    const trust = await this.#judge(alias.proof, message);
    this.#answer.alias({ ...alias.cname, ttl: Math.min(alias.cname.ttl, trust.ttl) }, alias.target, trust);
    this.#name = alias.target;
    if (this.#visited.has(this.#name.key)) throw new BoundError(`the aliases lead back to ${this.#name}`);
  }

  /** Secure, insecure, or a StepFailure. */
  async #judge(set: RRset, message: Message): Promise<Trust & { readonly ttl: number }> {
    const signers = this.#signers([set], set.name, set.type);
    let failure: StepFailure | undefined;
    for (const signer of signers.length > 0 ? signers : [undefined]) {
      const zone = await this.#zone(signer, set.name, set.type);
      switch (zone.status) {
        case 'insecure':
          return { ...zone, ttl: set.ttl };
        case 'bogus':
        case 'indeterminate':
          failure ??= new StepFailure(zone);
          break;
        case 'secure': {
          const verdict = await verifyRRset(set, zone, this.#parts.clock(), this.#budget);
          if (!verdict.valid) failure ??= new StepFailure({ status: 'bogus', ...verdict });
          else return this.#verified(set, verdict, message, zone);
        }
      }
    }
    throw failure ?? new Error('a signer was tried and nothing came of it');
  }

  async #verified(
    set: RRset,
    verdict: ValidVerdict,
    message: Message,
    zone: SecureZone,
  ): Promise<Trust & { ttl: number }> {
    const { wildcard, ttl, signature } = verdict;
    const trust: Trust =
      wildcard === undefined ? { status: 'secure' } : await this.#noCloserMatch(set, wildcard, message, zone);
    if (trust.status === 'insecure') return { ...trust, ttl };
    const step: ProofStep = {
      kind: 'signed',
      name: set.name.toString(),
      type: typeName(set.type),
      zone: zone.name.toString(),
      signedBy: signature.keyTag,
      until: expirationTime(signature, this.#parts.clock()),
      ...(wildcard === undefined ? {} : { wildcard: wildcard.toString() }),
    };
    return { status: 'secure', ttl, step };
  }

  /** RFC 4035 section 5.3.4: an answer from a wildcard counts only where no closer name exists. */
  async #noCloserMatch(set: RRset, wildcard: Name, message: Message, zone: SecureZone): Promise<Trust> {
    // RFC 6672 section 3.3: what a DNAME owner that is itself expanded would redirect is not defined.
    if (set.type === RRTYPE.DNAME)
      throw bogus(EDE.BOGUS, `the DNAME at ${set.name} was expanded from a wildcard`);
    const denials = await collectDenials(message, zone, this.#parts.clock(), this.#budget);
    if (denials.kind === 'too-many-iterations') return tooManyIterations(denials.reason);
    return this.#trustOf(denials.denier.noCloserMatch(set.name, wildcard), denials.flaw);
  }

  /** There is nothing at the name reached so far: that needs a proof too (RFC 4035 section 5.4). */
  async #absence(message: Message): Promise<Answered | StepFailure> {
    const sets = new RRsets(message.authority);
    const denials = [RRTYPE.NSEC, RRTYPE.NSEC3, RRTYPE.SOA].flatMap((type) => sets.ofType(type));
    const signers = this.#signers(denials, this.#name, this.#type);
    const rcode = message.rcode === RCODE.NXDOMAIN ? 'NXDOMAIN' : 'NOERROR';
    let failure: StepFailure | undefined;
    for (const signer of signers.length > 0 ? signers : [undefined]) {
      const zone = await this.#zone(signer, this.#name, this.#type);
      switch (zone.status) {
        case 'insecure':
          return this.#answer.absent(rcode, negativeTtl(message), zone);
        case 'bogus':
        case 'indeterminate':
          failure ??= new StepFailure(zone);
          break;
        case 'secure':
          try {
            return await this.#provenAbsence(message, zone, rcode);
          } catch (error) {
            if (!(error instanceof StepFailure)) throw error;
            failure ??= error;
          }
          break;
      }
    }
    return failure ?? bogus(EDE.NSEC_MISSING, `nothing is said of ${this.#name}`);
  }

  async #provenAbsence(message: Message, zone: SecureZone, rcode: 'NOERROR' | 'NXDOMAIN'): Promise<Answered> {
    await this.#requireSignedSoa(message, zone);
    const denials = await collectDenials(message, zone, this.#parts.clock(), this.#budget);
    const ttl = Math.min(negativeTtl(message), denials.ttl);
    if (denials.kind === 'too-many-iterations') {
      return this.#answer.absent(rcode, ttl, tooManyIterations(denials.reason));
    }
    const { denier, flaw } = denials;
    this.#parts.proofs?.learn(zone.name, zone.links, denials.nsec, ttl);
    const step: ProofStep = {
      kind: 'denied',
      name: this.#name.toString(),
      type: typeName(this.#type),
      zone: zone.name.toString(),
      by: denials.nsec.length > 0 ? 'NSEC' : 'NSEC3',
    };
    const noData = () => denier.noData(this.#name, this.#type);
    if (rcode === 'NXDOMAIN') {
      // A response code is not signed. Where the name is proved to exist without the type, that is what is reported.
      const noName = denier.noName(this.#name);
      const existsAfterAll = noName.kind === 'unproved' && noData().kind === 'proved';
      if (!existsAfterAll) return this.#answer.absent('NXDOMAIN', ttl, this.#trustOf(noName, flaw, step));
    }
    return this.#answer.absent('NOERROR', ttl, this.#trustOf(noData(), flaw, step));
  }

  /**
   * The SOA record says for how long the absence may be believed: one whose signature fails makes the whole answer
   * doubtful (RFC 4035 section 3.2.3: the relevant records of the authority section have to be authentic).
   */
  async #requireSignedSoa(message: Message, zone: SecureZone): Promise<void> {
    for (const soa of new RRsets(message.authority).ofType(RRTYPE.SOA)) {
      const verdict = await verifyRRset(soa, zone, this.#parts.clock(), this.#budget);
      if (!verdict.valid) throw new StepFailure({ status: 'bogus', ...verdict });
    }
  }

  #trustOf(denial: Denial, flaw: Flaw | undefined, step?: ProofStep): Trust {
    switch (denial.kind) {
      case 'proved':
        return step === undefined ? { status: 'secure' } : { status: 'secure', step };
      case 'opted-out':
        return { status: 'insecure', reason: denial.reason };
      case 'unproved': {
        const why = flaw === undefined ? denial.reason : `${denial.reason} (${flaw.reason})`;
        throw bogus(EDE.NSEC_MISSING, `the proof for ${this.#name} is incomplete: ${why}`, flaw?.fault);
      }
    }
  }

  /**
   * The zones that claim to have signed these RRsets, and may: at or above the name and at or below the trust anchor. DS
   * belongs to the parent (RFC 4035 section 2.4).
   */
  #signers(sets: readonly RRset[], name: Name, type: number): Name[] {
    const owner = type === RRTYPE.DS ? name.parent() : name;
    const anchor = this.#parts.chain.anchorAbove(owner);
    const signers = new Map<string, Name>();
    for (const { signer } of sets.flatMap((set) => set.signatures)) {
      if (anchor !== undefined && owner.isAtOrBelow(signer) && signer.isAtOrBelow(anchor))
        signers.set(signer.key, signer);
    }
    return [...signers.values()].sort((a, b) => b.labelCount - a.labelCount).slice(0, MAX_SIGNERS);
  }

  async #zone(signer: Name | undefined, name: Name, type: number) {
    const target = signer ?? (type === RRTYPE.DS ? name.parent() : name);
    const zone = await this.#parts.chain.zoneOf(target, signer !== undefined, this.#budget);
    this.#answer.reached(zone.links);
    return zone;
  }
}

function bogus(code: number, reason: string, fault?: ZoneFault): StepFailure {
  const known = fault === undefined ? {} : { fault };
  return new StepFailure({ status: 'bogus', reason, ede: ede(code, reason), ...known });
}

function tooManyIterations(reason: string): Trust {
  return { status: 'insecure', reason, ede: ede(EDE.UNSUPPORTED_NSEC3_ITERATIONS, reason) };
}
