/**
 * The recursive face: a resolver that forwards to nobody, for stubs that ask with RD.
 *
 * It walks the lab's own name servers from the root, in the process, and gives the whole chain of aliases
 * with all signatures and proofs in one answer, as Unbound does. It never validates: it is a resolver asked
 * with CD, and what is bogus is passed on for the client to find out. A server that fails is a SERVFAIL here.
 */
import {
  type Lookup,
  type Message,
  Name,
  parseTarget,
  type Question,
  RCODE,
  type ResourceRecord,
  RRTYPE,
  typeName,
} from '@danelaw/dns';
import { type DnsSocket, listenDns } from './dns-socket.js';
import { type Habit, habitFor, perform, type Utterance, withoutSignatures } from './habit.js';
import {
  answerOctets,
  distinctRecords,
  EDNS_OCTETS,
  type NameServer,
  refuse,
  responseTo,
} from './nameserver.js';

export interface RecursiveOptions {
  /** Name servers by the canonical key of the zone that they serve (`Name.key`). */
  readonly servers: ReadonlyMap<string, NameServer>;
  /** RRSIG, NSEC and NSEC3 never reach the stub, as with many routers and cloud stubs. */
  readonly stripSignatures?: boolean;
  /** What this resolver itself does instead of answering. */
  readonly habits?: readonly Habit[];
  /**
   * Makes it a validating resolver: AD on secure answers for clients that set DO or AD (RFC 6840 section
   * 5.7), SERVFAIL for bogus ones unless CD is set (RFC 4035 section 3.2.2).
   */
  readonly validate?: (name: string, type: string) => Promise<Pick<Lookup, 'status'>>;
  readonly onQuery?: (question: Question, protocol: 'udp' | 'tcp') => void;
}

/** Unbound follows 11 aliases; the lab a few more, so that it is the client's bound that is met. */
const MAX_ALIASES = 16;
/** More cuts than labels there can't be; this ends a referral loop. */
const MAX_REFERRALS = 32;

interface Resolved {
  readonly rcode: number;
  readonly answer: ResourceRecord[];
  readonly authority: ResourceRecord[];
  /** A server said so. It can know nothing of that. */
  readonly ad: boolean;
}

const FAILED: Resolved = { rcode: RCODE.SERVFAIL, answer: [], authority: [], ad: false };

export class RecursiveFace {
  readonly #options: RecursiveOptions;

  constructor(options: RecursiveOptions) {
    this.#options = options;
  }

  /** @param port 0 for any free one */
  listen(address: string, port: number): Promise<DnsSocket> {
    return listenDns(address, port, (query, protocol) =>
      answerOctets(query, protocol, this.respond.bind(this)),
    );
  }

  async respond(query: Message, protocol: 'udp' | 'tcp'): Promise<Utterance> {
    const [question] = query.questions;
    if (question !== undefined) this.#options.onQuery?.(question, protocol);
    const honest = await this.#answer(query);
    const truth = this.#options.stripSignatures ? withoutSignatures(honest) : honest;
    const deed = habitFor(this.#options.habits ?? [], query, protocol);
    return deed === undefined ? { kind: 'message', message: truth } : perform(deed, truth);
  }

  async #answer(query: Message): Promise<Message> {
    const refusal = refuse(query);
    const [question] = query.questions;
    if (refusal !== undefined || question === undefined) return refusal ?? responseTo(query, RCODE.FORMERR);
    // Nothing is cached, so there is nothing that could be told without recursion.
    if (!query.flags.rd) return responseTo(query, RCODE.REFUSED);
    const { validate } = this.#options;
    const ad = await this.#judge(query, question);
    const resolved = ad === 'bogus' ? FAILED : this.#resolve(question, query.edns?.do ?? false);
    const response = responseTo(query, resolved.rcode);
    return {
      ...response,
      // One that does not validate hands on what it hears, as some forwarders do.
      flags: { ...response.flags, ra: true, ad: ad === 'secure' || (resolved.ad && validate === undefined) },
      answer: distinctRecords(resolved.answer),
      authority: distinctRecords(resolved.authority),
    };
  }

  async #judge(query: Message, question: Question): Promise<'secure' | 'bogus' | 'unsaid'> {
    const { validate } = this.#options;
    if (validate === undefined || query.flags.cd) return 'unsaid';
    const { status } = await validate(question.name.toString(), typeName(question.type));
    switch (status) {
      case 'secure':
        return query.flags.ad || query.edns?.do ? 'secure' : 'unsaid';
      case 'insecure':
        return 'unsaid';
      case 'bogus':
      case 'indeterminate':
        return 'bogus';
      default: {
        const never: never = status;
        throw new TypeError(`no such status: ${String(never)}`);
      }
    }
  }

  #resolve(question: Question, dnssec: boolean): Resolved {
    const { type } = question;
    const answer: ResourceRecord[] = [];
    const authority: ResourceRecord[] = [];
    let { name } = question;
    for (let aliases = 0; aliases <= MAX_ALIASES; aliases++) {
      const message = this.#walk({ ...question, name }, dnssec);
      if (message === undefined) return FAILED;
      answer.push(...message.answer);
      const target = endOfAliases(message.answer, name, type);
      const hasSoa = message.authority.some((record) => record.type === RRTYPE.SOA);
      const answered = message.answer.some((record) => record.name.equals(target) && record.type === type);
      const ends = answered || hasSoa || message.rcode === RCODE.NXDOMAIN || target.equals(name);
      authority.push(...message.authority.filter((record) => belongs(record, ends)));
      if (ends) return { rcode: message.rcode, answer, authority, ad: message.flags.ad };
      name = target;
    }
    return FAILED;
  }

  /** From the root downwards to the server that has the answer. */
  #walk(question: Question, dnssec: boolean): Message | undefined {
    let zone = Name.root;
    for (let step = 0; step < MAX_REFERRALS; step++) {
      const server = this.#options.servers.get(zone.key);
      const message = server === undefined ? undefined : ask(server, question, dnssec);
      if (message === undefined) return undefined;
      const child = message.authority.find((record) => record.type === RRTYPE.NS)?.name;
      // A referral is an empty answer that names servers further down (RFC 2308 section 2.2).
      const isReferral = message.answer.length === 0 && child !== undefined && child.isBelow(zone);
      if (!isReferral) return message;
      zone = child;
    }
    return undefined;
  }
}

/** Over UDP, then over TCP where that is asked for; what is no usable answer is none. */
function ask(server: NameServer, question: Question, dnssec: boolean): Message | undefined {
  const query: Message = {
    id: 0,
    opcode: 0,
    flags: { qr: false, aa: false, tc: false, rd: false, ra: false, ad: false, cd: true },
    rcode: 0,
    questions: [question],
    answer: [],
    authority: [],
    additional: [],
    edns: { udpSize: EDNS_OCTETS, version: 0, do: dnssec, options: [] },
  };
  for (const protocol of ['udp', 'tcp'] as const) {
    const utterance = server.respond(query, protocol);
    if (utterance.kind !== 'message') return undefined;
    const { message } = utterance;
    const asked = message.questions[0]?.name.equals(question.name) ?? false;
    if (message.id !== query.id || !asked) return undefined;
    if (message.flags.tc) continue;
    return message.rcode === RCODE.NOERROR || message.rcode === RCODE.NXDOMAIN ? message : undefined;
  }
  return undefined;
}

/** The name at which the aliases of this answer end. */
function endOfAliases(answer: readonly ResourceRecord[], start: Name, type: number): Name {
  let name = start;
  if (type === RRTYPE.CNAME || type === RRTYPE.ANY) return name;
  for (let i = 0; i <= answer.length; i++) {
    const alias = answer.find((record) => record.type === RRTYPE.CNAME && record.name.equals(name));
    if (alias === undefined) return name;
    name = parseTarget(alias.rdata);
  }
  return name;
}

/**
 * Proofs of wildcards belong to the answer at every step; the SOA to the last one; referrals are not passed
 * on.
 */
function belongs(record: ResourceRecord, last: boolean): boolean {
  const covered = record.type === RRTYPE.RRSIG ? coveredType(record) : record.type;
  if (covered === RRTYPE.NSEC || covered === RRTYPE.NSEC3) return true;
  return last && covered === RRTYPE.SOA;
}

function coveredType({ rdata }: ResourceRecord): number {
  return ((rdata[0] ?? 0) << 8) | (rdata[1] ?? 0);
}
