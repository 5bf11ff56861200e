/**
 * What a name server does instead of answering: it fails, lies, mumbles or keeps silent, for the questions
 * declared.
 *
 * RFC 7672 section 2.1.2 turns on these: a server that answers TLSA queries with an error must not look like
 * one that has no TLSA records.
 */
import {
  type Flags,
  type Message,
  Name,
  RCODE,
  type ResourceRecord,
  RRTYPE,
  requireType,
} from '@danelaw/dns';
import { parseRecordLine } from './zone-text.js';

export interface Habit {
  /** The question's name; with neither `name` nor `below`, every name. Absolute. */
  readonly name?: string;
  /** The question's name is this one or lies below it. */
  readonly below?: string;
  readonly type?: string;
  readonly protocol?: 'udp' | 'tcp';
  readonly does: Deed;
}

export type Deed =
  /** An empty answer with this code. */
  | 'FORMERR'
  | 'SERVFAIL'
  | 'NOTIMP'
  | 'REFUSED'
  /** No answer at all. */
  | 'silence'
  /** Octets that are no message. */
  | 'malformed'
  | 'wrong-id'
  /** The answer to another question. */
  | 'wrong-question'
  /** TC is set and the sections are empty. */
  | 'truncated'
  /** RRSIG, NSEC and NSEC3 are taken out, as a middlebox does. */
  | 'strip-signatures'
  | Forgery;

/** Records in place of the true ones, by someone who can't sign. */
export interface Forgery {
  /** Lines of a zone file whose origin is the question's name; none for "there is no such record". */
  readonly forge: readonly string[];
  /** The true signatures are sent with the forged records. */
  readonly keepSignatures?: boolean;
  /** The AD bit is set: "I have validated this". */
  readonly authenticData?: boolean;
}

/** The first habit that concerns this question. */
export function habitFor(
  habits: readonly Habit[],
  query: Message,
  protocol: 'udp' | 'tcp',
): Deed | undefined {
  const question = query.questions[0];
  if (question === undefined) return undefined;
  return habits.find(
    (habit) =>
      (habit.name === undefined || Name.parse(habit.name).equals(question.name)) &&
      (habit.below === undefined || question.name.isAtOrBelow(Name.parse(habit.below))) &&
      (habit.type === undefined || requireType(habit.type) === question.type) &&
      (habit.protocol === undefined || habit.protocol === protocol),
  )?.does;
}

/** What goes over the network: a message, perhaps not the true one, or octets that are none, or nothing. */
export type Utterance =
  | { readonly kind: 'message'; readonly message: Message }
  | { readonly kind: 'octets'; readonly octets: Uint8Array }
  | { readonly kind: 'nothing' };

export function perform(deed: Deed, truth: Message): Utterance {
  if (typeof deed === 'object') return { kind: 'message', message: forged(deed, truth) };
  switch (deed) {
    case 'FORMERR':
    case 'SERVFAIL':
    case 'NOTIMP':
    case 'REFUSED':
      return { kind: 'message', message: emptied(truth, { aa: false }, RCODE[deed]) };
    case 'silence':
      return { kind: 'nothing' };
    case 'malformed':
      // A right id, so that it is taken for the answer; then counts of records that do not follow.
      return {
        kind: 'octets',
        octets: Uint8Array.of(truth.id >> 8, truth.id & 0xff, 0x84, 0, 0, 1, 0, 9, 0, 0, 0, 0, 63),
      };
    case 'wrong-id':
      return { kind: 'message', message: { ...truth, id: truth.id ^ 0x5555 } };
    case 'wrong-question':
      return { kind: 'message', message: { ...truth, questions: truth.questions.map(elsewhere) } };
    case 'truncated':
      return { kind: 'message', message: emptied(truth, { tc: true }, truth.rcode) };
    case 'strip-signatures':
      return { kind: 'message', message: withoutSignatures(truth) };
    default: {
      const never: never = deed;
      throw new TypeError(`no such habit: ${String(never)}`);
    }
  }
}

function elsewhere<T extends { readonly name: Name }>(question: T): T {
  return { ...question, name: Name.parse('wrong.question.invalid') };
}

/** The question and the EDNS record are kept. */
export function emptied(message: Message, flags: Partial<Flags>, rcode: number): Message {
  return {
    ...message,
    rcode,
    flags: { ...message.flags, ...flags },
    answer: [],
    authority: [],
    additional: [],
  };
}

const SIGNING_TYPES: ReadonlySet<number> = new Set([RRTYPE.RRSIG, RRTYPE.NSEC, RRTYPE.NSEC3]);

export function withoutSignatures(message: Message): Message {
  const asked = message.questions[0]?.type;
  const stays = ({ type }: ResourceRecord) => type === asked || !SIGNING_TYPES.has(type);
  return {
    ...message,
    answer: message.answer.filter(stays),
    authority: message.authority.filter(stays),
    additional: message.additional.filter(stays),
  };
}

function forged(forgery: Forgery, truth: Message): Message {
  const origin = truth.questions[0]?.name ?? Name.root;
  const records = forgery.forge.flatMap((line) => {
    const { name, type, ttl, rdatas } = parseRecordLine(origin, line);
    return rdatas.map((rdata) => ({ name, type, class: 1, ttl, rdata }));
  });
  const signatures = forgery.keepSignatures ? truth.answer.filter(({ type }) => type === RRTYPE.RRSIG) : [];
  const flags = forgery.authenticData ? { ad: true } : {};
  return { ...emptied(truth, flags, RCODE.NOERROR), answer: [...records, ...signatures] };
}
