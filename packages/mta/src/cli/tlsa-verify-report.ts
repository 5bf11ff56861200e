/** A verification in words and in JSON. */
import { formatTlsa } from '@danelaw/dane';
import type { Authority } from '@danelaw/dns';
import { type Gathered, tlsaOf } from '../tlsa/gather.js';
import { difference, type JudgedServed } from '../tlsa/verification.js';
import { describeFinding, statusPaint } from './check-report.js';
import type { CheckStatus } from './check-verdict.js';
import { shortTlsa } from './delivery-report.js';
import type { Finding } from './finding.js';
import { printable } from './printable.js';
import { hanging, type Palette } from './terminal.js';
import type { Candidate } from './tlsa-candidates.js';

export interface Verification {
  readonly host: string;
  readonly port: number;
  readonly gathered: Gathered;
  readonly served: readonly JudgedServed[];
  readonly candidates: readonly Candidate[];
  readonly findings: readonly Finding[];
  readonly status: CheckStatus;
  /** Seconds; null where no name server has a record. */
  readonly ttl: number | null;
}

export function describeVerification(verification: Verification, paint: Palette, width: number): string[] {
  const { host, port, gathered, served, findings } = verification;
  const row = (label: string, text: string) => hanging(label, printable(text), width);
  return [
    `${paint.strong(printable(host))} port ${port}`,
    ...describePublished(gathered, row),
    ...describeAuthorities(gathered, row),
    ...served.flatMap((each) => {
      const lines = row('  shown    ', describeServed(each));
      return each.verdict.authenticated ? lines.map(paint.good) : lines;
    }),
    '',
    ...row('  ', verdictOf(verification)).map(statusPaint(verification.status, paint)),
    ...findings.flatMap((finding) => ['', ...describeFinding(finding, paint, width)]),
  ];
}

type Row = (label: string, text: string) => string[];

function describePublished({ lookup, records, name }: Gathered, row: Row): string[] {
  const label = '  TLSA     ';
  if (lookup.status === 'bogus' || lookup.status === 'indeterminate') {
    return row(label, `${lookup.status}: ${lookup.reason}`);
  }
  if (records.length === 0) return row(label, `none at ${name} (${lookup.status})`);
  return records.flatMap((record) => row(label, `${lookup.status}  ${shortTlsa(formatTlsa(record))}`));
}

function describeAuthorities({ authorities, records }: Gathered, row: Row): string[] {
  if (authorities.status === 'failed') return [];
  return authorities.servers.flatMap(({ server, address, said }) => {
    const who = `${server}${address === null ? '' : ` [${address}]`}`;
    if (said.status === 'failed') return row('  server   ', `${who}: ${said.reason}`);
    const { missing, extra } = difference(records, recordsOf(said));
    const same = missing.length + extra.length === 0 ? 'the same records' : 'other records';
    return row(
      '  server   ',
      `${who}: serial ${said.serial ?? 'unknown'}, ${same}${said.signed ? ', signed' : ''}`,
    );
  });
}

const recordsOf = (said: Extract<Authority['said'], { status: 'answered' }>) =>
  said.records.flatMap(({ data }) => tlsaOf(data));

function describeServed({ seen, kind, title, validTo, matched }: JudgedServed): string {
  const addresses = [...new Set(seen.map(({ address }) => address))].join(', ');
  const matching = matched.map((record) => shortTlsa(formatTlsa(record))).join(', ');
  return (
    `${addresses}: ${kind?.toUpperCase() ?? 'a'} certificate ${title}, until ${isoDay(validTo)} (${offersOf(seen)}); ` +
    `matches ${matching === '' ? 'no record' : matching}`
  );
}

const isoDay = (milliseconds: number): string => new Date(milliseconds).toISOString().slice(0, 10);

/** `TLSv1.3 and TLSv1.2, with and without SNI` */
function offersOf(seen: JudgedServed['seen']): string {
  const versions = [...new Set(seen.map(({ offer }) => offer.version))].join(' and ');
  const named = seen.some(({ offer }) => offer.serverName !== null);
  const unnamed = seen.some(({ offer }) => offer.serverName === null);
  return `${versions}, ${named && unnamed ? 'with and without SNI' : named ? 'with SNI only' : 'without SNI only'}`;
}

function verdictOf({ status, candidates }: Verification): string {
  switch (status) {
    case 'fine':
      return candidates.length > 0
        ? 'What is published matches what is shown, and what is about to be deployed.'
        : 'What is published matches what is shown.';
    case 'refused':
      return 'Not all of it matches, or is published as it should be.';
    case 'unclear':
      return 'Not all could be asked, so it can not be said.';
    default: {
      const never: never = status;
      return never;
    }
  }
}

export function verificationJson(verification: Verification): Record<string, unknown> {
  const { host, port, gathered, served, candidates, findings, status, ttl } = verification;
  const { name, lookup, records, authorities } = gathered;
  return {
    host,
    port,
    status,
    tlsa: {
      name,
      status: lookup.status,
      reason: 'reason' in lookup ? lookup.reason : null,
      ttl,
      records: records.map(formatTlsa),
    },
    zone: authorities.status === 'asked' ? authorities.zone : null,
    nameServers: authorities.status === 'asked' ? authorities.servers.map(authorityJson) : [],
    shown: served.map(servedJson),
    certificates: candidates.map(({ from, title, ready, matched, wanted }) => ({
      from,
      title,
      ready,
      matched: matched.map(formatTlsa),
      wanted: formatTlsa(wanted),
    })),
    findings,
  };
}

function authorityJson({ server, address, said }: Authority): Record<string, unknown> {
  if (said.status === 'failed') return { server, address, reason: said.reason };
  const { serial, signed } = said;
  return { server, address, serial, signed, records: recordsOf(said).map(formatTlsa) };
}

function servedJson({
  seen,
  kind,
  title,
  validTo,
  verdict,
  matched,
  unmatched,
}: JudgedServed): Record<string, unknown> {
  return {
    certificate: title,
    kind: kind ?? null,
    validTo: new Date(validTo).toISOString(),
    authenticated: verdict.authenticated,
    reason: verdict.reason,
    matched: matched.map(formatTlsa),
    unmatchedCombinations: unmatched,
    seen: seen.map(({ address, offer }) => ({
      address,
      protocol: offer.version,
      serverName: offer.serverName,
      signatures: offer.signatures,
    })),
  };
}
