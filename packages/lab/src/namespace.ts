/**
 * The name space of the lab: from the zones of the scenarios to a tree of zones that delegate to one another.
 *
 * The root and three top-level domains are always there: `example` is signed with NSEC, `optout` with NSEC3
 * and opt-out, `unsigned` not at all. (The reserved `test` won't do: resolvers like Unbound answer for it
 * themselves.)
 */
import { Name, parseName, RRTYPE } from '@danelaw/dns';
import type { ServedZone } from './authority.js';
import type { Habit } from './habit.js';
import type { ZoneSpec } from './scenario.js';
import { type Fault, SignedZone } from './sign.js';
import type { Zone } from './zone.js';
import { DEFAULT_TTL, parseRecordLine, parseZone } from './zone-text.js';

export const TOP_LEVEL: Readonly<Record<string, ZoneSpec>> = {
  '.': {},
  example: {},
  optout: { signing: { denial: { optOut: true } } },
  unsigned: { signing: 'unsigned' },
};

/** A zone and the one server that has it. */
export interface PlacedZone {
  readonly origin: Name;
  readonly served: ServedZone;
  readonly habits: readonly Habit[];
  readonly address: string;
}

export interface NamespaceOptions {
  readonly zones: Readonly<Record<string, ZoneSpec>>;
  readonly addressOf: (zone: string) => string;
  /**
   * Further records, absolute: hosts' addresses and TLSA. Each goes to the deepest zone that holds its name.
   */
  readonly records: readonly string[];
  /** Stands for `{port}`. */
  readonly smtpPort: number;
  /** Stands for `{webport}`. */
  readonly webPort?: number;
  /** By mail host: stand for `{address HOST}`. */
  readonly hostAddresses?: ReadonlyMap<string, string>;
  readonly clock: () => number;
}

interface BuiltZone extends PlacedZone {
  readonly spec: ZoneSpec;
  /** Whose DS the parent gets. */
  readonly keys: SignedZone | undefined;
}

type Fill = (text: string) => string;

/** @throws Error where a scenario's zone is malformed or hangs in the air; the message names it */
export function buildNamespace(options: NamespaceOptions): PlacedZone[] {
  const { smtpPort, webPort = 443, hostAddresses } = options;
  const fill: Fill = (text) =>
    text
      .replaceAll('{port}', String(smtpPort))
      .replaceAll('{webport}', String(webPort))
      .replace(/\{address ([^}]+)\}/gu, (_, host: string) => {
        const address = hostAddresses?.get(host);
        if (address === undefined) throw new RangeError(`there is no mail host ${host} for "${text}"`);
        return address;
      });
  const built = Object.entries(options.zones).map(([origin, spec]) =>
    build(Name.parse(origin), spec, options.addressOf(origin), fill, options.clock),
  );
  const byOrigin = new Map(built.map((zone) => [zone.origin.key, zone]));
  for (const child of built) {
    if (child.origin.isRoot) continue;
    const parent = holderOf(byOrigin, child.origin.parent());
    if (parent === undefined) throw new RangeError(`no zone is the parent of ${child.origin.toAbsolute()}`);
    delegate(parent.served.zone, child);
  }
  for (const line of options.records) {
    const set = parseRecordLine(Name.root, fill(line));
    const holder = holderOf(byOrigin, set.name);
    if (holder === undefined) throw new RangeError(`no zone holds the record "${line}"`);
    holder.served.zone.add(set);
  }
  return built;
}

function build(origin: Name, spec: ZoneSpec, address: string, fill: Fill, clock: () => number): BuiltZone {
  const zone = parseZone(origin, ['@ NS ns', `ns A ${address}`, ...(spec.records ?? []).map(fill)]);
  const habits = (spec.habits ?? []).map((habit) => absoluteHabit(habit, origin, fill));
  const { signing = {} } = spec;
  const rest = { origin, habits, address, spec };
  if (signing === 'unsigned') return { ...rest, served: { zone }, keys: undefined };
  const faults = (signing.faults ?? []).map((fault) => filledFault(fault, fill));
  const signed = new SignedZone(zone, { ...signing, faults }, clock);
  // Served without signatures in spite of its DS: the parent knows keys that the zone does not use.
  const unsigned = faults.some(({ fault }) => fault === 'unsigned');
  return { ...rest, served: unsigned ? { zone } : { zone, signed }, keys: signed };
}

function filledFault(fault: Fault, fill: Fill): Fault {
  return 'name' in fault && fault.name !== undefined ? { ...fault, name: fill(fault.name) } : fault;
}

/** NS, glue and DS. The DS is made when it is first asked for, and the keys with it. */
function delegate(parent: Zone, { origin, address, keys, spec }: BuiltZone): void {
  const server = parseName('ns', origin).toAbsolute();
  parent.add(parseRecordLine(Name.root, `${origin.toAbsolute()} NS ${server}`));
  parent.add(parseRecordLine(Name.root, `${server} A ${address}`));
  if (keys === undefined || spec.withoutDs) return;
  parent.add({
    name: origin,
    type: RRTYPE.DS,
    ttl: DEFAULT_TTL,
    get rdatas() {
      return keys.dsRecords();
    },
  });
}

/** The zone that holds the name: the closest one at or above it. */
function holderOf<T extends PlacedZone>(zones: ReadonlyMap<string, T>, name: Name): T | undefined {
  for (let at = name; ; at = at.parent()) {
    const zone = zones.get(at.key);
    if (zone !== undefined || at.isRoot) return zone;
  }
}

function absoluteHabit(habit: Habit, origin: Name, fill: Fill): Habit {
  const absolute = (text: string) => parseName(fill(text), origin).toString();
  return {
    ...habit,
    ...(habit.name === undefined ? {} : { name: absolute(habit.name) }),
    ...(habit.below === undefined ? {} : { below: absolute(habit.below) }),
  };
}
