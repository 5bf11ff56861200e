/**
 * The chain of trust of several look-ups as one tree: zones below zones, from the trust anchor down, and in each zone
 * what of the answers it proved. As `danelaw resolve --explain` has it, for a picture.
 */
import { type Lookup, Name, type ProofStep, type TrustLink } from '@danelaw/dns';
import { day, deepest, digestName, isBelow } from '../cli/explain-tree.js';
import type { TreeNode } from './tree-picture.js';

interface Branch {
  readonly zone: string;
  readonly link: TrustLink;
  readonly leaves: TreeNode[];
}

/** Empty where there is nothing to draw: with `trust: 'ad'` the chain is somebody else's. */
export function trustTree(lookups: readonly Lookup[]): TreeNode[] {
  const branches = new Map<string, Branch>();
  for (const { chain } of lookups) {
    for (const link of chain) {
      if (!branches.has(link.zone)) branches.set(link.zone, { zone: link.zone, link, leaves: [] });
    }
  }
  const all = [...branches.values()];
  const seen = new Set<string>();
  const add = (holder: Branch | undefined, leaf: TreeNode): void => {
    const key = JSON.stringify([holder?.zone, leaf.title]);
    if (seen.has(key)) return;
    seen.add(key);
    holder?.leaves.push(leaf);
  };
  for (const lookup of lookups) {
    for (const step of lookup.proof ?? []) {
      const holder = holderOf(step, all);
      add(holder, stepLeaf(step, holder?.link));
    }
    const failure = failureLeaf(lookup);
    if (failure !== undefined) add(deepest(all.filter(({ zone }) => covers(zone, lookup.name))), failure);
  }
  const below = (parent: Branch | undefined): Branch[] =>
    all.filter((each) => parentOf(each, all) === parent);
  const node = (branch: Branch): TreeNode => ({
    ...zoneNode(branch.link),
    children: [...branch.leaves, ...below(branch).map(node)],
  });
  return below(undefined).map(node);
}

function parentOf(branch: Branch, all: readonly Branch[]): Branch | undefined {
  return deepest(all.filter((other) => other !== branch && isBelow(branch.zone, other.zone)));
}

function holderOf(step: ProofStep, all: readonly Branch[]): Branch | undefined {
  if (step.kind !== 'unproved') return all.find(({ zone }) => zone === step.zone);
  return deepest(all.filter(({ zone }) => covers(zone, step.name)));
}

function covers(zone: string, name: string): boolean {
  return isBelow(name, zone) || Name.parse(name).equals(Name.parse(zone));
}

/** RFC 4034 section 2.1.1. */
const SECURE_ENTRY_POINT = 1;

function zoneNode(link: TrustLink): Omit<TreeNode, 'children'> {
  const title = link.zone === '.' ? '. (the root)' : link.zone;
  switch (link.status) {
    case 'secure': {
      const ds = link.ds.map(({ tag, digestType }) => `${tag} (${digestName(digestType)})`);
      const keys = link.keys.map(
        ({ tag, flags, algorithm }) =>
          `${tag} ${(flags & SECURE_ENTRY_POINT) === 0 ? 'ZSK' : 'KSK'} ${algorithm}`,
      );
      return {
        title,
        details: [
          `${link.from} ${ds.length === 0 ? link.signedBy : ds.join(', ')}`,
          `keys ${keys.join(', ')}`,
          `signed by ${link.signedBy} until ${day(link.until)}`,
        ],
        tone: 'good',
        shape: 'box',
      };
    }
    case 'insecure':
      return { title, details: [`insecure: ${link.reason}`], tone: 'warn', shape: 'box' };
    default: {
      const never: never = link;
      return never;
    }
  }
}

/** @param zone whose word it is: what it says already is not said again */
function stepLeaf(step: ProofStep, zone: TrustLink | undefined): TreeNode {
  const what = `${step.type} of ${step.name}`;
  const leaf = { shape: 'leaf', children: [] } as const;
  switch (step.kind) {
    case 'signed': {
      const from = step.wildcard === undefined ? '' : `, from the wildcard ${step.wildcard}`;
      const details = [`by ${step.signedBy} until ${day(step.until)}${from}`];
      return { ...leaf, title: `${what}: signed`, details, tone: 'good' };
    }
    case 'denied':
      return {
        ...leaf,
        title: `${what}: there is none`,
        details: [`denied by signed ${step.by} records`],
        tone: 'good',
      };
    case 'unproved': {
      const isTold = zone?.status === 'insecure' && zone.reason === step.reason;
      return { ...leaf, title: `${what}: insecure`, details: isTold ? [] : [step.reason], tone: 'warn' };
    }
    default: {
      const never: never = step;
      return never;
    }
  }
}

function failureLeaf(lookup: Lookup): TreeNode | undefined {
  switch (lookup.status) {
    case 'secure':
    case 'insecure':
      return undefined;
    case 'bogus':
    case 'indeterminate': {
      const title = `${lookup.type} of ${lookup.name}: ${lookup.status}`;
      return { title, details: [lookup.reason], tone: 'bad', shape: 'leaf', children: [] };
    }
    default: {
      const never: never = lookup;
      return never;
    }
  }
}
