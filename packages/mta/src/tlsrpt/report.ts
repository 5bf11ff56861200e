/** The report itself: one domain, one UTC day, as JSON (RFC 8460 section 4.4). */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Cell } from './counters.js';
import { type Day, endOf, startOf } from './policy-domain.js';
import type { FailureDetail } from './tally.js';

/** Who reports. */
export interface Submitter {
  readonly organization: string;
  /** `local@domain`; its domain is the submitter's in file names and header fields (section 5.3). */
  readonly contact: string;
}

/** One report before it is JSON. */
export interface ReportInput extends Submitter {
  readonly domain: string;
  readonly day: Day;
  readonly reportId: string;
  readonly cells: readonly Cell[];
}

export function submitterDomain({ contact }: Submitter): string {
  return contact.slice(contact.lastIndexOf('@') + 1);
}

/** @returns what JSON.stringify makes the report of */
export function buildReport({ organization, contact, domain, day, reportId, cells }: ReportInput) {
  return {
    'organization-name': organization,
    'date-range': { 'start-datetime': `${day}T00:00:00Z`, 'end-datetime': `${day}T23:59:59Z` },
    'contact-info': contact,
    'report-id': reportId,
    policies: cells.filter(({ reportDomain }) => reportDomain === domain).map(policyObject),
  };
}

function policyObject({ policy, successful, failed, failures }: Cell) {
  const { type, strings, domain, mxHosts } = policy;
  return {
    policy: {
      'policy-type': type,
      // "no-policy-found" has none (section 4.4).
      ...(type === 'no-policy-found' ? {} : { 'policy-string': strings }),
      'policy-domain': domain,
      ...(mxHosts.length === 0 ? {} : { 'mx-host': mxHosts }),
    },
    summary: {
      'total-successful-session-count': successful,
      'total-failure-session-count': failed,
    },
    'failure-details': failures.map(({ detail, count }) => failureObject(detail, count)),
  };
}

function failureObject(detail: FailureDetail, count: number) {
  const { resultType, sendingMtaIp, receivingMxHostname, receivingMxHelo, receivingIp, reason } = detail;
  return {
    'result-type': resultType,
    ...(sendingMtaIp === null ? {} : { 'sending-mta-ip': sendingMtaIp }),
    ...(receivingMxHostname === null ? {} : { 'receiving-mx-hostname': receivingMxHostname }),
    ...(receivingMxHelo === null ? {} : { 'receiving-mx-helo': receivingMxHelo }),
    ...(receivingIp === null ? {} : { 'receiving-ip': receivingIp }),
    'failed-session-count': count,
    'failure-reason-code': reason,
  };
}

/** Section 5.2. */
export async function compress(report: object): Promise<Buffer> {
  return await promisify(gzip)(JSON.stringify(report));
}

/** Section 5.1: `sender!policy-domain!begin!end!unique-id.json.gz`. */
export function reportFilename(
  input: Pick<ReportInput, 'contact' | 'organization' | 'domain' | 'day' | 'reportId'>,
) {
  const { domain, day, reportId } = input;
  const [begin, end] = [startOf(day) / 1000, endOf(day) / 1000 - 1];
  const unique = reportId.replace(/@.*$/u, '').replace(/[^A-Za-z0-9]/gu, '');
  return `${submitterDomain(input)}!${domain}!${begin}!${end}!${unique}.json.gz`;
}
