/**
 * Updates of a zone (RFC 2136 section 2): what has to be true of it, and what is to be added and deleted -
 * all of it, or nothing.
 *
 * Adding what is there and deleting what is not changes nothing, so that an update whose answer was lost may
 * be sent again. Two things a server passes over in silence have to be asked for as prerequisites by whoever
 * cares: an alias in the place of what is to be added (section 3.4.2.2), and others who changed the zone in
 * the meantime.
 */
import { encodeMessage, type ResourceRecord } from './message.js';
import type { Name } from './name.js';
import { formatRdata } from './presentation.js';
import { CLASS_ANY, CLASS_IN, CLASS_NONE, OPCODE, RRTYPE, typeName } from './rrtype.js';
import { WireError } from './wire.js';

export interface Update {
  readonly zone: Name;
  /** All of them have to hold, or nothing is changed. */
  readonly prerequisites: readonly Prerequisite[];
  /** In this order. */
  readonly changes: readonly Change[];
}

/** RFC 2136 section 2.4. */
export type Prerequisite =
  | { readonly kind: 'name-exists' | 'name-absent'; readonly name: Name }
  | { readonly kind: 'rrset-exists' | 'rrset-absent'; readonly name: Name; readonly type: number }
  /** These records and no others, whatever their TTL. */
  | {
      readonly kind: 'rrset-is';
      readonly name: Name;
      readonly type: number;
      readonly rdatas: readonly Uint8Array[];
    };

/** RFC 2136 section 2.5. */
export type Change =
  | {
      readonly kind: 'add';
      readonly name: Name;
      readonly type: number;
      /** Seconds. */
      readonly ttl: number;
      readonly rdata: Uint8Array;
    }
  | { readonly kind: 'delete'; readonly name: Name; readonly type: number; readonly rdata: Uint8Array }
  | { readonly kind: 'delete-rrset'; readonly name: Name; readonly type: number };

/** Of one update; 65,535 octets hold some hundreds of small records. */
export const MAX_CHANGES = 200;

const NO_RDATA = new Uint8Array(0);
const NO_FLAGS = { qr: false, aa: false, tc: false, rd: false, ra: false, ad: false, cd: false };

/**
 * @throws WireError for names outside of the zone, no or too many changes, or a message over 65,535 octets
 */
export function encodeUpdate({ zone, prerequisites, changes }: Update, id: number): Uint8Array {
  if (changes.length === 0 || changes.length + prerequisites.length > MAX_CHANGES) {
    throw new WireError(
      `an update of ${changes.length} changes and ${prerequisites.length} prerequisites ` +
        `(1 to ${MAX_CHANGES})`,
    );
  }
  for (const { name } of [...prerequisites, ...changes]) {
    if (!name.isAtOrBelow(zone)) throw new WireError(`${name} is not in the zone ${zone}`);
  }
  return encodeMessage({
    id,
    opcode: OPCODE.UPDATE,
    flags: NO_FLAGS,
    rcode: 0,
    questions: [{ name: zone, type: RRTYPE.SOA, class: CLASS_IN }],
    answer: prerequisites.flatMap(prerequisiteRecords),
    authority: changes.map(changeRecord),
    additional: [],
  });
}

function prerequisiteRecords(prerequisite: Prerequisite): ResourceRecord[] {
  const { kind, name } = prerequisite;
  switch (kind) {
    case 'name-exists':
      return [{ name, type: RRTYPE.ANY, class: CLASS_ANY, ttl: 0, rdata: NO_RDATA }];
    case 'name-absent':
      return [{ name, type: RRTYPE.ANY, class: CLASS_NONE, ttl: 0, rdata: NO_RDATA }];
    case 'rrset-exists':
      return [{ name, type: prerequisite.type, class: CLASS_ANY, ttl: 0, rdata: NO_RDATA }];
    case 'rrset-absent':
      return [{ name, type: prerequisite.type, class: CLASS_NONE, ttl: 0, rdata: NO_RDATA }];
    case 'rrset-is': {
      const { type, rdatas } = prerequisite;
      return rdatas.map((rdata) => ({ name, type, class: CLASS_IN, ttl: 0, rdata }));
    }
    default: {
      const never: never = kind;
      return never;
    }
  }
}

function changeRecord(change: Change): ResourceRecord {
  const { kind, name, type } = change;
  switch (kind) {
    case 'add':
      return { name, type, class: CLASS_IN, ttl: change.ttl, rdata: change.rdata };
    case 'delete':
      return { name, type, class: CLASS_NONE, ttl: 0, rdata: change.rdata };
    case 'delete-rrset':
      return { name, type, class: CLASS_ANY, ttl: 0, rdata: NO_RDATA };
    default: {
      const never: never = kind;
      return never;
    }
  }
}

/** As a script of nsupdate, which does the same. */
export function formatUpdate({ zone, prerequisites, changes }: Update): string {
  const lines = [`zone ${zone.toAbsolute()}`, ...prerequisites.flatMap(formatPrerequisite)];
  return [...lines, ...changes.map(formatChange), 'send', ''].join('\n');
}

function formatPrerequisite(prerequisite: Prerequisite): string[] {
  const { kind } = prerequisite;
  const name = prerequisite.name.toAbsolute();
  switch (kind) {
    case 'name-exists':
      return [`prereq yxdomain ${name}`];
    case 'name-absent':
      return [`prereq nxdomain ${name}`];
    case 'rrset-exists':
      return [`prereq yxrrset ${name} IN ${typeName(prerequisite.type)}`];
    case 'rrset-absent':
      return [`prereq nxrrset ${name} IN ${typeName(prerequisite.type)}`];
    case 'rrset-is': {
      const { type, rdatas } = prerequisite;
      return rdatas.map((rdata) => `prereq yxrrset ${name} IN ${typeName(type)} ${formatRdata(type, rdata)}`);
    }
    default: {
      const never: never = kind;
      return never;
    }
  }
}

function formatChange(change: Change): string {
  const { kind, type } = change;
  const name = change.name.toAbsolute();
  switch (kind) {
    case 'add':
      return `update add ${name} ${change.ttl} IN ${typeName(type)} ${formatRdata(type, change.rdata)}`;
    case 'delete':
      return `update delete ${name} IN ${typeName(type)} ${formatRdata(type, change.rdata)}`;
    case 'delete-rrset':
      return `update delete ${name} IN ${typeName(type)}`;
    default: {
      const never: never = kind;
      return never;
    }
  }
}
