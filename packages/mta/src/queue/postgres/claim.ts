/**
 * Hands out work: one transaction that visits the destinations whose turn it is (`destination.ts`).
 *
 * A destination that is visited is locked until the commit, so that the count of its live claims is right
 * over all nodes. Rows that another node has locked are skipped: nobody waits.
 *
 * `now` decides what is due and what a back-off allows. How long a lease lives, the database's clock decides;
 * the end that the claimer is told is counted from the `now` that it gave before it asked, so it is earlier
 * than the database's.
 */
import type { Claim, ClaimBatch, ClaimRequest, QueuedEnvelope } from '../queue.js';
import type { Session, Statement } from './database.js';
import { give } from './destination.js';
import { RECIPIENT_COLUMNS, type RecipientRow, recipientOf } from './row.js';

/** Leases that are taken back in one claim. */
const MAX_REAPED = 1_000;
/**
 * Destinations that are looked at together, and how often, before the caller has to ask again. As many are
 * made ready at a time.
 */
const MIN_VISITED = 8;
const MAX_VISITED = 200;
const MAX_ROUNDS = 20;
/** Milliseconds after which a blocked destination is looked at in any case: its limit may have changed. */
const BLOCKED_AGAIN = 5_000;
/**
 * Milliseconds. Where somebody is giving work to a destination that was just looked at, what he gives is not
 * to be seen yet, and he won't call anybody, for he saw it ready.
 */
const BUSY_AGAIN = 50;

const REAP: Statement = {
  name: 'claim-reap',
  text: `with expired as (
      select message, destination from work where leased_until <= clock_timestamp()
      order by leased_until limit $1 for update skip locked
    )
    update work w set leased_until = null, node = null from expired e
    where w.message = e.message and w.destination = e.destination
    returning w.destination, w.due`,
};
const PROMOTE: Statement = {
  name: 'claim-promote',
  text: `with due as (
      select name from destination where turn is null and next_due <= $1
      order by next_due limit $2 for no key update skip locked
    )
    update destination d set turn = nextval('turn'), next_due = null, blocked = false
    from due where d.name = due.name`,
};
const ROUND: Statement = { name: 'claim-round', text: "select nextval('turn')::float8 as round" };
const VISIT: Statement = {
  name: 'claim-visit',
  text: `select name, not_before, turn::float8 as turn from destination
    where turn > $1 and turn < $2 order by destination.turn limit $3 for no key update skip locked`,
};
/** The first ready work of each, one more than may be claimed: it tells when to come again. */
const LOOK: Statement = {
  name: 'claim-look',
  text: `select d.name, d.most - live.claims as room, ready.message, ready.due
    from unnest($1::text[], $2::integer[]) with ordinality as d (name, most, place)
    cross join lateral (
      select count(*)::integer as claims from work w
      where w.destination = d.name and w.leased_until > clock_timestamp()) live
    cross join lateral (
      select w.message, w.due from work w
      where w.destination = d.name and w.leased_until is null and w.due is not null
      order by w.due, w.message limit greatest(least(d.most - live.claims, $3), 0) + 1) ready
    order by d.place, ready.due, ready.message`,
};
const TAKE: Statement = {
  name: 'claim-take',
  text: `with picked as (
      select w.message, w.destination from unnest($1::text[], $2::text[]) as p (message, destination)
      join work w on w.message = p.message and w.destination = p.destination
      where w.leased_until is null for update of w skip locked
    )
    update work w set fence = nextval('fence'), node = $4,
      leased_until = clock_timestamp() + $3::float8 * interval '1 millisecond'
    from picked p where w.message = p.message and w.destination = p.destination
    returning w.message, w.destination, w.fence::float8 as fence`,
};
const RECIPIENTS: Statement = {
  name: 'claim-recipients',
  text: `select ${RECIPIENT_COLUMNS}, m.envelope, m.size
    from unnest($1::text[], $2::text[]) as p (message, destination)
    join message m on m.id = p.message
    join recipient r on r.message = p.message and r.destination = p.destination
    where not r.held and r.due <= $3
    order by r.message, r.destination, r.place`,
};
const UNDO: Statement = {
  name: 'claim-undo',
  text: `update work w set leased_until = null, node = null
    from unnest($1::text[], $2::text[]) as p (message, destination)
    where w.message = p.message and w.destination = p.destination`,
};
const TO_THE_END: Statement = {
  name: 'claim-to-the-end',
  text: `update destination d set turn = nextval('turn')
    from unnest($1::text[]) as v (name) where d.name = v.name`,
};
const LOCK_FOR_REST: Statement = {
  name: 'claim-lock-for-rest',
  text: 'select name from destination where name = any($1::text[]) order by name for update skip locked',
};
/** Nobody gives now, so what is seen here is all there is. */
const REST: Statement = {
  name: 'claim-rest',
  text: `with seen as (
      select v.name, v.most, d.not_before, live.claims,
        (select min(w.due) from work w
          where w.destination = v.name and w.leased_until is null and w.due is not null) as due
      from unnest($1::text[], $2::integer[]) as v (name, most)
      join destination d on d.name = v.name
      cross join lateral (
        select count(*) as claims from work w
        where w.destination = v.name and w.leased_until > clock_timestamp()) live
    )
    update destination d set
      turn = case when s.due_now and s.claims < s.most then nextval('turn') end,
      blocked = s.due_now and s.claims >= s.most,
      next_due = case
        when s.due_now and s.claims < s.most then null
        when s.due_now then $3::float8 + $4::float8
        when s.due is not null then greatest(s.due, s.not_before) end
    from (select *, coalesce(due <= $3 and not_before <= $3, false) as due_now from seen) s
    where d.name = s.name
    returning d.turn is not null as ready`,
};
const NEXT: Statement = {
  name: 'claim-next',
  text: `select
    exists (select from destination where turn > $1 and turn < $2) as more,
    (select min(next_due) from destination
      where turn is null and next_due is not null and not blocked) as due`,
};

/** Whether there is anything to do at all: most calls are to find out that there is not. */
const GLANCE: Statement = {
  name: 'claim-glance',
  text: `select
    exists (select from destination where turn is not null)
      or exists (select from destination where turn is null and next_due <= $1)
      or exists (select from work where leased_until <= clock_timestamp()) as busy,
    (select min(next_due) from destination
      where turn is null and next_due is not null and not blocked) as due,
    (select oldest_compatible from danelaw_schema) as oldest`,
};

export interface Glance {
  readonly busy: boolean;
  readonly due: number | null;
  readonly oldest: number;
}

/** A look without locks, and without a commit. */
export async function glance(session: Session, now: number): Promise<Glance> {
  const [row] = await session.query<Glance>(GLANCE, [now]);
  if (row === undefined) throw new Error('a glance has one row');
  return row;
}

interface Visited {
  readonly name: string;
  readonly not_before: number;
  readonly turn: number;
}

interface Ready {
  readonly name: string;
  readonly room: number;
  readonly message: string;
  readonly due: number;
}

type TakenRow = RecipientRow & { readonly envelope: QueuedEnvelope; readonly size: number };

/** @param node who claims, for those who look into the database */
export async function claim(session: Session, request: ClaimRequest, node: string): Promise<ClaimBatch> {
  const { now, max } = request;
  const reaped = await session.query<{ destination: string; due: number | null }>(REAP, [MAX_REAPED]);
  if (reaped.length > 0) {
    await give(
      session,
      reaped.map(({ destination, due }) => ({ destination, due: due ?? undefined, freed: true })),
    );
  }
  await session.query(PROMOTE, [now, pageOf(max)]);
  const [end] = await session.query<{ round: number }>(ROUND, []);
  const round = end?.round ?? 0;
  const claims: Claim[] = [];
  let visitedTo = 0;
  let more = false;
  let busy = false;
  for (let rounds = 0; claims.length < max; rounds++) {
    if (rounds === MAX_ROUNDS) {
      more = true;
      break;
    }
    const page = pageOf(max - claims.length);
    const visited = await session.query<Visited>(VISIT, [visitedTo, round, page]);
    const last = visited.at(-1);
    if (last === undefined) break;
    const served = await serve(session, visited, { ...request, max: max - claims.length }, node);
    claims.push(...served.claims);
    more ||= served.more;
    busy ||= served.busy;
    visitedTo = last.turn;
    if (visited.length < page) break;
  }
  const [next] = await session.query<{ more: boolean; due: number | null }>(NEXT, [0, round]);
  // A destination that another node is claiming from keeps its place in this round, and may have more.
  if (more || next?.more === true) return { claims, nextDue: now };
  const dues = [next?.due ?? undefined, busy ? now + BUSY_AGAIN : undefined].filter(
    (due) => due !== undefined,
  );
  return { claims, nextDue: dues.length === 0 ? undefined : Math.min(...dues) };
}

async function serve(
  session: Session,
  visited: readonly Visited[],
  { now, max, limitOf, lease }: ClaimRequest,
  node: string,
): Promise<{ claims: Claim[]; more: boolean; busy: boolean }> {
  const limits = new Map(
    visited.map(({ name, not_before: notBefore }) => [name, notBefore > now ? 0 : wholeLimit(limitOf(name))]),
  );
  const rows = await session.query<Ready>(LOOK, [[...limits.keys()], [...limits.values()], max]);
  const ready = new Map<string, Ready[]>(visited.map(({ name }) => [name, []]));
  for (const row of rows) ready.get(row.name)?.push(row);
  const { picked, unserved } = takeTurns(ready, now, max);
  const claims = await take(session, picked, now, lease, node);

  // Where the batch was full before its turn came, a destination keeps it.
  const rest = [...ready.keys()].filter((name) => !unserved.has(name));
  const lockable = await session.query<{ name: string }>(LOCK_FOR_REST, [rest]);
  const free = new Set(lockable.map(({ name }) => name));
  const busy = rest.filter((name) => !free.has(name));
  if (busy.length > 0) await session.query(TO_THE_END, [busy]);
  // A destination that backs off is not blocked: its limit counts, not the zero that kept it from its turn.
  const most = [...free].map((name) => wholeLimit(limitOf(name)));
  const rested = await session.query<{ ready: boolean }>(REST, [[...free], most, now, BLOCKED_AGAIN]);
  const more = unserved.size > 0 || rested.some((destination) => destination.ready);
  return { claims, more, busy: busy.length > 0 };
}

const pageOf = (max: number): number => Math.min(Math.max(max, MIN_VISITED), MAX_VISITED);

const wholeLimit = (limit: number): number => Math.max(0, Math.min(Math.floor(limit), 1_000_000));

/** One of each destination in turn, until all have what they may or the batch is full. */
function takeTurns(ready: ReadonlyMap<string, readonly Ready[]>, now: number, max: number) {
  const picked: Ready[] = [];
  const unserved = new Set<string>();
  const queues = [...ready].map(([name, all]) => {
    const room = Math.max(0, all[0]?.room ?? 0);
    return { name, taken: 0, works: all.filter(({ due }) => due <= now).slice(0, room) };
  });
  for (let turn = 0, found = true; found && picked.length < max; turn++) {
    found = false;
    for (const queue of queues) {
      const work = queue.works[turn];
      if (work === undefined) continue;
      if (picked.length === max) break;
      found = true;
      picked.push(work);
      queue.taken++;
    }
  }
  for (const { name, works, taken } of queues) if (works.length > 0 && taken === 0) unserved.add(name);
  return { picked, unserved };
}

async function take(
  session: Session,
  picked: readonly Ready[],
  now: number,
  lease: number,
  node: string,
): Promise<Claim[]> {
  if (picked.length === 0) return [];
  const names = [picked.map(({ message }) => message), picked.map(({ name }) => name)];
  const taken = await session.query<{ message: string; destination: string; fence: number }>(TAKE, [
    ...names,
    lease,
    node,
  ]);
  const rows = await session.query<TakenRow>(RECIPIENTS, [...names, now]);
  const key = (message: string, destination: string) => `${message} ${destination}`;
  const fences = new Map(taken.map((row) => [key(row.message, row.destination), row.fence]));
  const recipients = new Map<string, TakenRow[]>();
  for (const row of rows) {
    const name = key(row.message, row.destination);
    const others = recipients.get(name);
    if (others === undefined) recipients.set(name, [row]);
    else others.push(row);
  }
  const claims: Claim[] = [];
  const empty: Ready[] = [];
  for (const work of picked) {
    const fence = fences.get(key(work.message, work.name));
    if (fence === undefined) continue;
    const mine = recipients.get(key(work.message, work.name));
    const [first] = mine ?? [];
    if (mine === undefined || first === undefined) {
      // Held, or put off, between the two looks.
      empty.push(work);
      continue;
    }
    claims.push({
      id: work.message,
      destination: work.name,
      envelope: first.envelope,
      size: first.size,
      recipients: mine.map(recipientOf),
      fence,
      leaseUntil: now + lease,
    });
  }
  if (empty.length > 0) {
    await session.query(UNDO, [empty.map(({ message }) => message), empty.map(({ name }) => name)]);
  }
  return claims;
}
