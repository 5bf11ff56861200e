/**
 * Ends claims: many at a time, in one transaction.
 *
 * The messages' rows are locked first, in the order of their ids: two nodes that settle the last two
 * recipients of one message would each see the other's, and neither would remove the body.
 *
 * A settlement counts as long as nobody else has claimed the work since, even where its lease is over: what
 * was delivered was delivered. The fence is taken away with it, so that it counts once.
 */
import type { Claim, LastTry, NewMessage, Settled, Settlement } from '../queue.js';
import type { Session, Statement, Value } from './database.js';
import { type Gift, give } from './destination.js';
import { keep } from './keep.js';
import { comparable } from './row.js';

/** One that ends a claim; without a settlement it is given back untried. */
export interface Ending {
  readonly claim: Claim;
  readonly settlement: Settlement | undefined;
}

const LOCK_MESSAGES: Statement = {
  name: 'settle-lock-messages',
  text: 'select from message where id = any($1::text[]) order by id for no key update',
};
const LOCK_WORK: Statement = {
  name: 'settle-lock-work',
  text: `select w.message, w.destination, w.fence::float8 as fence
    from unnest($1::text[], $2::text[]) as s (message, destination)
    join work w on w.message = s.message and w.destination = s.destination
    order by w.message, w.destination for update of w`,
};
const DONE: Statement = {
  name: 'settle-done',
  text: `delete from recipient r
    using unnest($1::text[], $2::text[], $3::integer[]) as s (message, destination, place)
    where r.message = s.message and r.destination = s.destination and r.place = s.place
    returning r.message, r.destination`,
};
const AGAIN: Statement = {
  name: 'settle-again',
  text: `update recipient r set
      due = s.due, warned = s.warned, last = s.last::json, reason = s.reason, attempts = r.attempts + 1
    from unnest($1::text[], $2::text[], $3::integer[], $4::float8[], $5::boolean[], $6::text[], $7::text[])
      as s (message, destination, place, due, warned, last, reason)
    where r.message = s.message and r.destination = s.destination and r.place = s.place
    returning r.message, r.destination`,
};
/** What `work` says follows from its recipients; `$3`: the lease ends with it. */
export const RENEW_WORK: Statement = {
  name: 'work-from-recipients',
  text: `with remains as (
      select s.message, s.destination, r.recipients, r.due
      from unnest($1::text[], $2::text[]) as s (message, destination)
      cross join lateral (
        select count(*) as recipients, min(due) filter (where not held) as due from recipient r
        where r.message = s.message and r.destination = s.destination) r
    ), gone as (
      delete from work w using remains s
      where s.recipients = 0 and w.message = s.message and w.destination = s.destination
    )
    update work w set due = s.due,
      fence = case when $3 then 0 else w.fence end,
      leased_until = case when $3 then null else w.leased_until end,
      node = case when $3 then null else w.node end
    from remains s
    where s.recipients > 0 and w.message = s.message and w.destination = s.destination
    returning w.destination, w.due, w.leased_until is not null as leased`,
};
export const REMOVE_EMPTY: Statement = {
  name: 'remove-empty-messages',
  text: `with gone as (
      delete from message m where m.id = any($1::text[])
        and not exists (select from recipient r where r.message = m.id)
      returning m.id
    )
    delete from body b using gone where b.message = gone.id`,
};

interface WorkName {
  readonly message: string;
  readonly destination: string;
}

const nameOf = ({ message, destination }: WorkName): string => `${message} ${destination}`;
export const workNameOf = (claim: Claim): string =>
  nameOf({ message: claim.id, destination: claim.destination });

/** One answer for each ending, and the messages that came of it are in the queue. */
export async function settle(session: Session, endings: readonly Ending[]): Promise<Settled[]> {
  const claims = endings.map(({ claim }) => claim);
  await session.query(LOCK_MESSAGES, [[...new Set(claims.map(({ id }) => id))]]);
  const fences = new Map<string, number>();
  const locked = await session.query<WorkName & { fence: number }>(LOCK_WORK, columns(claims));
  for (const row of locked) fences.set(nameOf(row), row.fence);
  const mine = endings.filter(({ claim }) => {
    const name = workNameOf(claim);
    if (fences.get(name) !== claim.fence) return false;
    // Where somebody settles one claim twice, the first counts.
    fences.delete(name);
    return true;
  });
  const touched = await settleRecipients(session, mine);
  const settled = mine.filter(
    ({ claim, settlement }) => settlement === undefined || touched.has(workNameOf(claim)),
  );
  const remaining = await session.query<{ destination: string; due: number | null }>(RENEW_WORK, [
    ...columns(mine.map(({ claim }) => claim)),
    true,
  ]);
  await session.query(REMOVE_EMPTY, [[...new Set(mine.map(({ claim }) => claim.id))]]);
  const followUps: NewMessage[] = settled.flatMap(({ settlement }) => settlement?.followUps ?? []);
  const gifts: Gift[] = await keep(session, followUps);
  for (const { claim } of mine) {
    gifts.push({ destination: claim.destination, due: undefined, freed: true });
  }
  for (const { destination, due } of remaining) {
    gifts.push({ destination, due: due ?? undefined, freed: true });
  }
  await give(session, gifts);
  const counted = new Set(settled);
  return endings.map((ending) => {
    if (counted.has(ending)) return { status: 'settled' };
    const { claim } = ending;
    const reason = fences.has(workNameOf(claim))
      ? 'the lease ran out, and the work was claimed again or settled since'
      : 'the work is not in the queue any more';
    return { status: 'lost', reason };
  });
}

/** The work of which at least one recipient was still there. */
async function settleRecipients(session: Session, endings: readonly Ending[]): Promise<Set<string>> {
  const done: Recipient[] = [];
  const again: (Recipient & { due: number; warned: boolean; last: LastTry })[] = [];
  for (const { claim, settlement } of endings) {
    for (const recipient of settlement?.recipients ?? []) {
      const which = { message: claim.id, destination: claim.destination, place: recipient.index };
      switch (recipient.outcome) {
        case 'done':
          done.push(which);
          break;
        case 'again':
          again.push({ ...which, due: recipient.due, warned: recipient.warned, last: recipient.last });
          break;
      }
    }
  }
  const touched = new Set<string>();
  if (done.length > 0) {
    for (const row of await session.query<WorkName>(DONE, places(done))) touched.add(nameOf(row));
  }
  if (again.length > 0) {
    const rows = await session.query<WorkName>(AGAIN, [
      ...places(again),
      again.map(({ due }) => due),
      again.map(({ warned }) => warned),
      again.map(({ last }) => JSON.stringify(last)),
      again.map(({ last }) => comparable(last.reason)),
    ]);
    for (const row of rows) touched.add(nameOf(row));
  }
  return touched;
}

interface Recipient extends WorkName {
  readonly place: number;
}

function places(recipients: readonly Recipient[]): Value[] {
  return [
    recipients.map(({ message }) => message),
    recipients.map(({ destination }) => destination),
    recipients.map(({ place }) => place),
  ];
}

export function columns(claims: readonly Claim[]): Value[] {
  return [claims.map(({ id }) => id), claims.map(({ destination }) => destination)];
}
