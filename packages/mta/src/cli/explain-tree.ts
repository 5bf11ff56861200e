/**
 * The chain of trust as a tree: zones below zones, with who vouches for their keys, and in each zone what of the answer it
 * proved.
 *
 *     .  trust anchor 20326 (RSASHA256, SHA-256)
 *     │  keys 20326 (KSK), 46441 (ZSK); signed by 20326 until 2026-12-11
 *     └─ org  DS 26974 (RSASHA256, SHA-256)
 *        │  keys 26974 (KSK), 6302 (ZSK); signed by 26974 until 2026-12-14
 *        └─ example.org  DS 370 (ECDSAP256SHA256, SHA-256)
 *           │  keys 370 (KSK), 11542 (ZSK); signed by 370 until 2026-12-09
 *           └─ MX of example.org: signed by 11542 until 2026-12-09
 */
import { type Lookup, Name, type ProofStep, type TrustLink } from '@danelaw/dns';
import { printable } from './printable.js';
import type { Palette } from './terminal.js';

/** RFC 4034 section 2.1.1. */
const SECURE_ENTRY_POINT = 1;
const DIGESTS: ReadonlyMap<number, string> = new Map([
  [1, 'SHA-1'],
  [2, 'SHA-256'],
  [4, 'SHA-384'],
]);

interface Branch {
  /** Undefined for steps that no zone could prove. */
  readonly zone: string | undefined;
  readonly lines: readonly string[];
  readonly branches: Branch[];
}

/** Empty where there is nothing to draw: with `trust: 'ad'`, or where trust ends before it begins. */
export function explainTree(lookup: Lookup, paint: Palette): string[] {
  const branches = lookup.chain.map(
    (link): Branch => ({ zone: link.zone, lines: zoneLines(link, paint), branches: [] }),
  );
  const top: Branch[] = [];
  for (const branch of branches) (above(branch, branches)?.branches ?? top).push(branch);
  for (const step of lookup.proof ?? []) {
    const leaf: Branch = { zone: undefined, lines: [stepLine(step, lookup.chain, paint)], branches: [] };
    (holder(step, branches)?.branches ?? top).push(leaf);
  }
  const failure = failureLine(lookup, paint);
  if (failure !== undefined)
    (branches.at(-1)?.branches ?? top).push({ zone: undefined, lines: [failure], branches: [] });
  return top.flatMap((branch) => draw(branch));
}

/** The zone that a zone is delegated from. */
function above(branch: Branch, all: readonly Branch[]): Branch | undefined {
  return deepest(all.filter((other) => other !== branch && isBelow(branch.zone, other.zone)));
}

function holder(step: ProofStep, all: readonly Branch[]): Branch | undefined {
  if (step.kind !== 'unproved') return all.find(({ zone }) => zone === step.zone);
  return deepest(all.filter(({ zone }) => zone === step.name || isBelow(step.name, zone)));
}

export function deepest<T extends { readonly zone: string | undefined }>(
  branches: readonly T[],
): T | undefined {
  const depth = ({ zone }: T) => Name.parse(zone ?? '.').labelCount;
  return [...branches].sort((a, b) => depth(b) - depth(a))[0];
}

export function isBelow(name: string | undefined, zone: string | undefined): boolean {
  return name !== undefined && zone !== undefined && Name.parse(name).isBelow(Name.parse(zone));
}

function zoneLines(link: TrustLink, paint: Palette): string[] {
  const zone = paint.strong(printable(link.zone));
  switch (link.status) {
    case 'secure': {
      const ds = link.ds.map(
        ({ tag, algorithm, digestType }) => `${tag} (${algorithm}, ${digestName(digestType)})`,
      );
      const vouching = ds.length === 0 ? `${link.from} ${link.signedBy}` : `${link.from} ${ds.join(', ')}`;
      const keys = link.keys.map(({ tag, flags }) => `${tag} (${keyRole(flags)})`);
      return [
        `${zone}  ${vouching}`,
        `keys ${keys.join(', ')}; signed by ${link.signedBy} until ${day(link.until)}`,
      ];
    }
    case 'insecure':
      return [`${zone}  ${paint.warn(`insecure: ${printable(link.reason)}`)}`];
    default: {
      const never: never = link;
      return never;
    }
  }
}

function stepLine(step: ProofStep, chain: readonly TrustLink[], paint: Palette): string {
  const what = `${step.type} of ${printable(step.name)}`;
  switch (step.kind) {
    case 'signed': {
      const from = step.wildcard === undefined ? '' : `, from the wildcard ${printable(step.wildcard)}`;
      return `${what}: ${paint.good('signed')} by ${step.signedBy} until ${day(step.until)}${from}`;
    }
    case 'denied':
      return `${what}: ${paint.good('denied')} by signed ${step.by} records`;
    case 'unproved': {
      const isTold = chain.some((link) => link.status === 'insecure' && link.reason === step.reason);
      return `${what}: ${paint.warn('insecure')}${isTold ? '' : `, ${printable(step.reason)}`}`;
    }
    default: {
      const never: never = step;
      return never;
    }
  }
}

function failureLine(lookup: Lookup, paint: Palette): string | undefined {
  switch (lookup.status) {
    case 'secure':
    case 'insecure':
      return undefined;
    case 'bogus':
    case 'indeterminate':
      return paint.bad(`${lookup.status}: ${printable(lookup.reason)}`);
    default: {
      const never: never = lookup;
      return never;
    }
  }
}

function draw({ lines, branches }: Branch): string[] {
  const [first = '', ...others] = lines;
  const stem = branches.length > 0 ? '│  ' : '   ';
  const drawn = [first, ...others.map((line) => `${stem}${line}`)];
  for (const [i, branch] of branches.entries()) {
    const isLast = i === branches.length - 1;
    const [head = '', ...rest] = draw(branch);
    drawn.push(`${isLast ? '└─ ' : '├─ '}${head}`, ...rest.map((line) => `${isLast ? '   ' : '│  '}${line}`));
  }
  return drawn;
}

/** Of a DNSKEY's flags, as operators call it. */
export function keyRole(flags: number): 'KSK' | 'ZSK' {
  return (flags & SECURE_ENTRY_POINT) === 0 ? 'ZSK' : 'KSK';
}

export function digestName(digestType: number): string {
  return DIGESTS.get(digestType) ?? `digest ${digestType}`;
}

export function day(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 10);
}
