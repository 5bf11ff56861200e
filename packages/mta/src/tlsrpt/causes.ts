/**
 * What is wrong with our domain, from what others report: failures sorted by what has to be done about them
 * (RFC 8460 section 4.3).
 */
import type { FailureType } from '@danelaw/smtp';
import { RESULT_TYPES } from './cell-record.js';
import type { ReadFailure, ReadPolicy, ReadReport } from './report-reader.js';

export interface Cause {
  readonly title: string;
  readonly remedy: string;
  readonly section: string;
}

const CAUSES: Readonly<Record<FailureType, Cause>> = {
  'starttls-not-supported': {
    title: 'A mail server did not offer STARTTLS',
    remedy:
      'Connect to the server on port 25, from outside your network, and look for STARTTLS in its ' +
      'reply to EHLO. If it is missing, turn TLS on in the mail server, or find the firewall ' +
      'between that takes it away. If it is there, somebody on the way to that sender may have ' +
      'taken it away.',
    section: 'RFC 8460 section 4.3.1',
  },
  'certificate-host-mismatch': {
    title: 'A certificate is for another name',
    remedy:
      'Let the certificate have the MX host name, as the MX record says it, among its subject ' +
      'alternative names. With DANE-TA (usage 2) that is the TLSA base domain; with MTA-STS the ' +
      'name that matches an mx line of the policy.',
    section: 'RFC 8460 section 4.3.1; RFC 7672 section 3.2.2; RFC 8461 section 4.2',
  },
  'certificate-expired': {
    title: 'A certificate has expired',
    remedy:
      'Renew it, load it into the running mail server, and see why renewal did not happen by ' +
      'itself. With DANE-TA (usage 2) an intermediate certificate may be the one that has expired.',
    section: 'RFC 8460 section 4.3.1',
  },
  'certificate-not-trusted': {
    title: 'A certificate leads to nobody who is trusted',
    remedy:
      'Send the whole chain, intermediate certificates included. With MTA-STS it must lead to a ' +
      'public authority; with DANE-TA (usage 2) the certificate that the TLSA record names must ' +
      'itself be sent.',
    section: 'RFC 8460 section 4.3.1; RFC 7672 section 3.1.2',
  },
  'validation-failure': {
    title: 'A server could not be authenticated',
    remedy:
      'Under a TLSA policy: compare the records with the certificate that the server presents now ' +
      '("danelaw check DOMAIN"); the usual cause is a new key without a new record. Under an ' +
      'MTA-STS policy: see that each MX host matches an mx line of the policy. Otherwise the TLS ' +
      'handshake failed: the reason says how.',
    section: 'RFC 8460 section 4.3.3',
  },
  'tlsa-invalid': {
    title: 'TLSA records can not be used',
    remedy:
      'Publish records that SMTP clients use: "3 1 1" with the SHA2-256 digest of the server\'s ' +
      'key, or "2 1 1" with that of an issuer. Usages 0 and 1 do not count for SMTP, and digests ' +
      'must have their full length.',
    section: 'RFC 8460 section 4.3.2.1; RFC 7672 section 3.1',
  },
  'dnssec-invalid': {
    title: 'DNS answers could not be validated',
    remedy:
      'Look for expired signatures, a DS record that matches no key, or name servers that answer ' +
      'TLSA or MX questions with errors ("danelaw resolve NAME TYPE --explain"). Senders with DANE ' +
      'hold mail back until this is repaired.',
    section: 'RFC 8460 section 4.3.2.1; RFC 7672 section 2.1.2',
  },
  'dane-required': {
    title: 'A sender demands DANE, and there is none',
    remedy:
      'Sign the domain and the zones of its mail hosts, and publish TLSA records for each; or come ' +
      'to an agreement with the sender, whose administrator has asked for it.',
    section: 'RFC 8460 section 4.3.2.1; RFC 7672 section 6',
  },
  'sts-policy-fetch-error': {
    title: 'The MTA-STS policy could not be fetched',
    remedy:
      'Fetch https://mta-sts.DOMAIN/.well-known/mta-sts.txt from outside: it must answer with ' +
      'status 200, without a redirect, as text/plain. If you withdraw MTA-STS, publish mode "none" ' +
      'first.',
    section: 'RFC 8460 section 4.3.2.2; RFC 8461 section 3.3',
  },
  'sts-policy-invalid': {
    title: 'The MTA-STS policy is malformed',
    remedy:
      'The file must have version, mode, max_age and at least one mx line, each as "key: value" ' +
      '("danelaw check DOMAIN" says what is wrong).',
    section: 'RFC 8460 section 4.3.2.2; RFC 8461 section 3.2',
  },
  'sts-webpki-invalid': {
    title: 'The web server of the MTA-STS policy has no valid certificate',
    remedy:
      'It needs a certificate of a public authority for the name mta-sts.DOMAIN, in date and with ' +
      'its chain.',
    section: 'RFC 8460 section 4.3.2.2; RFC 8461 section 3.3',
  },
};

const UNKNOWN: Cause = {
  title: 'A failure of a type that RFC 8460 does not have',
  remedy: 'Ask the sender what it means; the address is in the report.',
  section: 'RFC 8460 section 6.6',
};

/** All failures of one type under one policy domain. */
export interface Problem {
  readonly resultType: string;
  readonly cause: Cause;
  /** Sessions that failed so. */
  readonly sessions: number;
  /** What the sender went by: `tlsa`, `sts`, `no-policy-found`. */
  readonly policyTypes: readonly string[];
  readonly places: readonly Place[];
}

/** One of our servers, as one reporter saw it fail. */
export interface Place {
  readonly host: string | null;
  readonly address: string | null;
  readonly reason: string | null;
  readonly sessions: number;
  readonly reporters: readonly string[];
}

export interface DomainSummary {
  readonly domain: string;
  readonly successful: number;
  readonly failed: number;
  readonly reporters: readonly string[];
  /** The gravest first: by sessions. */
  readonly problems: readonly Problem[];
}

/** Sorts reports, of any number of senders and days, by our domains. */
export function summarize(reports: readonly ReadReport[]): DomainSummary[] {
  const seen = reports.flatMap((report) => report.policies.map((policy) => ({ report, policy })));
  const domains = [...new Set(seen.map(({ policy }) => policy.domain))].sort();
  return domains.map((domain) => {
    const ours = seen.filter(({ policy }) => policy.domain === domain);
    return {
      domain,
      successful: sum(ours.map(({ policy }) => policy.successful)),
      failed: sum(ours.map(({ policy }) => policy.failed)),
      reporters: [...new Set(ours.map(({ report }) => report.organization))],
      problems: problemsOf(ours),
    };
  });
}

interface Seen {
  readonly report: ReadReport;
  readonly policy: ReadPolicy;
}

function problemsOf(ours: readonly Seen[]): Problem[] {
  const groups = new Map<string, (Seen & { failure: ReadFailure })[]>();
  for (const { report, policy } of ours) {
    for (const failure of policy.failures) {
      const group = groups.get(failure.resultType) ?? [];
      group.push({ report, policy, failure });
      groups.set(failure.resultType, group);
    }
  }
  const problems = [...groups].map(([resultType, group]): Problem => {
    const known = RESULT_TYPES.find((each) => each === resultType);
    return {
      resultType,
      cause: known === undefined ? UNKNOWN : CAUSES[known],
      sessions: sum(group.map(({ failure }) => failure.count)),
      policyTypes: [...new Set(group.map(({ policy }) => policy.type))],
      places: placesOf(group),
    };
  });
  return problems.sort((a, b) => b.sessions - a.sessions);
}

function placesOf(group: readonly (Seen & { failure: ReadFailure })[]): Place[] {
  const places = new Map<string, Place>();
  for (const { report, failure } of group) {
    const { receivingMxHostname: host, receivingIp: address, reason, count } = failure;
    const key = JSON.stringify([host, address, reason]);
    const present = places.get(key);
    places.set(key, {
      host,
      address,
      reason,
      sessions: (present?.sessions ?? 0) + count,
      reporters: [...new Set([...(present?.reporters ?? []), report.organization])],
    });
  }
  return [...places.values()].sort((a, b) => b.sessions - a.sessions);
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);
