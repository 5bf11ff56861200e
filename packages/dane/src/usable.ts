/**
 * Which TLSA records can be used to authenticate a mail server.
 *
 * "Usable" decides between three worlds (RFC 7672 section 2.2): with one usable record the server must match; with
 * none of them usable TLS is still mandatory but nobody is authenticated. So a record that can't be used must be
 * told apart from one that does not match: a digest in the place of a certificate is the first, not the second.
 *
 * Unusable for SMTP are: PKIX-TA(0) and PKIX-EE(1) (RFC 7672 section 3.1.3 leaves it open, "MAY treat such records as
 * unusable"; we do), unknown parameters, digests of the wrong length (RFC 7671 section 9 discards "malformed records
 * (unsupported digest algorithm, or incorrect digest length)"), and Full(0) data that is not the certificate or public
 * key it claims to be.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { Certificate, checkSpki, MAX_CERTIFICATE_OCTETS } from './certificate.js';
import { DerError } from './der.js';
import { strongestOnly } from './digest-agility.js';
import type { JudgedTlsa } from './finding.js';
import type { TlsaRecord } from './tlsa.js';

/** A DNS message holds at most 64 KiB, so no TLSA RRset has more records than this. */
export const MAX_RECORDS = 5_000;
/** Full(0) records that are decoded. Digests only cost a comparison; each of these costs reading a key. */
export const MAX_FULL_RECORDS = 16;

interface UsableFields<Usage extends 2 | 3> {
  readonly record: TlsaRecord;
  readonly usage: Usage;
  readonly selector: 0 | 1;
  readonly matchingType: 0 | 1 | 2;
}

/** DANE-EE(3): the server's certificate itself. */
export type EndEntityRecord = UsableFields<3>;

/** DANE-TA(2): a trust anchor, which Full(0) data supplies whether or not the server sends it. */
export interface TrustAnchorRecord extends UsableFields<2> {
  readonly certificate?: Certificate;
  readonly key?: KeyObject;
}

/** A record that can be used, with what was decoded from it. */
export type UsableRecord = EndEntityRecord | TrustAnchorRecord;

export type RecordJudgement =
  | { readonly record: TlsaRecord; readonly usable: UsableRecord }
  | { readonly record: TlsaRecord; readonly setAside: string };

/**
 * Judges a whole RRset: each record's usability first, then digest agility among the usable ones - in this order, so
 * that a malformed SHA2-512 record does not shadow a good SHA2-256 one (RFC 7671 section 9).
 */
export function judgeRecords(records: readonly TlsaRecord[]): readonly RecordJudgement[] {
  let full = 0;
  const judged = records.map((record, index): RecordJudgement => {
    if (index >= MAX_RECORDS)
      return { record, setAside: `only the first ${MAX_RECORDS} records are looked at` };
    if (record.matchingType === 0 && isOfUsableKind(record)) {
      full += 1;
      if (full > MAX_FULL_RECORDS) {
        return {
          record,
          setAside: `only the first ${MAX_FULL_RECORDS} records with matching type Full(0) are decoded`,
        };
      }
    }
    return judgeRecord(record);
  });
  return strongestOnly(judged);
}

/** The same for people and for `TlsaFinding.published`. */
export function judgeTlsa(records: readonly TlsaRecord[]): readonly JudgedTlsa[] {
  return judgeRecords(records).map((judgement) =>
    'usable' in judgement ? { record: judgement.record } : judgement,
  );
}

/** One record by itself, before digest agility. */
export function judgeRecord(record: TlsaRecord): RecordJudgement {
  const unusable = (setAside: string): RecordJudgement => ({ record, setAside });
  const { usage, selector, matchingType, data } = record;
  if (usage === 0 || usage === 1) {
    const name = usage === 0 ? 'PKIX-TA(0)' : 'PKIX-EE(1)';
    return unusable(`certificate usage ${name} is not used for SMTP (RFC 7672 section 3.1.3)`);
  }
  if (usage !== 2 && usage !== 3) return unusable(`certificate usage ${usage} is not known`);
  if (selector !== 0 && selector !== 1) return unusable(`selector ${selector} is not known`);
  switch (matchingType) {
    case 0:
      return judgeFull(record, usage, selector);
    case 1:
    case 2: {
      const octets = matchingType === 1 ? 32 : 64;
      if (data.length !== octets) {
        const name = matchingType === 1 ? 'SHA2-256' : 'SHA2-512';
        return unusable(`the data has ${data.length} octets, a ${name} digest has ${octets}`);
      }
      return { record, usable: { record, usage, selector, matchingType } };
    }
    default:
      return unusable(`matching type ${matchingType} is not known`);
  }
}

/** Full(0) data must be what the selector says, as DER, whole and by itself. */
function judgeFull(record: TlsaRecord, usage: 2 | 3, selector: 0 | 1): RecordJudgement {
  const { data } = record;
  if (data.length > MAX_CERTIFICATE_OCTETS) return { record, setAside: `the data has ${data.length} octets` };
  const decoded = selector === 0 ? decodeCertificate(data) : decodeKey(data);
  if (typeof decoded === 'string') {
    const what = selector === 0 ? 'a certificate' : 'a public key';
    return {
      record,
      setAside: `the data is not ${what}, as selector ${selector} with Full(0) asks (${decoded})`,
    };
  }
  if (usage === 3) return { record, usable: { record, usage, selector, matchingType: 0 } };
  return { record, usable: { record, usage, selector, matchingType: 0, ...decoded } };
}

function decodeCertificate(data: Uint8Array): { readonly certificate: Certificate } | string {
  const certificate = new Certificate(data);
  try {
    void certificate.publicKey;
    return { certificate };
  } catch (error) {
    if (error instanceof DerError) return error.message;
    throw error;
  }
}

function decodeKey(data: Uint8Array): { readonly key: KeyObject } | string {
  try {
    checkSpki(data);
  } catch (error) {
    if (error instanceof DerError) return error.message;
    throw error;
  }
  try {
    return { key: createPublicKey({ key: Buffer.from(data), format: 'der', type: 'spki' }) };
  } catch (error) {
    return `OpenSSL can't read it: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** Would the record be decoded at all? */
function isOfUsableKind({ usage, selector }: TlsaRecord): boolean {
  return (usage === 2 || usage === 3) && (selector === 0 || selector === 1);
}
