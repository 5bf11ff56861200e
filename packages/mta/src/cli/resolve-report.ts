/** A look-up in words and in JSON. */
import {
  type Alias,
  type Answered,
  type AnswerRecord,
  formatRdata,
  isAnswered,
  type Lookup,
  requireType,
  type TrustLink,
} from '@danelaw/dns';
import { explainTree } from './explain-tree.js';
import { printable, printableWithin } from './printable.js';
import { hanging, type Palette } from './terminal.js';

/** A longer record is cut on a terminal; `--json` has it whole. */
const MAX_RDATA_CHARACTERS = 400;

export function describeLookup(lookup: Lookup, paint: Palette, width: number): string[] {
  const question = paint.strong(`${printable(lookup.name)} ${lookup.type}`);
  const lines = [`${question} is ${paintStatus(lookup.status, paint)}${endOf(lookup)}`];
  const reason = lookup.status === 'secure' ? '' : lookup.reason;
  if (reason !== '') lines.push(...hanging('  ', printable(reason), width));
  if (lookup.ede !== undefined) {
    const { code, text } = lookup.ede;
    lines.push(
      ...hanging(
        '  ',
        `RFC 8914 code ${code}${text === '' || text === reason ? '' : `, ${printable(text)}`}`,
        width,
      ),
    );
  }
  if (isAnswered(lookup)) lines.push(...describeAnswer(lookup, paint));
  if (lookup.proof !== undefined && lookup.chain.length > 0) lines.push('', ...explainTree(lookup, paint));
  else if (lookup.chain.length > 0)
    lines.push('', 'Chain of trust:', ...lookup.chain.flatMap((link) => chainLines(link, paint, width)));
  if (lookup.via !== undefined) lines.push('', `Asked by ${printable(lookup.via)}.`);
  return lines;
}

function endOf(lookup: Lookup): string {
  switch (lookup.status) {
    case 'secure':
      return lookup.records.length === 0 ? `: ${denial(lookup)}, and that is proved.` : '.';
    case 'insecure':
      return lookup.records.length === 0 ? `: ${denial(lookup)}, as far as anyone can tell.` : ':';
    case 'bogus':
    case 'indeterminate':
      return lookup.rcode === undefined ? ':' : ` (${lookup.rcode}):`;
    default: {
      const never: never = lookup;
      return never;
    }
  }
}

function denial(lookup: Answered): string {
  const name = printable(lookup.canonicalName);
  return lookup.rcode === 'NXDOMAIN' ? `there is no name ${name}` : `${name} has no ${lookup.type} record`;
}

function paintStatus(status: Lookup['status'], paint: Palette): string {
  switch (status) {
    case 'secure':
      return paint.good(status);
    case 'insecure':
      return paint.warn(status);
    case 'bogus':
    case 'indeterminate':
      return paint.bad(status);
    default: {
      const never: never = status;
      return never;
    }
  }
}

function describeAnswer(lookup: Answered, paint: Palette): string[] {
  const lines: string[] = [];
  if (lookup.records.length > 0) lines.push('', ...recordTable(lookup.records));
  if (lookup.aliases.length > 0)
    lines.push('', 'Aliases:', ...lookup.aliases.map((alias) => aliasLine(alias, paint)));
  return lines;
}

function aliasLine(alias: Alias, paint: Palette): string {
  return (
    `  ${printable(alias.from)} is an alias of ${printable(alias.to)}: ` +
    `${paintStatus(alias.status, paint)}`
  );
}

function recordTable(records: readonly AnswerRecord[]): string[] {
  const owners = records.map((record) => printable(record.name));
  const ownerWidth = Math.max(...owners.map((owner) => owner.length));
  const typeWidth = Math.max(...records.map((record) => record.type.length));
  return records.map((record, i) => {
    const owner = (owners[i] ?? '').padEnd(ownerWidth);
    const rdata = printableWithin(rdataText(record), MAX_RDATA_CHARACTERS);
    return `  ${owner}  ${String(record.ttl).padStart(6)}  ${record.type.padEnd(typeWidth)}  ${rdata}`;
  });
}

function rdataText(record: AnswerRecord): string {
  return formatRdata(requireType(record.type), record.rdata);
}

/** `example  DS -> key 12345 (ECDSAP256SHA256) signs keys 12345, 54321` */
function chainLines(link: TrustLink, paint: Palette, width: number): string[] {
  const label = `  ${printable(link.zone)}  `;
  switch (link.status) {
    case 'secure': {
      const vouching = link.keys.find(({ tag }) => tag === link.signedBy);
      const algorithm = vouching === undefined ? '' : ` (${vouching.algorithm})`;
      const others = link.keys.map(({ tag }) => tag).filter((tag) => tag !== link.signedBy);
      const signs = others.length === 0 ? '' : `, which signs ${others.join(', ')}`;
      return hanging(label, `${link.from} -> key ${link.signedBy}${algorithm}${signs}`, width);
    }
    case 'insecure':
      return hanging(label, printable(link.reason), width).map(paint.warn);
    default: {
      const never: never = link;
      return never;
    }
  }
}

/** One object; `data` is the presentation form, `rdata` the octets in hexadecimal. */
export function lookupJson(lookup: Lookup): Record<string, unknown> {
  const { name, type, status, ede, chain, via = null } = lookup;
  const proof = lookup.proof === undefined ? {} : { proof: lookup.proof };
  if (!isAnswered(lookup))
    return {
      name,
      type,
      status,
      rcode: lookup.rcode ?? null,
      reason: lookup.reason,
      ede: ede ?? null,
      chain,
      via,
      ...proof,
    };
  const { rcode, canonicalName, ttl, aliases } = lookup;
  const reason = lookup.status === 'insecure' ? lookup.reason : null;
  const records = lookup.records.map((record) => ({
    name: record.name,
    type: record.type,
    ttl: record.ttl,
    data: rdataText(record),
    rdata: Buffer.from(record.rdata).toString('hex'),
  }));
  return {
    name,
    type,
    status,
    rcode,
    records,
    aliases,
    canonicalName,
    ttl,
    reason,
    ede: ede ?? null,
    chain,
    via,
    ...proof,
  };
}
