/** Gathers the steps of one look-up - aliases, then records or their absence - into the Lookup that its caller gets. */
import type { Alias, Answered, AnswerRecord, ExtendedError, Failed, ProofStep, TrustLink } from './lookup.js';
import type { Name } from './name.js';
import { parseRdata } from './record.js';
import { rcodeName, typeName } from './rrtype.js';

/** Seconds for which an absence is believed at most (RFC 2308 section 5 suggests one to three hours). */
const MAX_NEGATIVE_TTL = 10_800;

/** How far one step of the answer can be trusted. */
export type Trust =
  | { readonly status: 'secure'; readonly step?: ProofStep }
  | { readonly status: 'insecure'; readonly reason: string; readonly ede?: ExtendedError };

/** An RRset to be put into the answer. */
export interface Part {
  readonly name: Name;
  readonly type: number;
  readonly ttl: number;
  readonly rdatas: readonly Uint8Array[];
}

export class AnswerBuilder {
  readonly #name: string;
  readonly #type: string;
  readonly #records: AnswerRecord[] = [];
  readonly #aliases: Alias[] = [];
  #canonicalName: string;
  #ttl = Number.POSITIVE_INFINITY;
  #insecure: Extract<Trust, { status: 'insecure' }> | undefined;
  /** By zone. */
  #chain: Map<string, TrustLink> | undefined;
  readonly #proof: ProofStep[] = [];
  readonly #isExplained: boolean;

  /** @param isExplained the answer will say by what each of its steps was proved */
  constructor(name: Name, type: number, isExplained = false) {
    this.#isExplained = isExplained;
    this.#name = name.toString();
    this.#type = typeName(type);
    this.#canonicalName = this.#name;
  }

  /** One alias step. RFC 7672 section 2.1.3: after an insecure one, all that follows is insecure. */
  alias(cname: Part, target: Name, trust: Trust): void {
    this.#judge(trust, cname.name, cname.type);
    this.#append(cname);
    const to = target.toString();
    this.#aliases.push({
      from: cname.name.toString(),
      to,
      status: this.#insecure === undefined ? 'secure' : 'insecure',
    });
    this.#canonicalName = to;
  }

  /** The zones on the way to the one of the step that comes next; each is reported once. */
  reached(chain: readonly TrustLink[]): void {
    this.#chain ??= new Map();
    for (const link of chain) this.#chain.set(link.zone, link);
  }

  records(part: Part, trust: Trust): Answered {
    this.#judge(trust, part.name, part.type);
    this.#append(part);
    return this.#answer('NOERROR');
  }

  /** Several RRsets at once, as an answer to ANY. */
  allRecords(parts: readonly { readonly part: Part; readonly trust: Trust }[]): Answered {
    for (const { part, trust } of parts) {
      this.#judge(trust, part.name, part.type);
      this.#append(part);
    }
    return this.#answer('NOERROR');
  }

  /** @param ttl seconds for which the absence may be believed */
  absent(rcode: 'NOERROR' | 'NXDOMAIN', ttl: number, trust: Trust): Answered {
    this.#judge(trust, this.#canonicalName, this.#type);
    this.#ttl = Math.min(this.#ttl, ttl, MAX_NEGATIVE_TTL);
    return this.#answer(rcode);
  }

  failed(
    status: 'bogus' | 'indeterminate',
    reason: string,
    error?: ExtendedError,
    rcode?: string | number,
  ): Failed {
    const code = typeof rcode === 'number' ? rcodeName(rcode) : rcode;
    return {
      status,
      name: this.#name,
      type: this.#type,
      reason,
      chain: this.#links,
      ...(this.#isExplained ? { proof: this.#proof } : {}),
      ...(error === undefined ? {} : { ede: error }),
      ...(code === undefined ? {} : { rcode: code }),
    };
  }

  #judge(trust: Trust, name: Name | string, type: number | string): void {
    if (trust.status === 'secure') {
      if (trust.step !== undefined) this.#proof.push(trust.step);
      return;
    }
    this.#insecure ??= trust;
    const typeText = typeof type === 'number' ? typeName(type) : type;
    this.#proof.push({ kind: 'unproved', name: name.toString(), type: typeText, reason: trust.reason });
  }

  /** @throws WireError where an RDATA is not of the form of its type */
  #append(part: Part): void {
    const name = part.name.toString();
    const type = typeName(part.type);
    this.#ttl = Math.min(this.#ttl, part.ttl);
    for (const view of part.rdatas) {
      // A copy, so that an answer that is kept does not keep the whole message.
      const rdata = view.slice();
      this.#records.push({ name, type, ttl: part.ttl, data: parseRdata(part.type, rdata), rdata });
    }
  }

  #answer(rcode: 'NOERROR' | 'NXDOMAIN'): Answered {
    const answer = {
      name: this.#name,
      type: this.#type,
      rcode,
      records: this.#records,
      aliases: this.#aliases,
      canonicalName: this.#canonicalName,
      ttl: Number.isFinite(this.#ttl) ? this.#ttl : 0,
      chain: this.#links,
      ...(this.#isExplained ? { proof: this.#proof } : {}),
    };
    const insecure = this.#insecure;
    if (insecure === undefined) return { status: 'secure', ...answer };
    return {
      status: 'insecure',
      reason: insecure.reason,
      ...answer,
      ...(insecure.ede === undefined ? {} : { ede: insecure.ede }),
    };
  }

  get #links(): TrustLink[] {
    return this.#chain === undefined ? [] : [...this.#chain.values()];
  }
}
