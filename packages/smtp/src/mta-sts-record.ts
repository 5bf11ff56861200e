/**
 * The TXT record at `_mta-sts.DOMAIN` (RFC 8461 section 3.1): that the domain has an MTA-STS policy, and
 * which version.
 *
 *     _mta-sts.example.com.  IN TXT "v=STSv1; id=20160831085700Z;"
 *
 * The record is a sign that something changed, not a proof of anything: DNS may be forged. That is why a
 * missing or broken one never removes a policy that was fetched before (section 5.1).
 */

export type StsRecord =
  | { readonly status: 'record'; readonly id: string }
  /** No record of ours at all: the domain does not take part. */
  | { readonly status: 'none' }
  /** More than one, or one that is malformed: "MUST assume the recipient domain does not have" a policy. */
  | { readonly status: 'invalid'; readonly reason: string };

/** `sts-id`: 1*32(ALPHA / DIGIT). */
const ID = /^[A-Za-z0-9]{1,32}$/u;
const EXTENSION_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/u;
/** `sts-ext-value`: printable, without `=`, `;` and space. */
const EXTENSION_VALUE = /^[\x21-\x3a\x3c\x3e-\x7e]+$/u;

/** @param texts each TXT record of the RRset, its strings joined without spaces */
export function readStsRecord(texts: readonly string[]): StsRecord {
  // "records that do not begin with 'v=STSv1;' are discarded"; white space may stand before the semicolon.
  const ours = texts.filter((text) => /^v=STSv1[ \t]*;/u.test(text));
  const [text] = ours;
  if (text === undefined) return { status: 'none' };
  if (ours.length > 1) {
    return { status: 'invalid', reason: `there are ${ours.length} MTA-STS records, and must be one` };
  }
  const [, ...fields] = text.split(/[ \t]*;[ \t]*/u);
  if (fields.at(-1) === '') fields.pop(); // the last delimiter is optional
  let id: string | undefined;
  for (const field of fields) {
    const equals = field.indexOf('=');
    const [name, value] = [field.slice(0, Math.max(equals, 0)), field.slice(equals + 1)];
    const isValid = name === 'id' ? ID.test(value) : EXTENSION_NAME.test(name) && EXTENSION_VALUE.test(value);
    if (equals < 0 || !isValid) return { status: 'invalid', reason: 'a field of the record is malformed' };
    // Section 3.2: of a field that is repeated, the first counts.
    if (name === 'id') id ??= value;
  }
  if (id === undefined) return { status: 'invalid', reason: 'the record has no id' };
  return { status: 'record', id };
}
