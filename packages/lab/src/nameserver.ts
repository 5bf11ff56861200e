/**
 * An authoritative name server for one or more zones, over UDP and TCP.
 *
 * It behaves as real ones do (RFC 8906 says how): EDNS is answered with EDNS, unknown versions with BADVERS,
 * foreign names with REFUSED, other operations with NOTIMP; what does not fit is truncated. Declared habits
 * come after the true answer.
 */
import {
  CLASS_IN,
  type Edns,
  encodeMessage,
  type Message,
  parseMessage,
  type Question,
  RCODE,
  type ResourceRecord,
  WireError,
} from '@danelaw/dns';
import { answerFromZones, type Reply, type ServedZone } from './authority.js';
import { type DnsSocket, listenDns } from './dns-socket.js';
import { emptied, type Habit, habitFor, perform, type Utterance } from './habit.js';

/** Octets of UDP payload that pass everywhere without fragments (DNS Flag Day 2020). */
export const EDNS_OCTETS = 1232;
/** RFC 1035 section 4.2.1, for clients without EDNS. */
const PLAIN_UDP_OCTETS = 512;
const HEADER_OCTETS = 12;
const OPCODE_QUERY = 0;

export interface NameServerOptions {
  readonly zones: readonly ServedZone[];
  readonly habits?: readonly Habit[];
  /** Called for each query that could be read. */
  readonly onQuery?: (question: Question, protocol: 'udp' | 'tcp') => void;
}

export class NameServer {
  readonly #options: NameServerOptions;

  constructor(options: NameServerOptions) {
    this.#options = options;
  }

  /** @param port 0 for any free one */
  listen(address: string, port: number): Promise<DnsSocket> {
    return listenDns(address, port, (query, protocol) =>
      answerOctets(query, protocol, this.respond.bind(this)),
    );
  }

  /** The answer to a query, habits included. */
  respond(query: Message, protocol: 'udp' | 'tcp'): Utterance {
    const question = query.questions[0];
    if (question !== undefined) this.#options.onQuery?.(question, protocol);
    const truth = this.#truth(query);
    const deed = habitFor(this.#options.habits ?? [], query, protocol);
    return deed === undefined ? { kind: 'message', message: truth } : perform(deed, truth);
  }

  #truth(query: Message): Message {
    const refusal = refuse(query);
    if (refusal !== undefined) return refusal;
    const [question] = query.questions;
    if (question === undefined) return responseTo(query, RCODE.FORMERR);
    const reply = answerFromZones(this.#options.zones, question, query.edns?.do ?? false);
    return withReply(responseTo(query, reply.rcode), reply);
  }
}

/** What any server says to a query that it can't take up. */
export function refuse(query: Message): Message | undefined {
  if (query.opcode !== OPCODE_QUERY) return responseTo(query, RCODE.NOTIMP);
  if (query.edns !== undefined && query.edns.version > 0) return responseTo(query, RCODE.BADVERS);
  const [question] = query.questions;
  if (question === undefined) return responseTo(query, RCODE.FORMERR);
  if (question.class !== CLASS_IN) return responseTo(query, RCODE.REFUSED);
  return undefined;
}

/** An empty response; EDNS is answered with EDNS, DO copied (RFC 3225 section 3, RFC 6891 section 6.1.1). */
export function responseTo(query: Message, rcode: number): Message {
  const edns: Edns | undefined =
    query.edns === undefined
      ? undefined
      : { udpSize: EDNS_OCTETS, version: 0, do: query.edns.do, options: [] };
  return {
    id: query.id,
    opcode: query.opcode,
    flags: { ...query.flags, qr: true, aa: false, tc: false, ra: false, ad: false },
    rcode,
    questions: query.questions,
    answer: [],
    authority: [],
    additional: [],
    ...(edns === undefined ? {} : { edns }),
  };
}

function withReply(response: Message, reply: Reply): Message {
  return {
    ...response,
    flags: { ...response.flags, aa: reply.aa },
    answer: distinctRecords(reply.answer),
    authority: distinctRecords(reply.authority),
    additional: distinctRecords(reply.additional),
  };
}

/** Two steps of an alias may need the same proof; a record stands in a section once. */
export function distinctRecords(records: readonly ResourceRecord[]): ResourceRecord[] {
  const seen = new Set<string>();
  return records.filter(({ name, type, rdata }) => {
    const key = `${type} ${name.key} ${Buffer.from(rdata).toString('latin1')}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

export type Responder = (query: Message, protocol: 'udp' | 'tcp') => Utterance | Promise<Utterance>;

/** From octets to octets: what is no query gets FORMERR or nothing, what is too long gets TC. */
export async function answerOctets(
  octets: Uint8Array,
  protocol: 'udp' | 'tcp',
  respond: Responder,
): Promise<Uint8Array | undefined> {
  let query: Message;
  try {
    query = parseMessage(octets);
  } catch (error) {
    if (error instanceof WireError) return formatError(octets);
    throw error;
  }
  // Answering a response could set two servers talking for ever.
  if (query.flags.qr) return undefined;
  const utterance = await respond(query, protocol);
  switch (utterance.kind) {
    case 'nothing':
      return undefined;
    case 'octets':
      return utterance.octets;
    case 'message':
      return fitted(utterance.message, protocol === 'udp' ? udpLimit(query) : Number.POSITIVE_INFINITY);
  }
}

function udpLimit(query: Message): number {
  if (query.edns === undefined) return PLAIN_UDP_OCTETS;
  // RFC 6891 section 6.2.3: lower values are treated as 512.
  return Math.min(Math.max(query.edns.udpSize, PLAIN_UDP_OCTETS), EDNS_OCTETS);
}

function fitted(message: Message, limit: number): Uint8Array {
  const whole = encodeMessage(message);
  return whole.length <= limit ? whole : encodeMessage(emptied(message, { tc: true }, message.rcode));
}

/** The header of the query, turned round, with no sections: nothing else in it can be trusted. */
function formatError(octets: Uint8Array): Uint8Array | undefined {
  if (octets.length < HEADER_OCTETS || ((octets[2] ?? 0) & 0x80) !== 0) return undefined;
  const header = new Uint8Array(HEADER_OCTETS);
  header.set(octets.subarray(0, 3));
  header[2] = ((header[2] ?? 0) & 0x79) | 0x80;
  header[3] = RCODE.FORMERR;
  return header;
}
