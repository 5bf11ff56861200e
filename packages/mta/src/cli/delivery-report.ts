/**
 * A delivery in words: the hosts in order, for each what DNSSEC and TLSA said and how the TLS session was
 * authenticated, and for each recipient the verdict in one sentence.
 *
 * RFC 7672 section 2.2.1: a host found through unsigned MX records is shown as these records name it, and its
 * authentication "MUST NOT be misrepresented" as secure delivery to the domain.
 */
import type {
  Attempt,
  Authenticated,
  Delivery,
  ExceptionUse,
  OutcomeStatus,
  RecipientOutcome,
  TlsaSummary,
  TlsFacts,
} from '@danelaw/smtp';
import { printable } from './printable.js';
import { hanging, type Paint, type Palette } from './terminal.js';

/** Hexadecimal digits of a TLSA record that people compare; `--json` has all of them. */
const SHOWN_DIGITS = 16;
const MAX_LISTED_RECORDS = 8;

export function describeDelivery(delivery: Delivery, paint: Palette, width: number): string[] {
  const lines: string[] = [];
  let domain: string | undefined;
  let host: string | undefined;
  for (const attempt of delivery.attempts) {
    if (attempt.domain !== domain) {
      if (domain !== undefined) lines.push('');
      lines.push(paint.strong(printable(attempt.domain)));
      domain = attempt.domain;
      host = undefined;
    }
    if (attempt.host !== host) lines.push(...describeHost(attempt, paint, width));
    host = attempt.host;
    lines.push(...describeAttempt(attempt, paint, width));
  }
  if (lines.length > 0) lines.push('');
  return [
    ...lines,
    ...delivery.recipients.flatMap((outcome) => describeOutcome(outcome, delivery, paint, width)),
  ];
}

function describeHost(attempt: Attempt, paint: Palette, width: number): string[] {
  const { preference, port } = attempt;
  const mx = preference === null ? 'no MX record' : `${attempt.mx} MX, preference ${preference}`;
  const name = `${printable(attempt.host)}${port === 25 ? '' : ` port ${port}`}`;
  return [
    `  ${paint.strong(name)}  ${paint.faint(mx)}`,
    ...attempt.exceptions.flatMap((use) => describeException(use, paint, width)),
    ...describeTlsa(attempt.tlsa, paint, width),
  ];
}

/** A rule that ends by itself must not be forgotten meanwhile: it is told with each use (RFC 7672 section 9.1). */
function describeException(use: ExceptionUse, paint: Palette, width: number): string[] {
  const what = use.kind === 'audit' ? 'audit only' : 'an exception';
  const words = `${what} by rule ${use.rule} (${use.pattern}) until ${use.expires}: ${use.reason}`;
  return hanging('    ', printable(words), width).map(paint.warn);
}

export function describeTlsa(tlsa: TlsaSummary | null, paint: Palette, width: number): string[] {
  if (tlsa === null) return [];
  const row = (text: string) => hanging('    TLSA  ', printable(text), width);
  switch (tlsa.status) {
    case 'usable':
    case 'unusable': {
      const shown = tlsa.records.slice(0, MAX_LISTED_RECORDS);
      const rows = shown.flatMap(({ record, setAside }) =>
        row(`secure  ${shortTlsa(record)}${setAside === null ? '' : `  set aside: ${setAside}`}`),
      );
      const more = tlsa.records.length - shown.length;
      return more > 0 ? [...rows, ...row(`and ${more} more`)] : rows;
    }
    case 'none':
      return row(`none: ${tlsa.reason ?? ''}`).map(paint.faint);
    case 'failed':
      return row(`failed: ${tlsa.reason ?? ''}`).map(paint.bad);
    default: {
      const never: never = tlsa.status;
      return never;
    }
  }
}

function describeAttempt(attempt: Attempt, paint: Palette, width: number): string[] {
  const where = attempt.address === null ? '' : `${printable(attempt.address)}  `;
  const row = (text: string) => hanging(`    ${where}`, printable(text), width);
  switch (attempt.status) {
    case 'skipped':
      return row(`not used: ${attempt.reason}`).map(paint.warn);
    case 'failed':
      return [
        ...(attempt.tls === null ? [] : row(describeTls(attempt.tls))),
        ...row(attempt.reason).map(paint.bad),
      ];
    case 'completed': {
      const tls = attempt.tls === null ? `clear text${clearReason(attempt)}` : describeTls(attempt.tls);
      const origin = originText(attempt.connection);
      const replies = new Set(attempt.recipients.flatMap(({ reply }) => (reply === null ? [] : [reply])));
      return [
        ...row(origin === '' ? tls : `${tls}; ${origin}`),
        ...[...replies].flatMap((reply) =>
          hanging(`    ${' '.repeat(where.length)}> `, printable(reply), width),
        ),
      ];
    }
    default: {
      const never: never = attempt.status;
      return never;
    }
  }
}

function originText(connection: Attempt['connection']): string {
  switch (connection) {
    case 'shared':
      return 'over a connection that had carried earlier mail';
    case 'resumed':
      return 'with the TLS session of an earlier connection';
    case 'new':
    case null:
      return '';
    default: {
      const never: never = connection;
      return never;
    }
  }
}

function clearReason({ policy }: Attempt): string {
  return policy === null ? '' : ` (policy "${policy.level}": ${policy.source})`;
}

/** `TLSv1.3 TLS_AES_256_GCM_SHA384, authenticated by TLSA 3 1 1 8d02536c887482bc... (DANE-EE)` */
export function describeTls(tls: TlsFacts): string {
  const session = `${tls.protocol} ${tls.cipher}`;
  const { authenticated } = tls;
  if (authenticated === null) return `${session}, not authenticated: ${tls.reason}`;
  return `${session}, authenticated by ${authorityText(authenticated)}`;
}

function authorityText(authenticated: Authenticated): string {
  switch (authenticated.by) {
    case 'dane': {
      const { usage, record, name } = authenticated;
      const how = usage === 3 ? 'DANE-EE' : `DANE-TA, for the name ${name ?? 'none'}`;
      return `TLSA ${shortTlsa(record)} (${how})`;
    }
    case 'pkix':
      return `the root ${authenticated.root} for the name ${authenticated.name}`;
    case 'fingerprint':
      return `the fingerprint ${authenticated.fingerprint.slice(0, 16)}...`;
    default: {
      const never: never = authenticated;
      return never;
    }
  }
}

/** `3 1 1 8d02536c887482bc...` */
export function shortTlsa(record: string): string {
  const fields = record.split(' ');
  const digits = fields.at(-1) ?? '';
  if (digits.length <= SHOWN_DIGITS) return record;
  return [...fields.slice(0, -1), `${digits.slice(0, SHOWN_DIGITS)}...`].join(' ');
}

function describeOutcome(
  outcome: RecipientOutcome,
  delivery: Delivery,
  paint: Palette,
  width: number,
): string[] {
  const [first = '', ...rest] = hanging(
    `${outcome.status}  `,
    `${printable(outcome.recipient)}: ${printable(verdictSentence(outcome, delivery))}`,
    width,
  );
  const coloured = statusPaint(outcome.status, paint)(outcome.status) + first.slice(outcome.status.length);
  return [coloured, ...rest];
}

export function statusPaint(status: OutcomeStatus, paint: Palette): Paint {
  switch (status) {
    case 'delivered':
      return paint.good;
    case 'deferred':
      return paint.warn;
    case 'failed':
      return paint.bad;
    default: {
      const never: never = status;
      return never;
    }
  }
}

/** What happened to the message for one recipient, and what of it was proved. */
export function verdictSentence(outcome: RecipientOutcome, delivery: Delivery): string {
  switch (outcome.status) {
    case 'delivered':
      return deliveredSentence(outcome, delivery);
    case 'deferred':
    case 'failed':
      return outcome.status === 'failed'
        ? `${outcome.reason}.`
        : `${outcome.reason}. Nothing was delivered; try again later.`;
    default: {
      const never: never = outcome.status;
      return never;
    }
  }
}

function deliveredSentence(outcome: RecipientOutcome, delivery: Delivery): string {
  const { host, tls, mx } = outcome;
  const decisive = delivery.attempts.find(
    (attempt) => attempt.host === host && attempt.address === outcome.address,
  );
  const domain = decisive?.domain ?? 'the domain';
  if (tls === null)
    return `handed over in clear text to ${host}; ${decisive?.policy?.source ?? 'TLS was not to be had'}.`;
  if (tls.authenticated === null)
    return `handed over under TLS to ${host}, whose identity was not proved: ${tls.reason}.`;
  const who = proverOf(tls.authenticated);
  if (mx === 'secure')
    return `handed over under TLS to ${host}, which ${who} proved to be a server for ${domain}.`;
  // Not by DNS, but by HTTPS (RFC 8461 section 4.1).
  if (decisive?.sts?.mode === 'enforce')
    return `handed over under TLS to ${host}, which the MTA-STS policy of ${domain} names and ${who} authenticated.`;
  return (
    `handed over under TLS to ${host}, which ${who} authenticated; that it is a server for ${domain} is not ` +
    'proved, because the MX records are not signed.'
  );
}

function proverOf({ by }: Authenticated): string {
  switch (by) {
    case 'dane':
      return 'DANE';
    case 'pkix':
      return 'a trusted root';
    case 'fingerprint':
      return 'a pinned fingerprint';
    default: {
      const never: never = by;
      return never;
    }
  }
}
