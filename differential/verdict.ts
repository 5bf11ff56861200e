/** What Unbound and we say of one question, in one form, so that it can be compared. */
import {
  formatRdata,
  isAnswered,
  type Lookup,
  type Message,
  rcodeName,
  typeName,
  typeNumber,
} from '@danelaw/dns';
import { ask, type ServerAt } from './ask.js';
import type { Question } from './zone-plan.js';

export interface Verdict {
  /** `bogus`: refused, though the data is there; `none`: there is no answer to judge. */
  readonly status: 'secure' | 'insecure' | 'bogus' | 'none';
  /** NOERROR, NXDOMAIN, or the failure's. */
  readonly rcode: string;
  /** The answer's records, sorted; those that are signed data only. */
  readonly records: readonly string[];
  /** Why, for people. */
  readonly reason: string;
}

/**
 * Unbound's verdict (RFC 4035 section 3.2.3, RFC 6840 section 5.8): AD is secure; an answer without is insecure; SERVFAIL that
 * turns into an answer with CD (checking disabled) is bogus, as the data is there and only its proof failed.
 */
export async function unboundVerdict(unbound: ServerAt, question: Question): Promise<Verdict> {
  const checked = await ask(unbound, question, { ad: true });
  const rcode = rcodeName(checked.rcode);
  const reason = extendedErrors(checked);
  if (rcode === 'NOERROR' || rcode === 'NXDOMAIN') {
    const status = checked.flags.ad ? 'secure' : 'insecure';
    return { status, rcode, records: recordsOf(checked, question), reason };
  }
  if (rcode === 'SERVFAIL') {
    const unchecked = await ask(unbound, question, { cd: true });
    const isThere = unchecked.rcode === 0 || unchecked.rcode === 3;
    return { status: isThere ? 'bogus' : 'none', rcode, records: [], reason };
  }
  return { status: 'none', rcode, records: [], reason };
}

export function ourVerdict(lookup: Lookup, question: Question): Verdict {
  if (!isAnswered(lookup)) {
    const status = lookup.status === 'bogus' ? 'bogus' : 'none';
    return { status, rcode: 'SERVFAIL', records: [], reason: `${lookup.status}: ${lookup.reason}` };
  }
  const { status, rcode } = lookup;
  const records = lookup.records.map((record) => recordText(record.name, record.type, record.rdata));
  return {
    status,
    rcode,
    records: normal(records, question),
    reason: status === 'insecure' ? lookup.reason : '',
  };
}

/** The same status and response code; and where there is an answer, the same records. */
export function agree(a: Verdict, b: Verdict): boolean {
  if (a.status !== b.status) return false;
  if (a.status === 'bogus' || a.status === 'none') return true;
  return a.rcode === b.rcode && a.records.join('\n') === b.records.join('\n');
}

function recordsOf(message: Message, question: Question): string[] {
  const records = message.answer
    .filter((record) => typeName(record.type) !== 'RRSIG')
    .map((record) => recordText(String(record.name), typeName(record.type), record.rdata));
  return normal(records, question);
}

function recordText(name: string, type: string, rdata: Uint8Array): string {
  return `${name} ${type} ${formatRdata(typeNumber(type) ?? 0, rdata)}`.toLowerCase();
}

/**
 * Compared as a set, without letters' case. A DNAME is left out where it was not asked for: we give the CNAME that it makes,
 * which says the same. What ANY gives is anybody's choice (RFC 8482).
 */
function normal(records: readonly string[], { type }: Question): string[] {
  if (type === 'ANY' || type === 'RRSIG') return [];
  const wanted = records.filter((record) => type === 'DNAME' || record.split(' ')[1] !== 'dname');
  return [...new Set(wanted)].sort();
}

/** RFC 8914: every EDE option of the reply, as text. */
function extendedErrors(message: Message): string {
  const options = message.edns?.options.filter(({ code }) => code === EDE_OPTION) ?? [];
  return options
    .map(
      ({ data }) =>
        `EDE ${((data[0] ?? 0) << 8) | (data[1] ?? 0)} ${Buffer.from(data.subarray(2)).toString()}`,
    )
    .join('; ');
}

const EDE_OPTION = 15;
