/** One domain of a survey: what DNS says of its mail servers, and on request whether they keep to it. */
import { isAnswered, type Resolver } from '@danelaw/dns';
import { type HostProbe, type ProbeOptions, type ProbeReport, probe } from '@danelaw/smtp';
import type { SurveyedHost, SurveyReason, SurveyResult, SurveyStatus } from './survey-result.js';

export interface SurveyOptions extends Omit<ProbeOptions, 'domain'> {
  readonly resolver: Resolver;
}

/**
 * MX comes first and alone: the others find the zone and its keys known then, where three that start together each look
 * for them. The two TXT records take turns for the same reason: what denies one mostly denies the other (RFC 8198).
 *
 * Rejects only when `signal` aborts.
 */
export async function surveyDomain(domain: string, options: SurveyOptions): Promise<SurveyResult> {
  await options.resolver.resolve(domain, 'MX', asked(options));
  const [report, { sts, tlsrpt }] = await Promise.all([
    probe({ ...options, domain }),
    announced(domain, options),
  ]);
  const { status, reasons } = await classify(report, options);
  const mx = 'mx' in report.route ? report.route.mx : null;
  return { domain, status, reasons: [...reasons], mx, hosts: report.hosts.map(surveyedHost), sts, tlsrpt };
}

const asked = ({ signal }: SurveyOptions): { signal?: AbortSignal } =>
  signal === undefined ? {} : { signal };

async function announced(
  domain: string,
  options: SurveyOptions,
): Promise<Pick<SurveyResult, 'sts' | 'tlsrpt'>> {
  const sts = await hasText(`_mta-sts.${domain}`, 'v=STSv1', options);
  const tlsrpt = await hasText(`_smtp._tls.${domain}`, 'v=TLSRPTv1', options);
  return { sts, tlsrpt };
}

/** RFC 8461 section 3.1, RFC 8460 section 3: a TXT record that begins so. Null where it could not be asked. */
async function hasText(name: string, start: string, options: SurveyOptions): Promise<boolean | null> {
  const lookup = await options.resolver.resolve(name, 'TXT', asked(options));
  if (!isAnswered(lookup)) return null;
  return lookup.records.some(({ data }) => {
    if (!('type' in data) || data.type !== 'TXT') return false;
    return Buffer.concat(data.strings).toString('latin1').startsWith(start);
  });
}

interface Verdict {
  readonly status: SurveyStatus;
  readonly reasons: ReadonlySet<SurveyReason>;
}

const only = (status: SurveyStatus, reason: SurveyReason): Verdict => ({
  status,
  reasons: new Set([reason]),
});

async function classify({ route, hosts }: ProbeReport, options: SurveyOptions): Promise<Verdict> {
  switch (route.status) {
    case 'hosts':
      return await classifyHosts(route.mx, hosts, options);
    case 'null-mx':
    case 'no-such-domain':
    case 'no-usable-host':
    case 'invalid-domain':
      return only('no-mail', route.status);
    case 'loop':
      return only('no-mail', 'no-usable-host');
    case 'failed':
      return route.cause === 'bogus' ? only('broken', 'mx-bogus') : only('unclear', 'mx-indeterminate');
    default: {
      const never: never = route;
      return never;
    }
  }
}

async function classifyHosts(
  mx: 'secure' | 'insecure',
  hosts: readonly HostProbe[],
  options: SurveyOptions,
): Promise<Verdict> {
  const reasons = new Set<SurveyReason>();
  let isBroken = false;
  let isUnclear = false;
  let protectedHosts = 0;
  for (const host of hosts) {
    const [state, reason] = await stateOf(host, options);
    if (reason !== undefined) reasons.add(reason);
    if (state === 'protected') protectedHosts += 1;
    isBroken ||= state === 'broken';
    isUnclear ||= state === 'unclear';
  }
  if (isBroken) return { status: 'broken', reasons };
  if (isUnclear) return { status: 'unclear', reasons };
  if (mx === 'insecure') reasons.add('mx-insecure');
  if (protectedHosts === 0) return { status: 'none', reasons };
  const isAll = protectedHosts === hosts.length && mx === 'secure';
  return { status: isAll ? 'dane' : 'partial', reasons };
}

type HostState = 'protected' | 'open' | 'broken' | 'unclear';

async function stateOf(
  host: HostProbe,
  options: SurveyOptions,
): Promise<readonly [HostState, SurveyReason | undefined]> {
  const { finding } = host;
  const failed = async (): Promise<readonly [HostState, SurveyReason]> =>
    (await isBogus(host, options)) ? ['broken', 'host-bogus'] : ['unclear', 'host-indeterminate'];
  if (finding.status !== 'reachable') {
    return finding.status === 'absent' ? ['open', 'no-address'] : await failed();
  }
  const { tlsa, addresses } = finding;
  switch (tlsa.status) {
    case 'unusable':
      return ['broken', 'tlsa-unusable'];
    case 'none':
      return ['open', addresses.some(({ status }) => status === 'insecure') ? 'host-insecure' : 'no-tlsa'];
    case 'usable':
      return sessionState(host);
    case 'failed':
      return await failed();
    default: {
      const never: never = tlsa;
      return never;
    }
  }
}

/** Where servers were not asked, what is published is believed. */
function sessionState({ addresses }: HostProbe): readonly [HostState, SurveyReason | undefined] {
  const refused = addresses.filter(({ ok }) => !ok);
  if (refused.length === 0) return ['protected', undefined];
  if (refused.some(({ failureType }) => failureType === 'starttls-not-supported')) {
    return ['broken', 'no-starttls'];
  }
  if (refused.some(({ tls, failureType }) => tls !== null || failureType !== null)) {
    return ['broken', 'not-matching'];
  }
  return ['unclear', 'no-session'];
}

/** A look-up that failed was perhaps an attack, or a broken zone, and not just a bad moment. */
async function isBogus({ host }: HostProbe, options: SurveyOptions): Promise<boolean> {
  const questions = [
    [host.host, 'A'],
    [host.host, 'AAAA'],
    [`_${host.port}._tcp.${host.host}`, 'TLSA'],
  ] as const;
  const { resolver } = options;
  const lookups = await Promise.all(
    questions.map(([name, type]) => resolver.resolve(name, type, asked(options))),
  );
  return lookups.some(({ status }) => status === 'bogus');
}

function surveyedHost({ host, finding, tlsa, addresses }: HostProbe): SurveyedHost {
  const records = (tlsa?.records ?? []).flatMap(({ record, setAside }) =>
    setAside === null ? [record] : [],
  );
  const counts =
    addresses.length === 0
      ? {}
      : {
          asked: addresses.length,
          authenticated: addresses.filter(({ tls }) => tls?.authenticated?.by === 'dane').length,
        };
  return { host: host.host, tlsa: tlsaState(finding), records, ...counts };
}

function tlsaState(finding: HostProbe['finding']): SurveyedHost['tlsa'] {
  if (finding.status !== 'reachable') return finding.status === 'failed' ? 'failed' : 'none';
  const { tlsa, addresses } = finding;
  const isSigned = addresses.every(({ status }) => status === 'secure');
  return tlsa.status === 'none' && !isSigned ? 'insecure' : tlsa.status;
}
