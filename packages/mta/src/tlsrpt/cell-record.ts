/** A cell as a line of a journal, and back: what is read is checked, whoever wrote it. */
import type { FailureType } from '@danelaw/smtp';
import type { Cell, CountedFailure } from './counters.js';
import { isPolicyDomain } from './policy-domain.js';
import type { PolicyType } from './tally.js';

/** RFC 8460 section 4.3, with what each is called in the registry of section 6.6. */
export const RESULT_TYPES = [
  'starttls-not-supported',
  'certificate-host-mismatch',
  'certificate-expired',
  'certificate-not-trusted',
  'validation-failure',
  'tlsa-invalid',
  'dnssec-invalid',
  'dane-required',
  'sts-policy-fetch-error',
  'sts-policy-invalid',
  'sts-webpki-invalid',
] as const satisfies readonly FailureType[];

/** The totals that one writer has for a cell; a later line of the same writer replaces an earlier one. */
export interface CellRecord {
  readonly writer: string;
  readonly cell: Cell;
}

export function cellLine({ writer, cell }: CellRecord): object {
  const { reportDomain, policy, successful, failed, failures } = cell;
  const { type, strings, domain, mxHosts } = policy;
  const details = failures.map(({ detail, count }) => [
    count,
    detail.resultType,
    detail.sendingMtaIp,
    detail.receivingMxHostname,
    detail.receivingMxHelo,
    detail.receivingIp,
    detail.reason,
  ]);
  return {
    w: writer,
    d: reportDomain,
    p: [type, domain, strings, mxHosts],
    s: successful,
    f: failed,
    x: details,
  };
}

/** Undefined for what is no such line. */
export function readCellLine(line: unknown): CellRecord | undefined {
  if (!isObject(line)) return undefined;
  const { w: writer, d: reportDomain, p, s: successful, f: failed, x } = line;
  if (typeof writer !== 'string' || typeof reportDomain !== 'string' || !isPolicyDomain(reportDomain)) {
    return undefined;
  }
  if (!isCount(successful) || !isCount(failed) || !Array.isArray(p) || !Array.isArray(x)) return undefined;
  const [type, domain, strings, mxHosts]: unknown[] = p;
  if (!isPolicyType(type) || typeof domain !== 'string' || !isTexts(strings) || !isTexts(mxHosts)) {
    return undefined;
  }
  const failures = x.map(readDetail);
  if (!failures.every((each) => each !== undefined)) return undefined;
  return {
    writer,
    cell: { reportDomain, policy: { type, domain, strings, mxHosts }, successful, failed, failures },
  };
}

function readDetail(detail: unknown): CountedFailure | undefined {
  if (!Array.isArray(detail)) return undefined;
  const [
    count,
    resultType,
    sendingMtaIp,
    receivingMxHostname,
    receivingMxHelo,
    receivingIp,
    reason,
  ]: unknown[] = detail;
  const type = RESULT_TYPES.find((each) => each === resultType);
  if (!isCount(count) || type === undefined || typeof reason !== 'string') return undefined;
  if (!isText(sendingMtaIp) || !isText(receivingMxHostname)) return undefined;
  if (!isText(receivingMxHelo) || !isText(receivingIp)) return undefined;
  const ends = { sendingMtaIp, receivingMxHostname, receivingMxHelo, receivingIp };
  return { count, detail: { resultType: type, ...ends, reason } };
}

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
const isText = (value: unknown): value is string | null => value === null || typeof value === 'string';
const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((each) => typeof each === 'string');
const isPolicyType = (value: unknown): value is PolicyType =>
  value === 'tlsa' || value === 'sts' || value === 'no-policy-found';
