/**
 * From one key to the next, without a moment in which a sender could be refused (RFC 7671 sections 8.1 and 8.4).
 *
 * Both records are published; when every authoritative server has had both for twice the TTL, no resolver can still have an RRset
 * without the new one, and the server is switched; when every address shows the new key, the old record goes. What is to be
 * done next is decided anew each time, from what DNS and the server show *now*: all that has to be remembered is which records are
 * which, and since when all servers were seen to have both. So whatever was killed halfway is found as it is, and done again; and
 * going back is the same way with the two changed over.
 */
import type { RolloverView } from './rollover-view.js';

/** What is kept between two runs. */
export interface Rollover {
  readonly host: string;
  readonly port: number;
  /** Owner of the records: `_25._tcp.` the host, or what that is an alias of. */
  readonly name: string;
  readonly starttls: 'smtp' | 'imap' | 'pop3' | 'none';
  /** `back`: it was called off, and the way leads from the new key to the old. */
  readonly direction: 'forward' | 'back';
  /** Records as text (`3 1 1 0123...`), of the key in use at the start and of the one that is to come. */
  readonly old: readonly string[];
  readonly next: readonly string[];
  /** Milliseconds since the epoch: since when each look has found both everywhere; null where the last one did not. */
  readonly completeSince: number | null;
  /** Seconds: the longest that was seen. */
  readonly ttl: number;
  /** It was called off and said since then what has to go. Until then a publication may still be on its way. */
  readonly retired: boolean;
  /**
   * Records that somebody was told to remove, until they are gone from every server. Written down before he is told: where they
   * are to be published anew (it was called off), their removal must not arrive after that.
   */
  readonly retiring: readonly string[];
  /** Milliseconds since the epoch. */
  readonly lastLook: number;
}

export type Decision =
  | { readonly action: 'publish' | 'retire'; readonly records: readonly string[]; readonly reason: string }
  | { readonly action: 'switch'; readonly reason: string }
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
  const { from, to } = ways(rollover);
  const complete = view.secure && everyServerHas(view, [...from, ...to]) === 'yes';
  // A shorter TTL counts only when the longer one has run out everywhere.
  const ttl = Math.max(rollover.ttl, view.ttl);
  const isKnown = view.servers.length > 0 && view.servers.every(({ records }) => records !== null);
  const retiring = rollover.retiring.filter((record) => !isKnown || isAnywhere(view, record));
  const completeSince = complete ? (rollover.completeSince ?? now) : null;
  return { ...rollover, ttl, retiring, lastLook: now, completeSince };
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
  return rollover.direction === 'back' ? rollover : { ...rollover, direction: 'back', retired: false };
}

/** @param rollover as `remember` gave it */
export function decide(rollover: Rollover, view: RolloverView, now: number): Decision {
  const { from, to } = ways(rollover);
  const silent = view.servers.filter(({ records }) => records === null).map(({ name }) => name);
  if (view.servers.length === 0) return wait('no authoritative name server could be asked');
  if (silent.length > 0) return wait(`these name servers could not be asked: ${silent.join(', ')}`);
  const unseen = view.shown.filter(({ matched }) => matched === null).map(({ address }) => address);
  if (view.shown.length === 0) return wait('no address of the server could be asked');
  if (unseen.length > 0) return wait(`these addresses could not be asked: ${unseen.join(', ')}`);
  switch (shownNow(view, from, to)) {
    case 'from':
      return beforeSwitch(rollover, view, now);
    case 'to':
      return afterSwitch(rollover, view);
    case 'both':
      return wait('not every address shows the same key yet: finish the switch on all of them');
    case 'neither': {
      const reason = 'an address shows a key that is neither the one before nor the one to come';
      return { action: 'stop', reason: `${reason}; see "danelaw tlsa verify ${rollover.host}"` };
    }
  }
}

function beforeSwitch(rollover: Rollover, view: RolloverView, now: number): Decision {
  const { from, to } = ways(rollover);
  const leaving = to.filter((record) => rollover.retiring.includes(record));
  if (leaving.length > 0) {
    const reason =
      'they were being removed when it was called off, and are to be gone everywhere before they are published anew';
    return everyServerHas(view, from) === 'yes'
      ? { action: 'retire', records: leaving, reason }
      : {
          action: 'publish',
          records: from,
          reason: 'not every name server has the records of the key in use',
        };
  }
  // Nobody is ever to be without the record of the key in use.
  if (everyServerHas(view, [...from, ...to]) !== 'yes') {
    const missing = [...from, ...to].filter((record) => everyServerHas(view, [record]) !== 'yes');
    return {
      action: 'publish',
      records: missing,
      reason: 'not every name server has the records of both keys',
    };
  }
  if (!view.secure) return wait('our own resolver can not validate the records yet');
  if (rollover.completeSince === null) return wait('not every name server has the records of both keys');
  if (now < rollover.completeSince) {
    return {
      action: 'stop',
      reason: 'the clock was set back: it is earlier than when both records were first seen',
    };
  }
  const until = rollover.completeSince + TTLS * rollover.ttl * 1000;
  if (now < until) {
    const reason = `resolvers may still have records without the new one: all servers must have had both for twice the TTL (${rollover.ttl} s)`;
    return { action: 'wait', reason, until };
  }
  return { action: 'switch', reason: 'every name server has had the records of both keys for twice the TTL' };
}

function afterSwitch(rollover: Rollover, view: RolloverView): Decision {
  const { from, to } = ways(rollover);
  const mustSay = rollover.direction === 'back' && !rollover.retired;
  if (everyServerHas(view, to) !== 'yes') {
    return {
      action: 'publish',
      records: to,
      reason: 'the server shows a key whose records not every name server has',
    };
  }
  const left = mustSay ? from : from.filter((record) => isAnywhere(view, record));
  if (left.length > 0) {
    return {
      action: 'retire',
      records: left,
      reason: 'every address shows the key whose records are to stay',
    };
  }
  return {
    action: 'done',
    reason: 'every address shows it, and every name server has its records and no others of this roll-over',
  };
}

const wait = (reason: string): Decision => ({ action: 'wait', reason, until: null });

const isAnywhere = ({ servers }: RolloverView, record: string): boolean =>
  servers.some(({ records }) => records?.includes(record));

function everyServerHas({ servers }: RolloverView, wanted: readonly string[]): 'yes' | 'no' {
  const has = (records: readonly string[] | null) => wanted.every((record) => records?.includes(record));
  return servers.length > 0 && servers.every(({ records }) => has(records)) ? 'yes' : 'no';
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
