/** Gathers the steps of one look-up - aliases, then records or their absence - into the Lookup that its caller gets. */
import type { Alias, Answered, AnswerRecord, ExtendedError, Failed, TrustLink } from './lookup.js';
import type { Name } from './name.js';
import { parseRdata } from './record.js';
import { rcodeName, typeName } from './rrtype.js';

/** Seconds for which an absence is believed at most (RFC 2308 section 5 suggests one to three hours). */
const MAX_NEGATIVE_TTL = 10_800;

/** How far one step of the answer can be trusted. */
export type Trust =
  | { readonly status: 'secure' }
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
  #chain: readonly TrustLink[] = [];

  constructor(name: Name, type: number) {
    this.#name = name.toString();
    this.#type = typeName(type);
    this.#canonicalName = this.#name;
  }

  /** One alias step. RFC 7672 section 2.1.3: after an insecure one, all that follows is insecure. */
  alias(cname: Part, target: Name, trust: Trust): void {
    this.#judge(trust);
    this.#append(cname);
    const to = target.toString();
    this.#aliases.push({
      from: cname.name.toString(),
      to,
      status: this.#insecure === undefined ? 'secure' : 'insecure',
    });
    this.#canonicalName = to;
  }

  /** The chain of trust of the step that comes next; that of the last step is the one that is reported. */
  reached(chain: readonly TrustLink[]): void {
    this.#chain = chain;
  }

  records(part: Part, trust: Trust): Answered {
    this.#judge(trust);
    this.#append(part);
    return this.#answer('NOERROR');
  }

  /** Several RRsets at once, as an answer to ANY. */
  allRecords(parts: readonly { readonly part: Part; readonly trust: Trust }[]): Answered {
    for (const { part, trust } of parts) {
      this.#judge(trust);
      this.#append(part);
    }
    return this.#answer('NOERROR');
  }

  /** @param ttl seconds for which the absence may be believed */
  absent(rcode: 'NOERROR' | 'NXDOMAIN', ttl: number, trust: Trust): Answered {
    this.#judge(trust);
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
      chain: this.#chain,
      ...(error === undefined ? {} : { ede: error }),
      ...(code === undefined ? {} : { rcode: code }),
    };
  }

  #judge(trust: Trust): void {
    if (trust.status === 'insecure') this.#insecure ??= trust;
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
      chain: this.#chain,
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
}
