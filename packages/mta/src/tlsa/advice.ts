/**
 * What an administrator should know of a TLSA record before it is published: the ways in which it breaks later.
 *
 * Nothing here refuses a record. Each advice says what happens, by which rule, and what to do instead; `note` is about what
 * has to be kept in mind, `warning` about what is likely to break or is of no use.
 */
import { X509Certificate } from 'node:crypto';
import { verifyCertificate } from '@danelaw/dane';
import type { PlannedRecord, RecordSubject } from './records.js';

/** Scripts hang on them, so they stay; `docs/troubleshooting.md` has an entry for each, and a test holds it to that. */
export const ADVICE_CODES = [
  'anchor-by-certificate',
  'anchor-by-key',
  'anchor-does-not-hold',
  'anchor-is-root',
  'anchor-must-be-sent',
  'anchor-not-in-chain',
  'full-data',
  'optional-digest',
  'pkix-usage',
  'taken-from-network',
  'whole-certificate',
] as const;

export type AdviceCode = (typeof ADVICE_CODES)[number];

export interface Advice {
  readonly severity: 'warning' | 'note';
  /** Stable, for machines. */
  readonly code: AdviceCode;
  readonly text: string;
  /** `RFC 7672 section 3.1.1` */
  readonly rule: string;
  readonly remedy: string;
}

export interface AdviceContext {
  readonly host: string;
  readonly port: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** The chains are what a server was seen to send, not what a file holds. */
  readonly live: boolean;
}

const DAY = 86_400_000;
/** Days. Certificates with less are renewed by a program, and nobody is there to publish each one. */
const SHORT_LIVED_DAYS = 100;
/** RFC 7672 section 3.1.3 is about port 25 alone. */
const MTA_PORT = 25;

const USE_311 = 'Publish 3 1 1 instead: it stays right as long as the key does.';

/** One advice of a kind, however many records it is about. */
export function adviseOn(planned: readonly PlannedRecord[], context: AdviceContext): readonly Advice[] {
  const all = planned.flatMap((each) => [
    ...usageAdvice(each, context),
    ...fragilityAdvice(each, context),
    ...anchorAdvice(each, context),
    ...matchingTypeAdvice(each),
  ]);
  const seen = new Set<string>();
  return all.filter(({ code, text }) => {
    const key = `${code} ${text}`;
    return !seen.has(key) && seen.add(key);
  });
}

const words = ({ parameters: { usage, selector, matchingType } }: PlannedRecord): string =>
  `${usage} ${selector} ${matchingType}`;

function usageAdvice(planned: PlannedRecord, { port }: AdviceContext): Advice[] {
  const { usage } = planned.parameters;
  if (usage !== 0 && usage !== 1) return [];
  const name = usage === 0 ? 'PKIX-TA(0)' : 'PKIX-EE(1)';
  const isMta = port === MTA_PORT;
  return [
    {
      severity: isMta ? 'warning' : 'note',
      code: 'pkix-usage',
      text: isMta
        ? `${words(planned)} has usage ${name}: mail servers have no list of authorities to check it by, so senders ` +
          'may take it for unusable; with no other records they then encrypt without knowing to whom'
        : `${words(planned)} has usage ${name}: clients need a public authority in common with the server, ` +
          'beside the match',
      rule: isMta ? 'RFC 7672 section 3.1.3' : 'RFC 7671 section 4.1',
      remedy: `Publish ${usage === 0 ? '2' : '3'} 1 1 instead.`,
    },
  ];
}

/** Records that name the whole certificate of a server, which every renewal replaces. */
function fragilityAdvice(planned: PlannedRecord, { now }: AdviceContext): Advice[] {
  const { parameters, subject } = planned;
  if (parameters.selector !== 0 || subject.kind !== 'certificate' || subject.depth !== 0) return [];
  if (parameters.usage === 0 || parameters.usage === 2) return [];
  const { from, to } = datesOf(subject.der);
  const days = Math.round((to - from) / DAY);
  const isShort = days <= SHORT_LIVED_DAYS;
  const left = Math.max(0, Math.floor((to - now) / DAY));
  return [
    {
      severity: isShort ? 'warning' : 'note',
      code: 'whole-certificate',
      text:
        `${words(planned)} names the whole certificate, so every renewal makes it wrong, even one with the same key: ` +
        `this one lives ${days} days and has ${left} left` +
        `${isShort ? '; what renews it must publish the new record two TTLs before it is used' : ''}`,
      rule: 'RFC 7671 section 8.1',
      remedy: USE_311,
    },
  ];
}

function anchorAdvice(planned: PlannedRecord, context: AdviceContext): Advice[] {
  const { parameters, subject } = planned;
  if (parameters.usage !== 2 || subject.kind !== 'certificate') return [];
  return [
    ...mustBeSent(planned, subject, context),
    ...mustHoldForServer(planned, subject, context),
    ...selectorAdvice(planned),
  ];
}

type CertificateSubject = Extract<RecordSubject, { kind: 'certificate' }>;

function mustBeSent(
  planned: PlannedRecord,
  { der, depth }: CertificateSubject,
  { live }: AdviceContext,
): Advice[] {
  if (live) return [];
  const { x509, title } = read(der);
  const isRoot = x509.checkIssued(x509);
  const rule = 'RFC 7672 section 3.1.2';
  const remedy =
    'See that the file which the server sends has it behind its own certificate, and ask with ' +
    '"danelaw tlsa verify"; or publish 3 1 1.';
  if (depth === 0) {
    const text =
      `${words(planned)} names ${title}, and whether the server sends that certificate can't be seen here: it must, ` +
      'or senders find nothing that matches';
    return [{ severity: 'warning', code: 'anchor-not-in-chain', text, rule, remedy }];
  }
  if (!isRoot) {
    const text = `${words(planned)} names ${title}: the server must send that certificate behind its own`;
    return [{ severity: 'note', code: 'anchor-must-be-sent', text, rule, remedy }];
  }
  const text =
    `${words(planned)} names the root ${title}: the server must send it too, and servers that are given ` +
    'a chain by an authority commonly leave the root out';
  return [{ severity: 'warning', code: 'anchor-is-root', text, rule, remedy }];
}

/** With DANE-TA names and dates count. The server's own certificate is at hand where there is a chain. */
function mustHoldForServer(
  planned: PlannedRecord,
  { depth, server }: CertificateSubject,
  { host, now }: AdviceContext,
): Advice[] {
  if (depth === 0) return [];
  const tlsa = [planned.record];
  const verdict = verifyCertificate({ chain: server.chain, tlsa, baseDomain: host, time: new Date(now) });
  if (verdict.authenticated) return [];
  const text = `${words(planned)} does not authenticate this server as ${host}: ${verdict.reason}`;
  const remedy = `Get a certificate for ${host} that is in date, or publish 3 1 1, with which names and dates do not count.`;
  return [
    { severity: 'warning', code: 'anchor-does-not-hold', text, rule: 'RFC 7672 section 3.2.2', remedy },
  ];
}

function selectorAdvice(planned: PlannedRecord): Advice[] {
  return planned.parameters.selector === 0
    ? [
        {
          severity: 'note',
          code: 'anchor-by-certificate',
          text: `${words(planned)} breaks when the authority gets a new certificate for the same key, and its constraints bind`,
          rule: 'RFC 7672 section 3.1.2',
          remedy:
            'Publish 2 1 1 where the authority renews its certificates; watch its announcements in any case.',
        },
      ]
    : [
        {
          severity: 'note',
          code: 'anchor-by-key',
          text:
            `${words(planned)} holds as long as the authority issues with this key; when it changes to another one, as public ` +
            'authorities do without asking, renewed certificates no longer match',
          rule: 'RFC 7671 section 5.2',
          remedy: 'Publish 3 1 1 beside it, and every issuer that the authority says it may use.',
        },
      ];
}

function matchingTypeAdvice(planned: PlannedRecord): Advice[] {
  switch (planned.parameters.matchingType) {
    case 0:
      return [
        {
          severity: 'warning',
          code: 'full-data',
          text: `${words(planned)} holds ${planned.record.data.length} octets in full, which may not fit into one packet of DNS`,
          rule: 'RFC 7671 section 10.1.2',
          remedy: 'Publish a digest: matching type 1 (SHA2-256).',
        },
      ];
    case 1:
      return [];
    case 2:
      return [
        {
          severity: 'note',
          code: 'optional-digest',
          text: `${words(planned)} has SHA2-512, which clients need not know; those who do ignore SHA2-256 beside it`,
          rule: 'RFC 7671 section 9',
          remedy: 'Publish SHA2-256 (matching type 1), alone or beside it for the same keys.',
        },
      ];
    default: {
      const never: never = planned.parameters.matchingType;
      return never;
    }
  }
}

function read(der: Uint8Array): { readonly x509: X509Certificate; readonly title: string } {
  const x509 = new X509Certificate(der);
  return { x509, title: titleOf(x509) };
}

/** The common name, where there is one; else a name that it is for, as OpenSSL prints it; for people alone. */
export function titleOf({ subject, subjectAltName }: X509Certificate): string {
  const lines = (subject ?? '').split('\n').filter((line) => line !== '');
  const [name] = (subjectAltName ?? '').split(', ').filter((each) => each !== '');
  return lines.find((line) => line.startsWith('CN=')) ?? name ?? lines.at(-1) ?? 'without a name';
}

function datesOf(der: Uint8Array): { readonly from: number; readonly to: number } {
  const { validFrom, validTo } = new X509Certificate(der);
  return { from: Date.parse(validFrom), to: Date.parse(validTo) };
}
