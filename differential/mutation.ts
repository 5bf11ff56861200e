/**
 * What someone on the way can do to an answer: change octets, leave records out, put others in, play old answers again. Each
 * operator makes one change, drawn at random; undefined where it has nothing to change.
 */
import { encodeMessage, type Message, Name, type ResourceRecord, RRTYPE } from '@danelaw/dns';
import type { Random } from './random.js';

/** A changed message, or octets where what was changed can't be written as a message any more. */
export type Mutated = Message | Uint8Array;

export interface Material {
  readonly message: Message;
  /** Answers to other questions about names of the same zone, true ones. */
  readonly others: readonly Message[];
  readonly random: Random;
}

export type Operator = (material: Material) => Mutated | undefined;

type Section = 'answer' | 'authority';

const DENIAL_TYPES: ReadonlySet<number> = new Set([RRTYPE.NSEC, RRTYPE.NSEC3]);
const isSignature = (record: ResourceRecord) => record.type === RRTYPE.RRSIG;
const isData = (record: ResourceRecord) => !isSignature(record);
const coveredType = ({ rdata }: ResourceRecord) => ((rdata[0] ?? 0) << 8) | (rdata[1] ?? 0);
/** Of the RRSIG fields that come before the signer's name. */
const FIXED_OCTETS = 18;

export const OPERATORS: Readonly<Record<string, Operator>> = {
  nothing: ({ message }) => message,
  'a bit of the data': changeOne(isData, ({ rdata }, random) => flipBit(rdata, random, 0)),
  'a bit of a denial': changeOne(isDenial, ({ rdata }, random) => flipBit(rdata, random, 0)),
  'a bit of a signature': changeOne(isSignature, ({ rdata }, random) => {
    return flipBit(rdata, random, FIXED_OCTETS + signerOctets(rdata));
  }),
  'a field of a signature': changeOne(isSignature, ({ rdata }, random) =>
    flipBit(rdata.subarray(0, FIXED_OCTETS), random, 0, rdata.subarray(FIXED_OCTETS)),
  ),
  'the signer of a signature': changeOne(isSignature, ({ rdata }) => {
    // The first letter of the signer's name, another letter.
    const changed = rdata.slice();
    if (signerOctets(rdata) > 1) changed[FIXED_OCTETS + 1] = (changed[FIXED_OCTETS + 1] ?? 0) ^ 0x03;
    return changed;
  }),
  'letters of owner names': ({ message }) => ({
    ...message,
    answer: message.answer.map(swapCase),
    authority: message.authority.map(swapCase),
  }),
  'an owner name': editOne(isData, (record) => ({ ...record, name: otherName(record.name) })),
  'an owner name, with its signature': ({ message, random }) => {
    const picked = pickRecord(message, random, isData);
    if (picked === undefined) return undefined;
    const { name } = picked.record;
    return mapRecords(message, (record) =>
      record.name.equals(name) ? { ...record, name: otherName(name) } : record,
    );
  },
  'a record removed': removeOne(() => true),
  'a denial removed': removeOne(isDenial),
  'a signature removed': removeOne(isSignature),
  'an RRset removed, with its signatures': ({ message, random }) => {
    const picked = pickRecord(message, random, isData)?.record;
    if (picked === undefined) return undefined;
    return filterRecords(message, (record) => !belongsTo(record, picked));
  },
  'all signatures removed': ({ message }) => filterRecords(message, isData),
  'the answer section removed': ({ message }) =>
    message.answer.length === 0 ? undefined : { ...message, answer: [] },
  'the authority section removed': ({ message }) =>
    message.authority.length === 0 ? undefined : { ...message, authority: [] },
  'signatures swapped': ({ message, random }) => {
    const signatures = [...message.answer, ...message.authority].filter(isSignature);
    if (signatures.length < 2) return undefined;
    const [a, b] = random.some(signatures, 2);
    return mapRecords(message, (record) => {
      if (record === a && b !== undefined) return { ...record, rdata: b.rdata };
      return record === b && a !== undefined ? { ...record, rdata: a.rdata } : record;
    });
  },
  'signatures of the other RRset, their type set right': ({ message, random }) => {
    const signatures = [...message.answer, ...message.authority].filter(isSignature);
    if (signatures.length < 2) return undefined;
    const [a, b] = random.some(signatures, 2);
    if (a === undefined || b === undefined) return undefined;
    const rdata = b.rdata.slice();
    rdata.set(a.rdata.subarray(0, 2));
    return mapRecords(message, (record) => (record === a ? { ...record, rdata } : record));
  },
  'denials of another name': ({ message, others, random }) => {
    const foreign = denialsOf(others, random);
    if (foreign.length === 0 || !message.authority.some(isDenial)) return undefined;
    return { ...message, authority: [...message.authority.filter(isNoDenial), ...foreign] };
  },
  'one denial replaced by another of the zone': ({ message, others, random }) => {
    const picked = pickRecord(message, random, isDenial)?.record;
    const foreign = denialsOf(others, random);
    if (picked === undefined || foreign.length === 0) return undefined;
    const kept = message.authority.filter((record) => !belongsTo(record, picked));
    return { ...message, authority: [...kept, ...foreign] };
  },
  'another negative answer': ({ message, others, random }) => {
    const negative = others.filter((other) => other.answer.length === 0 && other.authority.some(isDenial));
    if (negative.length === 0) return undefined;
    const { rcode, authority } = random.pick(negative);
    return { ...message, rcode, answer: [], authority };
  },
  'another answer, under this name': ({ message, others, random }) => {
    const positive = others.filter((other) => other.answer.length > 0);
    const [question] = message.questions;
    if (positive.length === 0 || question === undefined) return undefined;
    const other = random.pick(positive);
    const asked = other.questions[0]?.name;
    const answer = other.answer.map((record) =>
      asked !== undefined && record.name.equals(asked) ? { ...record, name: question.name } : record,
    );
    return { ...message, rcode: other.rcode, answer, authority: other.authority };
  },
  'another answer as it is': ({ message, others, random }) => {
    if (others.length === 0) return undefined;
    const { rcode, answer, authority } = random.pick(others);
    return { ...message, rcode, answer, authority };
  },
  'an answer with the denials of another name': ({ message, others, random }) => {
    const foreign = denialsOf(others, random);
    if (message.answer.length === 0 || foreign.length === 0) return undefined;
    return { ...message, authority: foreign };
  },
  'TTLs raised': ({ message }) => withTtls(message, (ttl) => ttl * 1000 + 1),
  'TTLs of zero': ({ message }) => withTtls(message, () => 0),
  'TTLs with the top bit set': ({ message }) => withTtls(message, () => 0x80000001),
  'NXDOMAIN for NOERROR, and the other way round': ({ message }) => ({
    ...message,
    rcode: message.rcode === 0 ? 3 : 0,
  }),
  SERVFAIL: ({ message }) => ({ ...message, rcode: 2 }),
  REFUSED: ({ message }) => ({ ...message, rcode: 5, answer: [], authority: [] }),
  'a record added to an RRset': ({ message, random }) => {
    const picked = pickRecord(message, random, isData);
    if (picked === undefined) return undefined;
    const added = { ...picked.record, rdata: flipBit(picked.record.rdata, random, 0) };
    return { ...message, [picked.section]: [...message[picked.section], added] };
  },
  'a record doubled': ({ message, random }) => {
    const picked = pickRecord(message, random, isData);
    if (picked === undefined) return undefined;
    return { ...message, [picked.section]: [...message[picked.section], picked.record] };
  },
  'unsigned records added to the answer': ({ message }) => ({
    ...message,
    answer: [...message.answer, ...forged(message, 'A')],
  }),
  'unsigned records added to the authority section': ({ message }) => ({
    ...message,
    authority: [...message.authority, ...forged(message, 'A')],
  }),
  'unsigned records added to the additional section': ({ message }) => ({
    ...message,
    additional: [...message.additional, ...forged(message, 'A')],
  }),
  'an alias put in front': ({ message }) => ({
    ...message,
    rcode: 0,
    answer: [...forged(message, 'CNAME'), ...message.answer],
  }),
  'an alias instead': ({ message }) => ({
    ...message,
    rcode: 0,
    answer: forged(message, 'CNAME'),
    authority: [],
  }),
  'an unsigned answer instead': ({ message }) => ({
    ...message,
    rcode: 0,
    answer: forged(message, 'A'),
    authority: [],
  }),
  'a record of another class': editOne(isData, (record) => ({ ...record, class: 3 })),
  'the answer moved to the authority section': ({ message }) =>
    message.answer.length === 0
      ? undefined
      : { ...message, answer: [], authority: [...message.answer, ...message.authority] },
  'the authority section moved to the answer': ({ message }) =>
    message.authority.length === 0
      ? undefined
      : { ...message, answer: [...message.answer, ...message.authority], authority: [] },
  'records in another order': ({ message }) => ({
    ...message,
    answer: message.answer.toReversed(),
    authority: message.authority.toReversed(),
  }),
};

function isDenial({ type }: ResourceRecord): boolean {
  return DENIAL_TYPES.has(type);
}

function isNoDenial(record: ResourceRecord): boolean {
  return !isDenial(record) && !(isSignature(record) && DENIAL_TYPES.has(coveredType(record)));
}

/** The record's own RRset, or a signature over it. */
function belongsTo(record: ResourceRecord, to: ResourceRecord): boolean {
  const type = isSignature(record) ? coveredType(record) : record.type;
  return type === to.type && record.name.equals(to.name);
}

function denialsOf(others: readonly Message[], random: Random): readonly ResourceRecord[] {
  const having = others.filter((other) => other.authority.some(isDenial));
  return having.length === 0 ? [] : random.pick(having).authority.filter((record) => !isNoDenial(record));
}

function pickRecord(
  message: Message,
  random: Random,
  isMeant: (record: ResourceRecord) => boolean,
): { readonly record: ResourceRecord; readonly section: Section } | undefined {
  const all = (['answer', 'authority'] as const).flatMap((section) =>
    message[section].filter(isMeant).map((record) => ({ record, section })),
  );
  return all.length === 0 ? undefined : random.pick(all);
}

function editOne(
  isMeant: (record: ResourceRecord) => boolean,
  edit: (record: ResourceRecord, random: Random) => ResourceRecord,
): Operator {
  return ({ message, random }) => {
    const picked = pickRecord(message, random, isMeant)?.record;
    if (picked === undefined) return undefined;
    const edited = edit(picked, random);
    return mapRecords(message, (record) => (record === picked ? edited : record));
  };
}

function changeOne(
  isMeant: (record: ResourceRecord) => boolean,
  change: (record: ResourceRecord, random: Random) => Uint8Array,
): Operator {
  return editOne(isMeant, (record, random) => ({ ...record, rdata: change(record, random) }));
}

function removeOne(isMeant: (record: ResourceRecord) => boolean): Operator {
  return ({ message, random }) => {
    const picked = pickRecord(message, random, isMeant)?.record;
    return picked === undefined ? undefined : filterRecords(message, (record) => record !== picked);
  };
}

function mapRecords(message: Message, change: (record: ResourceRecord) => ResourceRecord): Message {
  return { ...message, answer: message.answer.map(change), authority: message.authority.map(change) };
}

function filterRecords(message: Message, isKept: (record: ResourceRecord) => boolean): Message {
  return { ...message, answer: message.answer.filter(isKept), authority: message.authority.filter(isKept) };
}

function withTtls(message: Message, change: (ttl: number) => number): Message {
  return mapRecords(message, (record) => ({ ...record, ttl: change(record.ttl) }));
}

function flipBit(
  octets: Uint8Array,
  random: Random,
  from: number,
  behind: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const flipped = octets.slice();
  const at = from + random.below(Math.max(1, flipped.length - from));
  flipped[at] = (flipped[at] ?? 0) ^ (1 << random.below(8));
  return Buffer.concat([flipped, behind]);
}

/** Octets of the signer's name, its end included. */
function signerOctets(rdata: Uint8Array): number {
  let at = FIXED_OCTETS;
  while ((rdata[at] ?? 0) !== 0) at += (rdata[at] ?? 0) + 1;
  return at + 1 - FIXED_OCTETS;
}

function swapCase(record: ResourceRecord): ResourceRecord {
  const labels = record.name.labels().map((label) =>
    label.map((octet) => {
      const isLetter = (octet | 0x20) >= 0x61 && (octet | 0x20) <= 0x7a;
      return isLetter ? octet ^ 0x20 : octet;
    }),
  );
  return { ...record, name: Name.fromLabels(labels) };
}

function otherName(name: Name): Name {
  const [first, ...rest] = name.labels();
  if (first === undefined) return Name.parse('other');
  const changed = first.slice();
  changed[0] = (changed[0] ?? 0) === 0x71 ? 0x72 : 0x71;
  return Name.fromLabels([changed, ...rest]);
}

/** What was asked for, without signature. */
function forged(message: Message, type: 'A' | 'CNAME'): ResourceRecord[] {
  const [question] = message.questions;
  if (question === undefined) return [];
  const base = { name: question.name, class: 1, ttl: 300 };
  if (type === 'A') return [{ ...base, type: RRTYPE.A, rdata: Uint8Array.of(192, 0, 2, 66) }];
  return [{ ...base, type: RRTYPE.CNAME, rdata: Name.parse('www.attacker.example').wire }];
}

/** Octets of the whole message, past its question: what comes out need not be a message any more. */
export function flipOctet({ message, random }: Material): Uint8Array {
  const octets = encodeMessage(message);
  const [question] = message.questions;
  const start = 12 + (question?.name.wire.length ?? 0) + 4;
  const at = start + random.below(octets.length - start);
  octets[at] = (octets[at] ?? 0) ^ (1 << random.below(8));
  return octets;
}
