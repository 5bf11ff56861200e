/**
 * One look at a domain from outside: all that `danelaw check` finds, and what will go wrong soon - signatures and
 * certificates that end.
 */
import type { Lookup, Resolver } from '@danelaw/dns';
import type { HostProbe } from '@danelaw/smtp';
import { type CheckContext, checkDomain } from '../cli/check-domain.js';
import type { Check } from '../cli/check-report.js';
import type { Finding } from '../cli/finding.js';
import type { WatchCode } from '../cli/finding-codes.js';
import { explained } from '../page/checker.js';
import { discoverTlsRpt } from '../tlsrpt/discover.js';
import type { Level, Problem } from './problem.js';

export interface Look {
  readonly domain: string;
  readonly problems: readonly Problem[];
  /** The earliest end of a signature that the domain's mail rests on, in milliseconds; undefined where there is none. */
  readonly signaturesEnd: number | undefined;
  /** The earliest end of a certificate that a sender looks at; undefined where there is none. */
  readonly certificatesEnd: number | undefined;
}

export interface LookOptions {
  /** Milliseconds before the end of a signature, or of a certificate, from which on it is told. */
  readonly warnSignatures: number;
  readonly warnCertificates: number;
}

const DAY = 86_400_000;
/** Whoever has not renewed them by now is not going to by himself: signers renew days before, certificates weeks before. */
export const DEFAULT_LOOK_OPTIONS: LookOptions = { warnSignatures: 2 * DAY, warnCertificates: 14 * DAY };
/** A warning becomes critical in the last part of its time. */
const LAST_PART = 0.25;

/** Rejects only when the signal of the context aborts. */
export async function lookAt(domain: string, context: CheckContext, options: LookOptions): Promise<Look> {
  const now = (context.clock ?? Date.now)();
  const signal = context.signal ?? new AbortController().signal;
  const check = await checkDomain(domain, context);
  const lookups = await explained(check, context.resolver, signal);
  const signatures = signatureEnds(lookups);
  const certificates = certificateEnds(check);
  const problems = [
    ...check.findings.flatMap((finding) => findingProblem(domain, finding)),
    ...signatures.flatMap((end) => ending(domain, end, now, options.warnSignatures, SIGNATURE)),
    ...certificates.flatMap((end) => ending(domain, end, now, options.warnCertificates, CERTIFICATE)),
    ...(await reportProblems(domain, context.resolver, signal)),
  ];
  return {
    domain,
    problems: unique(problems),
    signaturesEnd: earliest(signatures),
    certificatesEnd: earliest(certificates),
  };
}

const LEVEL_OF: Readonly<Record<Finding['severity'], Level | undefined>> = {
  error: 'critical',
  unclear: 'unknown',
  warning: 'warning',
  note: undefined,
};

function findingProblem(domain: string, finding: Finding): Problem[] {
  const level = LEVEL_OF[finding.severity];
  if (level === undefined) return [];
  const { code, host, address, zone, text, rule, remedy } = finding;
  // A fault of a zone is one, however many hosts are in it.
  const place = zone ?? [host, address].filter((each) => each !== null).join(' ');
  return [{ domain, level, code, place, text, rule, remedy }];
}

interface End {
  readonly place: string;
  readonly what: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

/** By zone: of the keys' signatures and of the records' own. */
function signatureEnds(lookups: readonly Lookup[]): End[] {
  const ends = new Map<string, End>();
  const add = (zone: string, what: string, time: number): void => {
    const known = ends.get(zone);
    if (known === undefined || time < known.time) ends.set(zone, { place: zone, what, time });
  };
  for (const { chain, proof = [] } of lookups) {
    for (const link of chain) if (link.status === 'secure') add(link.zone, 'the keys', link.until);
    for (const step of proof)
      if (step.kind === 'signed') add(step.zone, `${step.type} of ${step.name}`, step.until);
  }
  return [...ends.values()];
}

/**
 * By host. Under DANE-EE nobody looks at dates (RFC 7672 section 3.1.1); under DANE-TA and MTA-STS every certificate that was
 * presented counts.
 */
function certificateEnds({ report }: Check): End[] {
  const hasSts = report.sts?.status === 'policy';
  return report.hosts.flatMap((host) => {
    if (!hasSts && !restsOnDates(host)) return [];
    const certificates = host.addresses.flatMap(({ chain }) => chain);
    const [first] = [...certificates].sort((a, b) => a.notAfter - b.notAfter);
    if (first === undefined) return [];
    return [
      {
        place: host.host.host,
        what: first.subject === '' ? 'its certificate' : `the certificate of ${first.subject}`,
        time: first.notAfter,
      },
    ];
  });
}

function restsOnDates({ addresses }: HostProbe): boolean {
  return addresses.some(({ tls }) => {
    const authenticated = tls?.authenticated;
    return (
      authenticated !== null &&
      authenticated !== undefined &&
      !(authenticated.by === 'dane' && authenticated.usage === 3)
    );
  });
}

interface Ending {
  readonly code: WatchCode;
  readonly rule: string;
  readonly words: (what: string) => string;
  readonly remedy: string;
}

const SIGNATURE: Ending = {
  code: 'signature-expires',
  rule: 'RFC 4035 section 5.3.1',
  words: (what) => `the signature over ${what}`,
  remedy: 'Look after the signer of the zone: signatures are to be renewed days before they end.',
};

const CERTIFICATE: Ending = {
  code: 'certificate-expires',
  rule: 'RFC 7672 section 3.1.2',
  words: (what) => what,
  remedy: 'Renew it, and publish TLSA records of the new one before it is used.',
};

function ending(
  domain: string,
  { place, what, time }: End,
  now: number,
  within: number,
  { code, rule, words, remedy }: Ending,
): Problem[] {
  const left = time - now;
  if (left > within) return [];
  const level = left <= within * LAST_PART ? 'critical' : 'warning';
  const text = `${words(what)} ends at ${new Date(time).toISOString()}`;
  return [{ domain, level, code, place, text, rule, remedy }];
}

async function reportProblems(
  domain: string,
  resolver: Resolver,
  signal: AbortSignal,
): Promise<readonly Problem[]> {
  const record = await discoverTlsRpt(resolver, domain, signal);
  const about = { domain, place: '', rule: 'RFC 8460 section 3' };
  switch (record.status) {
    case 'record':
      return [];
    case 'none':
      return [
        {
          ...about,
          level: 'warning',
          code: 'no-tlsrpt' satisfies WatchCode,
          text: 'nobody is told where to send TLS reports: senders that fail do so in silence',
          remedy: `Publish a TXT record at _smtp._tls.${domain}: v=TLSRPTv1; rua=mailto:tls-reports@${domain}`,
        },
      ];
    case 'invalid':
      return [
        {
          ...about,
          level: 'warning',
          code: 'tlsrpt-invalid' satisfies WatchCode,
          text: `the record for TLS reports can't be used: ${record.reason}`,
          remedy: `Correct the TXT record at _smtp._tls.${domain}.`,
        },
      ];
    case 'failed':
      return [
        {
          ...about,
          level: 'unknown',
          code: 'tlsrpt-indeterminate' satisfies WatchCode,
          text: record.reason,
          remedy: "Try again; if it stays so, look after the zone's name servers.",
        },
      ];
    default: {
      const never: never = record;
      return never;
    }
  }
}

const earliest = (ends: readonly End[]): number | undefined =>
  ends.length === 0 ? undefined : Math.min(...ends.map(({ time }) => time));

/** One of a kind at a place. */
function unique(problems: readonly Problem[]): Problem[] {
  const seen = new Map(problems.map((problem) => [JSON.stringify([problem.code, problem.place]), problem]));
  return [...seen.values()];
}
