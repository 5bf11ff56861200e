/**
 * Breaks a zone after it was signed: edits of its file, line by line, or of the DS records that its parent has. An edit that
 * finds nothing to change is an error, so that no zone is thought to be broken that is whole.
 */
import type { Breakage } from './zone-plan.js';

/** One record of a signed zone's file; all three signers write one a line, names in full. */
interface Line {
  readonly owner: string;
  readonly ttl: string;
  readonly type: string;
  readonly data: readonly string[];
}

type Edit = (line: Line) => readonly Line[];

/** Fields of RRSIG's data. */
const COVERED = 0;
const ALGORITHM = 1;
const LABELS = 2;
const ORIGINAL_TTL = 3;
const KEY_TAG = 6;
const SIGNER = 7;
const SIGNATURE = 8;

const ADDRESSES: readonly string[] = ['A', 'AAAA'];
const DENIALS: readonly string[] = ['NSEC', 'NSEC3'];

/** @returns the text of the zone, broken; the same text where the breakage is one of DS records only */
export function breakZone(text: string, breakage: Breakage, origin: string): string {
  const edit = zoneEdit(breakage);
  if (edit === undefined) return text;
  let changes = 0;
  const lines = text.split('\n').flatMap((raw) => {
    const line = readLine(raw);
    if (line === undefined) return [raw];
    const edited = edit(line);
    if (edited.length === 1 && edited[0] === line) return [raw];
    changes++;
    return edited.map(writeLine);
  });
  if (changes === 0) throw new Error(`${origin}: ${breakage} changes nothing`);
  return lines.join('\n');
}

function zoneEdit(breakage: Breakage): Edit | undefined {
  switch (breakage) {
    case 'keys-missing':
      return drop((line) => line.type === 'DNSKEY');
    case 'zsk-missing':
      return drop((line) => line.type === 'DNSKEY' && line.data[0] === '256');
    case 'keys-revoked':
      return eachKey(0, (flags) => String(Number(flags) | 0x80));
    case 'keys-no-zone-key':
      return eachKey(0, (flags) => String(Number(flags) & ~0x100));
    case 'keys-of-another-protocol':
      return eachKey(1, () => '4');
    case 'signatures-missing':
      return drop((line) => line.type === 'RRSIG');
    case 'signatures-of-addresses-missing':
      return drop(signatureOver(ADDRESSES));
    case 'signatures-of-keys-missing':
      return drop(signatureOver(['DNSKEY']));
    case 'signatures-of-denials-missing':
      return drop(signatureOver(DENIALS));
    case 'signatures-of-soa-damaged':
      return eachSignature(['SOA'], SIGNATURE, flipBit);
    case 'signatures-of-addresses-damaged':
      return eachSignature(ADDRESSES, SIGNATURE, flipBit);
    case 'signatures-of-keys-damaged':
      return eachSignature(['DNSKEY'], SIGNATURE, flipBit);
    case 'signatures-of-denials-damaged':
      return eachSignature(DENIALS, SIGNATURE, flipBit);
    case 'signatures-by-another-signer':
      return eachSignature(ADDRESSES, SIGNER, (signer) => `other.${signer}`);
    case 'signatures-with-more-labels':
      return eachSignature(ADDRESSES, LABELS, (labels) => String(Number(labels) + 1));
    case 'signatures-with-fewer-labels':
      return eachSignature(ADDRESSES, LABELS, (labels) => String(Number(labels) - 1));
    case 'signatures-with-another-tag':
      return eachSignature(ADDRESSES, KEY_TAG, (tag) => String((Number(tag) + 1) & 0xffff));
    case 'signatures-with-another-algorithm':
      return eachSignature(ADDRESSES, ALGORITHM, (algorithm) => (algorithm === '15' ? '16' : '15'));
    case 'signatures-with-lower-original-ttl':
      return eachSignature(ADDRESSES, ORIGINAL_TTL, (ttl) => String(Number(ttl) - 1));
    case 'signatures-doubled-one-damaged':
      return (line) =>
        signatureOver([...ADDRESSES, 'DNSKEY'])(line) ? [withField(line, SIGNATURE, flipBit), line] : [line];
    case 'denials-missing':
      return drop((line) => DENIALS.includes(line.type) || signatureOver(DENIALS)(line));
    case 'addresses-changed':
      return (line) => (line.type === 'A' ? [{ ...line, data: ['192.0.2.66'] }] : [line]);
    case 'ds-missing':
    case 'ds-of-another-key':
    case 'ds-damaged':
    case 'ds-sha1-only':
    case 'ds-sha384-only':
    case 'ds-sha256-damaged-sha1-good':
    case 'ds-sha384-damaged-sha256-good':
    case 'ds-another-and-good':
    case 'ds-unknown-digest':
    case 'ds-unknown-digest-and-good':
    case 'ds-unknown-algorithm':
    case 'ds-unknown-algorithm-and-good':
    case 'ds-unknown-algorithm-and-damaged':
      return undefined;
    default: {
      const never: never = breakage;
      return never;
    }
  }
}

/** owner ttl IN type data: comments, directives and blank lines are none. */
function readLine(raw: string): Line | undefined {
  const fields = raw.trim().split(/\s+/);
  const [owner, ttl, ...rest] = fields;
  if (owner === undefined || ttl === undefined || !/^\d+$/.test(ttl) || owner.startsWith(';'))
    return undefined;
  // Knot leaves the class out.
  const [type, ...data] = rest[0] === 'IN' ? rest.slice(1) : rest;
  return type === undefined ? undefined : { owner, ttl, type, data };
}

function writeLine({ owner, ttl, type, data }: Line): string {
  return `${owner} ${ttl} IN ${type} ${data.join(' ')}`;
}

function drop(unwanted: (line: Line) => boolean): Edit {
  return (line) => (unwanted(line) ? [] : [line]);
}

function eachKey(field: number, change: (value: string) => string): Edit {
  return (line) => (line.type === 'DNSKEY' ? [withField(line, field, change)] : [line]);
}

function eachSignature(covered: readonly string[], field: number, change: (value: string) => string): Edit {
  const isMeant = signatureOver(covered);
  return (line) => (isMeant(line) ? [withField(line, field, change)] : [line]);
}

function signatureOver(covered: readonly string[]): (line: Line) => boolean {
  return (line) => line.type === 'RRSIG' && covered.includes(line.data[COVERED] ?? '');
}

function withField(line: Line, field: number, change: (value: string) => string): Line {
  // A signature may stand in several pieces.
  const fixed = line.data.slice(0, SIGNATURE);
  const joined = line.type === 'RRSIG' ? [...fixed, line.data.slice(SIGNATURE).join('')] : line.data;
  return { ...line, data: joined.map((value, index) => (index === field ? change(value) : value)) };
}

function flipBit(base64: string): string {
  const octets = Buffer.from(base64, 'base64');
  const middle = octets.length >> 1;
  octets.writeUInt8(octets.readUInt8(middle) ^ 1, middle);
  return octets.toString('base64');
}

/** owner IN DS tag algorithm digest-type digest */
interface Ds {
  readonly head: string;
  readonly tag: string;
  readonly algorithm: string;
  readonly digestType: string;
  readonly digest: string;
}

/**
 * What the parent gets.
 * @param records one of each digest type
 */
export function publishedDs(records: readonly string[], breakage: Breakage | undefined): string[] {
  const all = records.map(readDs);
  const of = (digestType: string) => all.filter((ds) => ds.digestType === digestType);
  const damaged = (list: readonly Ds[]) => list.map((ds) => ({ ...ds, digest: damageHex(ds.digest) }));
  const other = (list: readonly Ds[]) =>
    damaged(list).map((ds) => ({ ...ds, tag: String((Number(ds.tag) + 7) & 0xffff) }));
  const unknownDigest = of('2').map((ds) => ({ ...ds, digestType: '200' }));
  const unknownAlgorithm = of('2').map((ds) => ({ ...ds, algorithm: '200' }));
  const chosen = (): readonly Ds[] => {
    switch (breakage) {
      case 'ds-missing':
        return [];
      case 'ds-of-another-key':
        return other(of('2'));
      case 'ds-damaged':
        return damaged(of('2'));
      case 'ds-sha1-only':
        return of('1');
      case 'ds-sha384-only':
        return of('4');
      case 'ds-sha256-damaged-sha1-good':
        return [...of('1'), ...damaged(of('2'))];
      case 'ds-sha384-damaged-sha256-good':
        return [...of('2'), ...damaged(of('4'))];
      case 'ds-another-and-good':
        return [...other(of('2')), ...of('2')];
      case 'ds-unknown-digest':
        return unknownDigest;
      case 'ds-unknown-digest-and-good':
        return [...unknownDigest, ...of('2')];
      case 'ds-unknown-algorithm':
        return unknownAlgorithm;
      case 'ds-unknown-algorithm-and-good':
        return [...unknownAlgorithm, ...of('2')];
      case 'ds-unknown-algorithm-and-damaged':
        return [...unknownAlgorithm, ...damaged(of('2'))];
      default:
        return of('2');
    }
  };
  return chosen().map(
    ({ head, tag, algorithm, digestType, digest }) =>
      `${head} IN DS ${tag} ${algorithm} ${digestType} ${digest}`,
  );
}

function readDs(text: string): Ds {
  const [head, , , tag, algorithm, digestType, ...digest] = (text.split(';')[0] ?? '').trim().split(/\s+/);
  if (head === undefined || tag === undefined || algorithm === undefined || digestType === undefined) {
    throw new Error(`no DS record: ${text}`);
  }
  return { head, tag, algorithm, digestType, digest: digest.join('') };
}

function damageHex(hex: string): string {
  return `${hex.startsWith('0') ? '1' : '0'}${hex.slice(1)}`;
}
