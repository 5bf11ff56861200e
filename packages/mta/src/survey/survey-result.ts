/**
 * What a survey knows of one domain: plain data, one line of JSON in a file of results.
 */

/**
 * How mail to a domain is protected against somebody on the way, as DNS tells a sender with DANE:
 *
 * - `dane`: the MX records are signed, and every host has TLSA records that can be used.
 * - `partial`: some hosts have, or the list of hosts is not signed; an attacker chooses.
 * - `none`: DNS says that there is no DANE.
 * - `broken`: something is bogus, or no record can be used, or (where servers were asked) a server does not
 *   match what is published.
 * - `no-mail`: the domain takes no mail, or does not exist.
 * - `unclear`: it could not be found out now.
 */
export const SURVEY_STATUSES = ['dane', 'partial', 'none', 'broken', 'no-mail', 'unclear'] as const;
export type SurveyStatus = (typeof SURVEY_STATUSES)[number];

/** Why; the words for people are in `reasonWords`. */
export type SurveyReason = keyof typeof REASON_WORDS;

const REASON_WORDS = {
  'mx-insecure': 'the MX records are not signed',
  'mx-bogus': 'the MX records are bogus: their proof fails',
  'mx-indeterminate': 'the MX records could not be looked up',
  'no-tlsa': 'a host has no TLSA records',
  'host-insecure': 'the zone of a host is not signed',
  'tlsa-unusable': 'none of the TLSA records of a host can be used',
  'host-bogus': 'addresses or TLSA records of a host are bogus',
  'host-indeterminate': 'a host could not be looked up',
  'no-address': 'a host has no address',
  'null-mx': 'the domain says that it takes no mail',
  'no-such-domain': 'the domain does not exist',
  'no-usable-host': 'no MX record names a host',
  'invalid-domain': 'it is no domain',
  'not-matching': 'a server has another certificate than its TLSA records promise',
  'no-starttls': 'a server with TLSA records does not offer STARTTLS',
  'no-session': 'a server could not be talked to',
} as const;

export const reasonWords = (reason: SurveyReason): string => REASON_WORDS[reason];

export interface SurveyedHost {
  readonly host: string;
  /** `insecure`: its zone is not signed, so TLSA was not asked for. */
  readonly tlsa: 'usable' | 'unusable' | 'none' | 'insecure' | 'failed';
  /** In presentation form, without those that were set aside. */
  readonly records: readonly string[];
  /** Where servers were asked: how many addresses have been, and how many of them are authenticated by DANE. */
  readonly asked?: number;
  readonly authenticated?: number;
}

export interface SurveyResult {
  readonly domain: string;
  readonly status: SurveyStatus;
  readonly reasons: readonly SurveyReason[];
  readonly mx: 'secure' | 'insecure' | null;
  readonly hosts: readonly SurveyedHost[];
  /** There is an MTA-STS record, and one for TLS reports; null where it was not found out. */
  readonly sts: boolean | null;
  readonly tlsrpt: boolean | null;
}

const isStatus = (value: unknown): value is SurveyStatus => SURVEY_STATUSES.some((each) => each === value);
const isReason = (value: unknown): value is SurveyReason =>
  typeof value === 'string' && Object.hasOwn(REASON_WORDS, value);
const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const TLSA_STATES = ['usable', 'unusable', 'none', 'insecure', 'failed'] as const;

/** Reads one line of a file of results; undefined where it is none. */
export function parseResult(line: string): SurveyResult | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  const { domain, status, reasons, mx, hosts, sts, tlsrpt } = value;
  if (typeof domain !== 'string' || !isStatus(status)) return undefined;
  if (!Array.isArray(reasons) || !reasons.every(isReason)) return undefined;
  if (mx !== 'secure' && mx !== 'insecure' && mx !== null) return undefined;
  if (!Array.isArray(hosts)) return undefined;
  const read = hosts.map(readHost);
  const known = read.flatMap((host) => host ?? []);
  if (known.length < read.length) return undefined;
  const flag = (given: unknown): boolean | null => (typeof given === 'boolean' ? given : null);
  return { domain, status, reasons, mx, hosts: known, sts: flag(sts), tlsrpt: flag(tlsrpt) };
}

function readHost(value: unknown): SurveyedHost | undefined {
  if (!isRecord(value)) return undefined;
  const { host, records, asked, authenticated } = value;
  const tlsa = TLSA_STATES.find((each) => each === value['tlsa']);
  if (typeof host !== 'string' || tlsa === undefined || !Array.isArray(records)) return undefined;
  if (!records.every((each) => typeof each === 'string')) return undefined;
  const counts =
    typeof asked === 'number' && typeof authenticated === 'number' ? { asked, authenticated } : {};
  return { host, tlsa, records, ...counts };
}
