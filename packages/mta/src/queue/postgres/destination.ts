/**
 * Whose turn it is: the table of destinations.
 *
 * A claim must not look at a million recipients to find the few that are due, and one destination with all
 * of them must not stand in front of the others. So each destination is in one of three states:
 *
 * - *ready*: `turn` is its place in the round, a number from a sequence. Claims visit the lowest first; a
 *   destination that was served and has more goes to the end.
 * - *waiting*: `turn` is null, and `next_due` says when it has something to do (null: nothing that is known).
 *   Where that time has come, a claim makes it ready.
 * - *blocked*: waiting for one of its claims to end, because as many live as may. A settlement makes it
 *   ready.
 *
 * Whoever brings work (an addition, a settlement, a lease that ran out) *gives* it: holds a KEY SHARE lock of
 * the row up to its commit, and changes the row only where it does not already say enough. Such locks do not
 * disturb each other, nor a claim, which holds a NO KEY UPDATE lock. Only where a claim finds nothing more to
 * do and wants the destination to wait, it takes the row FOR UPDATE, without waiting for that: if it can't
 * have it, somebody is just giving work, and the destination stays ready. So a gift is never overlooked, and
 * a claim never waits.
 */
import type { DestinationState } from '../queue.js';
import type { Session, Statement } from './database.js';

/** Work that came, or room for it. */
export interface Gift {
  readonly destination: string;
  /** When it is due; undefined where there is only room. */
  readonly due: number | undefined;
  /** A claim ended. */
  readonly freed: boolean;
}

/** Deleted between two looks: once is chance, more often than this a fault. */
const MAX_LOOKS = 10;

const LOOK: Statement = {
  name: 'destination-look',
  text: `select name, turn is not null as ready, blocked, next_due, not_before
    from destination where name = any($1::text[]) for key share`,
};
const FOUND: Statement = {
  name: 'destination-found',
  text: `insert into destination (name, next_due)
    select name, due from unnest($1::text[], $2::float8[]) as given (name, due) order by name
    on conflict (name) do nothing returning name`,
};
const RAISE: Statement = {
  name: 'destination-raise',
  text: `with given as (
      select d.name, g.due, g.freed
      from unnest($1::text[], $2::float8[], $3::boolean[]) as g (name, due, freed)
      join destination d on d.name = g.name order by d.name for no key update of d
    )
    update destination d set
      turn = case when g.freed and d.blocked then coalesce(d.turn, nextval('turn')) else d.turn end,
      blocked = d.blocked and not g.freed,
      next_due = case when g.due is null then d.next_due
        else least(d.next_due, greatest(g.due, d.not_before)) end
    from given g where d.name = g.name`,
};
export const NOTIFY: Statement = {
  name: 'notify',
  text: "select pg_notify('danelaw_' || current_schema(), '')",
};

interface Seen {
  readonly name: string;
  readonly ready: boolean;
  readonly blocked: boolean;
  readonly next_due: number | null;
  readonly not_before: number;
}

/** Last in a transaction: what it locks is what everybody else needs. */
export async function give(session: Session, gifts: readonly Gift[]): Promise<void> {
  const open = merge(gifts);
  const raised: Gift[] = [];
  let news = false;
  for (let looks = 0; open.size > 0; looks++) {
    if (looks === MAX_LOOKS) throw new Error('destinations come and go too fast');
    for (const seen of await session.query<Seen>(LOOK, [[...open.keys()]])) {
      const gift = open.get(seen.name);
      open.delete(seen.name);
      if (gift !== undefined && matters(gift, seen)) raised.push(gift);
    }
    const missing = [...open.values()];
    if (missing.length === 0) break;
    const added = await session.query<{ name: string }>(FOUND, [
      missing.map(({ destination }) => destination),
      missing.map(({ due }) => due ?? null),
    ]);
    for (const { name } of added) open.delete(name);
    news ||= added.length > 0;
  }
  if (raised.length > 0) {
    await session.query(RAISE, [
      raised.map(({ destination }) => destination),
      raised.map(({ due }) => due ?? null),
      raised.map(({ freed }) => freed),
    ]);
  }
  if (news || raised.length > 0) await session.query(NOTIFY, []);
}

function matters({ due, freed }: Gift, seen: Seen): boolean {
  if (seen.ready) return false;
  if (seen.blocked) return freed;
  return due !== undefined && (seen.next_due === null || Math.max(due, seen.not_before) < seen.next_due);
}

function merge(gifts: readonly Gift[]): Map<string, Gift> {
  const merged = new Map<string, Gift>();
  for (const gift of gifts) {
    const other = merged.get(gift.destination);
    const dues = [gift.due, other?.due].filter((due) => due !== undefined);
    merged.set(gift.destination, {
      destination: gift.destination,
      due: dues.length === 0 ? undefined : Math.min(...dues),
      freed: gift.freed || other?.freed === true,
    });
  }
  return merged;
}

/** A back-off that ends earlier than was said makes the destination ready: the next claim looks. */
export const SET_STATE: Statement = {
  name: 'destination-set',
  text: `with told as (
      insert into destination as d (name, known, not_before, failures, reason)
      values ($1, true, $2, $3, $4)
      on conflict (name) do update set
        known = true, not_before = excluded.not_before, failures = excluded.failures,
        reason = excluded.reason,
        turn = case when d.turn is null and excluded.not_before < d.not_before
          then nextval('turn') else d.turn end
      returning turn is not null as ready
    )
    select case when ready then pg_notify('danelaw_' || current_schema(), '') end from told`,
};
export const FORGET_STATE: Statement = {
  name: 'destination-forget',
  text: `with told as (
      update destination set known = false, not_before = '-infinity', failures = 0, reason = '',
        turn = coalesce(turn, nextval('turn')), blocked = false
      where name = any($1::text[]) and known returning name
    )
    select pg_notify('danelaw_' || current_schema(), '') from told limit 1`,
};

/** The texts of the database have no NUL. */
export const withoutNul = (text: string): string => text.replaceAll('\0', '\ufffd');

export function stateValues({ destination, notBefore, failures, reason }: DestinationState) {
  return [destination, notBefore, failures, withoutNul(reason)];
}

/** A page of them, by name. */
export const KNOWN: Statement = {
  name: 'destination-known',
  text: `select name, not_before, failures, reason from destination
    where known and name > $1 order by name limit $2`,
};

export interface KnownRow {
  readonly name: string;
  readonly not_before: number;
  readonly failures: number;
  readonly reason: string;
}

/** Those that have neither work nor a history; and slots and writers that nobody uses any more. */
export const SWEEP: readonly Statement[] = [
  {
    name: 'sweep-destinations',
    text: `delete from destination where name in (
        select name from destination d
        where turn is null and next_due is null and not known and not exists (
          select from work w where w.destination = d.name)
        limit 1000 for update skip locked)
      and not exists (select from work w where w.destination = destination.name)`,
  },
  { name: 'sweep-slots', text: 'delete from slot where leased_until <= clock_timestamp()' },
  {
    name: 'sweep-writers',
    text: "delete from writer where used < clock_timestamp() - interval '1 day'",
  },
];
