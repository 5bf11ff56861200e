/**
 * `trust: 'ad'`: another resolver validates, and its AD bit says so (RFC 6840 sections 5.7 and 5.8).
 *
 * That is as safe as the way to that resolver, so it is meant for one on the same machine. The bit speaks of the whole
 * answer: with it every alias is secure; without it no more can be said than that some part is not (RFC 7672 section 2.1.3).
 */
import { aliasAt } from './alias.js';
import { AnswerBuilder, type Trust } from './answer-builder.js';
import { BoundError, MAX_ALIASES } from './dnssec/bounds.js';
import { EDE, ede, saysBogus } from './dnssec/extended-error.js';
import { RRsets } from './dnssec/rrset.js';
import type { Failed, Lookup } from './lookup.js';
import type { Message } from './message.js';
import type { Name } from './name.js';
import { negativeTtl } from './negative-ttl.js';
import { RCODE, RRTYPE } from './rrtype.js';
import type { NoReply, Source } from './source.js';
import { WireError } from './wire.js';

const UNAUTHENTICATED: Trust = {
  status: 'insecure',
  reason: 'the resolver did not set the AD bit on its answer',
};

export async function believedLookup(name: Name, type: number, source: Source): Promise<Lookup> {
  const answer = new AnswerBuilder(name, type);
  try {
    return await follow(name, type, source, answer);
  } catch (error) {
    if (!(error instanceof WireError || error instanceof BoundError)) throw error;
    const code = error instanceof WireError ? EDE.INVALID_DATA : EDE.OTHER;
    return answer.failed('indeterminate', error.message, ede(code, error.message));
  }
}

async function follow(asked: Name, type: number, source: Source, answer: AnswerBuilder): Promise<Lookup> {
  let name = asked;
  const visited = new Set<string>();
  for (;;) {
    const reply = await source.ask({ name, type });
    if (reply.kind === 'failure') return failed(reply, answer);
    const { message } = reply;
    const trust: Trust = message.flags.ad ? { status: 'secure' } : UNAUTHENTICATED;
    const sets = new RRsets(message.answer);
    const before = name;
    for (;;) {
      const alias = aliasAt(sets, name);
      if (type === RRTYPE.ANY && sets.at(name).length > 0) {
        return answer.allRecords(sets.at(name).map((part) => ({ part, trust })));
      }
      const final = type === RRTYPE.CNAME ? alias?.cname : sets.get(name, type);
      if (final !== undefined) return answer.records(final, trust);
      if (alias === undefined) break;
      if (visited.size >= MAX_ALIASES) throw new BoundError(`more than ${MAX_ALIASES} aliases`);
      visited.add(name.key);
      answer.alias(alias.cname, alias.target, trust);
      name = alias.target;
      if (visited.has(name.key)) throw new BoundError(`the aliases lead back to ${name}`);
    }
    if (name === before || negated(message)) {
      const rcode = message.rcode === RCODE.NXDOMAIN ? 'NXDOMAIN' : 'NOERROR';
      return answer.absent(rcode, negativeTtl(message), trust);
    }
  }
}

/** The end of the aliases is said not to exist, in the same message. */
function negated(message: Message): boolean {
  return message.rcode === RCODE.NXDOMAIN || message.authority.some((record) => record.type === RRTYPE.SOA);
}

function failed(reply: NoReply, answer: AnswerBuilder): Failed {
  const status = saysBogus(reply.ede) ? 'bogus' : 'indeterminate';
  return answer.failed(status, reply.reason, reply.ede, reply.rcode);
}
