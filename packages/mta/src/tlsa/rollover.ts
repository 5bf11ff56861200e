/**
 * From one key, or one issuer, to the next, without a moment in which a sender could be refused (RFC 7671 sections 8.1 and 8.4).
 *
 * What changes is either the server's key (`3 1 1`) or the authority above it (`2 1 1`), never both at once; every other combination
 * of parameters that is published has to match before and after. Both records are published; when every authoritative server
 * has had both for twice the TTL, no resolver can still have an RRset without the new one, and the server is switched; when every
 * address shows the new chain, the old record goes. Where the operator chose the order `after`, the records of the other kind
 * carry the switch instead: they have been everywhere for twice the TTL and match the next chain, and the changed record follows.
 *
 * What is to be done next is decided anew each time, from what DNS and the server show *now*: all that has to be remembered is
 * which records are which, and since when each was seen on all servers. So whatever was killed halfway is found as it is, and
 * done again; and going back is the same way with the two changed over.
 */
import { combinationsIn } from './record-text.js';
import type { RolloverView } from './rollover-view.js';
import type { Steady } from './steady-clock.js';

/** What is kept between two runs. */
export interface Rollover {
  readonly host: string;
  readonly port: number;
  /** Owner of the records: `_25._tcp.` the host, or what that is an alias of. */
  readonly name: string;
  readonly starttls: 'smtp' | 'imap' | 'pop3' | 'none';
  /** `back`: it was called off, and the way leads from the new chain to the old. */
  readonly direction: 'forward' | 'back';
  readonly changes: 'key' | 'issuer';
  /** When the new record is published: before the switch to it, or after it, relying on the records of the other kind. */
  readonly order: 'before' | 'after';
  /** Records as text (`3 1 1 0123...`), of what is in use at the start and of what is to come. */
  readonly old: readonly string[];
  readonly next: readonly string[];
  /** DER in base64, the server's own first: the certificates that are to come, where they were there at the start. */
  readonly chains: readonly (readonly string[])[];
  /** Milliseconds since the epoch, by record: since when each look has found it on every server, validated. */
  readonly since: Readonly<Record<string, number>>;
  /** Seconds: the longest that a resolver may still go by. */
  readonly ttl: number;
  /** Milliseconds since the epoch: when a server last gave it. */
  readonly ttlSeen: number;
  /** It was called off and said since then what has to go. Until then a publication may still be on its way. */
  readonly retired: boolean;
  /**
   * Records that somebody was told to remove, until they are gone from every server. Written down before he is told: where they
   * are to be published anew (it was called off), their removal must not arrive after that.
   */
  readonly retiring: readonly string[];
  /** The next one stands by, and the switch waits for a person. */
  readonly hold: boolean;
  /** Once it is done the next key is made, and published at once: there is always one standing by. */
  readonly standby: KeyType | null;
  /** Files in the folder; null where the key is none of ours. */
  readonly keys: { readonly current: string | null; readonly next: string | null };
  /** Milliseconds since the epoch. */
  readonly begun: number;
  readonly lastLook: number;
  /** The other clock at that look. */
  readonly steady: Steady | null;
}

/** The keys that are made here. */
export const KEY_TYPES = ['p256', 'rsa2048', 'rsa3072'] as const;
export type KeyType = (typeof KEY_TYPES)[number];

export type Decision =
  | { readonly action: 'publish' | 'retire'; readonly records: readonly string[]; readonly reason: string }
  | { readonly action: 'switch'; readonly reason: string }
  /** The switch may be made, and waits for a person. */
  | { readonly action: 'ready'; readonly reason: string }
  /** Too early, or not all could be asked. `until`: milliseconds since the epoch, where that is known. */
  | { readonly action: 'wait'; readonly reason: string; readonly until: number | null }
  /** Nothing may be done before a person has looked. */
  | { readonly action: 'stop'; readonly reason: string }
  | { readonly action: 'done'; readonly reason: string };

/** RFC 7671 section 8.1: "at least two TTLs or longer". */
const TTLS = 2;

/** The records that are to go, and those that are to stay. */
export function ways({ direction, old, next }: Rollover): { from: readonly string[]; to: readonly string[] } {
  return direction === 'forward' ? { from: old, to: next } : { from: next, to: old };
}

/** What is known after a look. */
export function remember(rollover: Rollover, view: RolloverView, now: number): Rollover {
  const isKnown = view.servers.length > 0 && view.servers.every(({ records }) => records !== null);
  const everywhere = view.secure && isKnown ? published(view).filter((each) => hasEvery(view, [each])) : [];
  const since = Object.fromEntries(everywhere.map((record) => [record, rollover.since[record] ?? now]));
  const retiring = rollover.retiring.filter((record) => !isKnown || published(view).includes(record));
  return { ...rollover, ...ttlAfter(rollover, view, isKnown, now), since, retiring, lastLook: now };
}

/** Nobody knows how long it has been where the clock was set meanwhile: what was waited for is waited for anew. */
export function afterClockChange(rollover: Rollover, now: number): Rollover {
  return { ...rollover, since: {}, ttlSeen: now, lastLook: now };
}

/** A shorter TTL counts only when the longer one has run out everywhere. */
function ttlAfter(
  { ttl, ttlSeen }: Rollover,
  view: RolloverView,
  isKnown: boolean,
  now: number,
): Pick<Rollover, 'ttl' | 'ttlSeen'> {
  const isOver = isKnown && now - ttlSeen > TTLS * ttl * 1000;
  return view.ttl >= ttl || isOver ? { ttl: view.ttl, ttlSeen: now } : { ttl, ttlSeen };
}

/** To be written down before the decision is carried out. */
export function intended(rollover: Rollover, decision: Decision): Rollover {
  if (decision.action !== 'retire') return rollover;
  return { ...rollover, retiring: [...new Set([...rollover.retiring, ...decision.records])] };
}

/** What is known once the decision was carried out, or told. */
export function noted(rollover: Rollover, { action }: Decision): Rollover {
  return action === 'retire' ? { ...rollover, retired: true } : rollover;
}

/** The way back. What was published may still be on its way to some servers, and has to be taken back even so. */
export function calledOff(rollover: Rollover): Rollover {
  if (rollover.direction === 'back') return rollover;
  return { ...rollover, direction: 'back', retired: false, hold: false, standby: null };
}

/** @param rollover as `remember` gave it */
export function decide(rollover: Rollover, view: RolloverView, now: number): Decision {
  const { from, to } = ways(rollover);
  const silent = view.servers.filter(({ records }) => records === null);
  if (view.servers.length === 0) return wait('no authoritative name server could be asked');
  if (silent.length > 0) {
    const list = silent.map(({ name, why }) => (why === undefined ? name : `${name} (${why})`)).join(', ');
    return wait(`these name servers could not be asked: ${list}`);
  }
  if (view.name !== null && view.name !== rollover.name) {
    return stop(
      `the records are looked for at ${view.name} now, and it began with ${rollover.name}: where they are was changed meanwhile`,
    );
  }
  const unseen = view.shown.filter(({ matched }) => matched === null).map(({ address }) => address);
  if (view.shown.length === 0) return wait('no address of the server could be asked');
  if (unseen.length > 0) return wait(`these addresses could not be asked: ${unseen.join(', ')}`);
  const what = rollover.changes === 'key' ? 'key' : 'issuer';
  switch (shownNow(view, from, to)) {
    case 'from':
      return beforeSwitch(rollover, view, now);
    case 'to':
      return afterSwitch(rollover, view);
    case 'both':
      return wait(`not every address shows the same ${what} yet: finish the switch on all of them`);
    case 'neither':
      return stop(
        `an address shows a certificate whose ${what} is neither the one before nor the one to come; see "danelaw tlsa verify ${rollover.host}"`,
      );
  }
}

function beforeSwitch(rollover: Rollover, view: RolloverView, now: number): Decision {
  const { from, to } = ways(rollover);
  const leaving = to.filter((record) => rollover.retiring.includes(record));
  if (leaving.length > 0) {
    const reason =
      'they were being removed when it was called off, and are to be gone everywhere before they are published anew';
    return hasEvery(view, from)
      ? { action: 'retire', records: leaving, reason }
      : { action: 'publish', records: from, reason: 'not every name server has the records in use' };
  }
  return towardsSwitch(rollover, { ...view, prepared: preparedFor(rollover, view) }, now);
}

function towardsSwitch(rollover: Rollover, view: RolloverView, now: number): Decision {
  const isForward = rollover.direction === 'forward';
  const fault = isForward ? faultOfPrepared(rollover, view) : undefined;
  if (fault !== undefined) return stop(fault);
  // On the way back nobody knows the old chain well enough to rely on anything but its own records.
  const early = isForward && rollover.order === 'after' ? whileOthersCarry : whilePublishing;
  const decision = early(rollover, view, now) ?? (isForward ? wantingCertificate(rollover, view) : undefined);
  if (decision !== undefined) return decision;
  const reason =
    isForward && rollover.order === 'after'
      ? 'every name server has had other records that match what is to come for twice the TTL'
      : `every name server has had the records of both ${rollover.changes}s for twice the TTL`;
  return { action: rollover.hold ? 'ready' : 'switch', reason };
}

/** RFC 7671 section 8.1. @returns undefined where the switch may be made */
function whilePublishing(rollover: Rollover, view: RolloverView, now: number): Decision | undefined {
  const { from, to } = ways(rollover);
  const all = [...from, ...to];
  const missing = all.filter((record) => !hasEvery(view, [record]));
  const reason = `not every name server has the records of both ${rollover.changes}s`;
  // Nobody is ever to be without the record of what is in use.
  if (missing.length > 0) return { action: 'publish', records: missing, reason };
  if (!view.secure) return unvalidated(view);
  const times = all.map((record) => rollover.since[record]);
  const known = times.filter((time) => time !== undefined);
  if (known.length < times.length) return wait(reason);
  return untilOld(
    rollover,
    Math.max(...known),
    now,
    'resolvers may still have records without the new one: all servers must have had both',
  );
}

/**
 * The records of the other kind match the next chain, and every resolver has them (RFC 7672 section 3.2: one match is enough).
 *
 * @returns undefined where the switch may be made
 */
function whileOthersCarry(rollover: Rollover, view: RolloverView, now: number): Decision | undefined {
  const { from, to } = ways(rollover);
  const missing = from.filter((record) => !hasEvery(view, [record]));
  const reason = 'not every name server has the records in use';
  if (missing.length > 0) return { action: 'publish', records: missing, reason };
  const { prepared } = view;
  if (prepared.status !== 'given') return wait(WANTED);
  if (!view.secure) return unvalidated(view);
  const times: number[] = [];
  for (const { matched } of prepared.chains) {
    const carrying = published(view).filter((record) => matched.includes(record) && !to.includes(record));
    const known = carrying.map((record) => rollover.since[record]).filter((time) => time !== undefined);
    if (carrying.length === 0) return stop(NOT_CARRIED);
    if (known.length === 0) return wait(`not every name server has ${carrying.join(', ')}`);
    times.push(Math.min(...known));
  }
  return untilOld(
    rollover,
    Math.max(...times),
    now,
    'resolvers may still have records that do not match the next certificate: all servers must have had one that does',
  );
}

const NOT_CARRIED =
  'no record that is published matches the next certificate but those that were to follow: begin anew, with the order "before"';

function untilOld({ ttl }: Rollover, since: number, now: number, why: string): Decision | undefined {
  if (now < since) {
    return stop('the clock was set back: it is earlier than when the records were first seen');
  }
  const until = since + TTLS * ttl * 1000;
  return now < until
    ? { action: 'wait', reason: `${why} for twice the TTL (${TTLS * ttl} s)`, until }
    : undefined;
}

const WANTED =
  'the next certificate is not there: put it, with its issuers behind it, into next.pem in the folder, so that it can be ' +
  'compared with all records that are published (RFC 7671 section 8)';

/** What is published beside the changed records can be compared only with a certificate. */
function wantingCertificate({ next }: Rollover, view: RolloverView): Decision | undefined {
  if (view.prepared.status === 'given') return undefined;
  const covered = combinationsIn(next);
  return combinationsIn(published(view)).every((each) => covered.includes(each)) ? undefined : wait(WANTED);
}

/** The certificate of the roll-over before this one may lie there still. */
function preparedFor({ old, next }: Rollover, { prepared }: RolloverView): RolloverView['prepared'] {
  if (prepared.status !== 'given') return prepared;
  const isOf = (records: readonly string[]) =>
    prepared.chains.some(({ matched }) => records.some((record) => matched.includes(record)));
  return !isOf(next) && isOf(old) ? { status: 'absent' } : prepared;
}

/** Each combination that is published must match the certificate that is to come (RFC 7671 section 8). */
function faultOfPrepared(
  { next, changes }: Rollover,
  { prepared, ...view }: RolloverView,
): string | undefined {
  if (prepared.status === 'absent') return undefined;
  if (prepared.status === 'unfit') return prepared.reason;
  const wanted = combinationsIn([...published(view), ...next]);
  for (const { matched, refused } of prepared.chains) {
    if (!next.some((record) => matched.includes(record))) {
      return `the certificate in next.pem has not the ${changes} that is to come`;
    }
    const wanting = wanted.filter((each) => !combinationsIn(matched).includes(each));
    if (wanting.length === 0) continue;
    const reasons = refused.filter(({ record }) =>
      combinationsIn([record]).some((each) => wanting.includes(each)),
    );
    return (
      `the next certificate matches no record with ${wanting.join(', ')}, which is published too (RFC 7671 section 8): ` +
      reasons.map(({ reason }) => reason).join('; ')
    );
  }
  return undefined;
}

function afterSwitch(rollover: Rollover, view: RolloverView): Decision {
  const { from, to } = ways(rollover);
  const mustSay = rollover.direction === 'back' && !rollover.retired;
  if (!hasEvery(view, to)) {
    const records = to.filter((record) => !hasEvery(view, [record]));
    return {
      action: 'publish',
      records,
      reason: `the server shows ${rollover.changes === 'key' ? 'a key' : 'an issuer'} whose records not every name server has`,
    };
  }
  const bad = view.shown.filter(({ unmatched }) => unmatched.length > 0);
  if (bad.length > 0) {
    const list = bad.map(({ address, unmatched }) => `${address}: ${unmatched.join(', ')}`).join('; ');
    return stop(
      `what the server shows matches none of the records with these parameters (${list}), so that clients which know only those ` +
        'refuse it (RFC 7671 section 8): have it send the certificate that was meant, with its issuers, or call it off',
    );
  }
  const left = mustSay ? from : from.filter((record) => published(view).includes(record));
  if (left.length > 0) {
    return {
      action: 'retire',
      records: left,
      reason: `every address shows the ${rollover.changes} whose records are to stay`,
    };
  }
  return {
    action: 'done',
    reason: 'every address shows it, and every name server has its records and no others of this roll-over',
  };
}

const unvalidated = ({ doubt }: RolloverView): Decision =>
  wait(`our own resolver can not validate the records${doubt === undefined ? ' yet' : `: ${doubt}`}`);
const wait = (reason: string): Decision => ({ action: 'wait', reason, until: null });
const stop = (reason: string): Decision => ({ action: 'stop', reason });

/** On any server. */
const published = ({ servers }: Pick<RolloverView, 'servers'>): readonly string[] => [
  ...new Set(servers.flatMap(({ records }) => records ?? [])),
];

function hasEvery({ servers }: RolloverView, wanted: readonly string[]): boolean {
  const has = (records: readonly string[] | null) => wanted.every((record) => records?.includes(record));
  return servers.length > 0 && servers.every(({ records }) => has(records));
}

function shownNow(
  { shown }: RolloverView,
  from: readonly string[],
  to: readonly string[],
): 'from' | 'to' | 'both' | 'neither' {
  const matches = (records: readonly string[]) =>
    shown.map(({ matched }) => matched?.some((each) => records.includes(each)));
  const [isFrom, isTo] = [matches(from), matches(to)];
  if (isFrom.some((each, index) => each !== true && isTo[index] !== true)) return 'neither';
  if (!isTo.includes(true)) return 'from';
  return isFrom.includes(true) ? 'both' : 'to';
}
