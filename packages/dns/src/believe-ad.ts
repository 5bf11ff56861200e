/**
 * `trust: 'ad'`: another resolver validates, and its AD bit says so (RFC 6840 sections 5.7 and 5.8).
 *
 * That is as safe as the way to that resolver, so it is meant for one on the same machine. The bit speaks of the whole
 * answer: with it every alias is secure; without it no more can be said than that some part is not (RFC 7672 section 2.1.3).
 */
import { type AliasStep, aliasAt } from './alias.js';
import { AnswerBuilder, type Trust } from './answer-builder.js';
import type { Question } from './ask-server.js';
import { BoundError, MAX_ALIASES } from './dnssec/bounds.js';
import { EDE, ede, saysBogus } from './dnssec/extended-error.js';
import { RRsets } from './dnssec/rrset.js';
import type { Answered, Failed, Lookup } from './lookup.js';
import type { Message } from './message.js';
import type { Name } from './name.js';
import { negativeTtl } from './negative-ttl.js';
import { RCODE, RRTYPE } from './rrtype.js';
import type { NoReply, Source } from './source.js';
import { WireError } from './wire.js';

const AUTHENTICATED: Trust = { status: 'secure' };
const UNAUTHENTICATED: Trust = {
  status: 'insecure',
  reason: 'the resolver did not set the AD bit on its answer',
};

export async function believedLookup(name: Name, type: number, source: Source): Promise<Lookup> {
  const lookup = new BelievedLookup(name, type);
  try {
    for (;;) {
      const reply = await source.ask(lookup.question);
      if (reply.kind === 'failure') return lookup.failed(reply);
      const answered = lookup.read(reply.message);
      if (answered !== undefined) return answered;
    }
  } catch (error) {
    return lookup.broken(error);
  }
}

class BelievedLookup {
  readonly #answer: AnswerBuilder;
  readonly #type: number;
  /** The name reached so far. */
  #name: Name;
  /** Names whose aliases were followed. */
  readonly #visited: Name[] = [];

  constructor(name: Name, type: number) {
    this.#answer = new AnswerBuilder(name, type);
    this.#name = name;
    this.#type = type;
  }

  get question(): Question {
    return { name: this.#name, type: this.#type };
  }

  /** Follows the message as far as it leads; undefined where it ends at an alias whose end it says nothing of. */
  read(message: Message): Answered | undefined {
    const trust = message.flags.ad ? AUTHENTICATED : UNAUTHENTICATED;
    const sets = new RRsets(message.answer);
    const before = this.#name;
    for (;;) {
      const alias = aliasAt(sets, this.#name);
      const answered = this.#finalAnswer(sets, alias, trust);
      if (answered !== undefined) return answered;
      if (alias === undefined) break;
      this.#follow(alias, trust);
    }
    if (this.#name !== before && !negated(message)) return undefined;
    const rcode = message.rcode === RCODE.NXDOMAIN ? 'NXDOMAIN' : 'NOERROR';
    return this.#answer.absent(rcode, negativeTtl(message), trust);
  }

  #finalAnswer(sets: RRsets, alias: AliasStep | undefined, trust: Trust): Answered | undefined {
    if (this.#type === RRTYPE.ANY) {
      const all = sets.at(this.#name);
      if (all.length > 0) return this.#answer.allRecords(all.map((part) => ({ part, trust })));
    }
    const part = this.#type === RRTYPE.CNAME ? alias?.cname : sets.get(this.#name, this.#type);
    return part === undefined ? undefined : this.#answer.records(part, trust);
  }

  #follow({ cname, target }: AliasStep, trust: Trust): void {
    if (this.#visited.length >= MAX_ALIASES) throw new BoundError(`more than ${MAX_ALIASES} aliases`);
    this.#visited.push(this.#name);
    this.#answer.alias(cname, target, trust);
    this.#name = target;
    if (this.#visited.some((name) => name.equals(target)))
      throw new BoundError(`the aliases lead back to ${target}`);
  }

  failed(reply: NoReply): Failed {
    const status = saysBogus(reply.ede) ? 'bogus' : 'indeterminate';
    return this.#answer.failed(status, reply.reason, reply.ede, reply.rcode);
  }

  /** @throws what the network is not to blame for */
  broken(error: unknown): Failed {
    if (!(error instanceof WireError || error instanceof BoundError)) throw error;
    const code = error instanceof WireError ? EDE.INVALID_DATA : EDE.OTHER;
    return this.#answer.failed('indeterminate', error.message, ede(code, error.message));
  }
}

/** The end of the aliases is said not to exist, in the same message. */
function negated(message: Message): boolean {
  return message.rcode === RCODE.NXDOMAIN || message.authority.some((record) => record.type === RRTYPE.SOA);
}
