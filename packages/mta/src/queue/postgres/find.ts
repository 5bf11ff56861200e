/**
 * Finds and changes recipients by a filter: page by page, so that a million of them are neither one answer
 * nor one transaction.
 *
 * A filter is always the same statement, with a null for what does not restrict. It is not prepared, so the
 * planner sees the values, and may read tables from end to end.
 */
import type { QueueAction, QueueCounts, QueueEntry, QueueFilter } from '../queue.js';
import type { Session, Statement, Value } from './database.js';
import { FORGET_STATE, give, NOTIFY } from './destination.js';
import { comparable, entriesOf, type MessageRow, RECIPIENT_COLUMNS, type RecipientRow } from './row.js';
import { REMOVE_EMPTY, RENEW_WORK } from './settle.js';

/** Messages. One of them may have thousands of recipients. */
const PAGE = 500;

/** `$1` to `$12`; `m` is a message. */
const MESSAGE_FITS = `($1::text is null or m.id = $1)
  and ($2::text is null or m.sender = $2)
  and ($3::text is null or right(m.sender, length($3)) = $3)
  and ($4::float8 is null or m.arrived < $4)
  and ($5::float8 is null or m.arrived > $5)`;
/** `r` is a recipient. */
const RECIPIENT_FITS = `($6::text is null or r.address = $6)
  and ($7::text is null or right(r.address, length($7)) = $7)
  and ($8::text is null or r.destination = $8)
  and ($9::text is null or strpos(r.reason, $9) > 0 or r.destination = any($12::text[]))
  and ($10::boolean is null or r.held = $10)
  and ($11::float8 is null or r.due > $11)`;
const FILTER_VALUES = 12;

const FIND_MESSAGES: Statement = {
  name: '',
  text: `select m.id, m.envelope, m.size, m.arrived from message m
    where ${MESSAGE_FITS} and (m.arrived, m.id) > ($13::float8, $14::text)
      and exists (select from recipient r where r.message = m.id and ${RECIPIENT_FITS})
    order by m.arrived, m.id limit $15`,
};
const FIND_RECIPIENTS: Statement = {
  name: '',
  text: `select ${RECIPIENT_COLUMNS} from message m join recipient r on r.message = m.id
    where m.id = any($13::text[]) and ${MESSAGE_FITS} and ${RECIPIENT_FITS}`,
};
const READ_MESSAGE: Statement = {
  name: 'read-message',
  text: 'select id, envelope, size, arrived from message where id = $1',
};
const READ_RECIPIENTS: Statement = {
  name: 'read-recipients',
  text: `select ${RECIPIENT_COLUMNS} from recipient r where r.message = $1`,
};
/** For a statement that reads much: the session's own settings are for those that read little. */
const ANY_PLAN: Statement = {
  name: '',
  text: `select set_config('statement_timeout', '0', true), set_config('enable_seqscan', 'on', true),
    set_config('enable_hashjoin', 'on', true), set_config('enable_mergejoin', 'on', true)`,
};

/** Where the last page ended. */
export interface Place {
  readonly arrived: number;
  readonly id: string;
}

export const START: Place = { arrived: Number.NEGATIVE_INFINITY, id: '' };

export interface Page {
  readonly entries: QueueEntry[];
  /** Undefined after the last page. */
  readonly next: Place | undefined;
}

export async function findPage(session: Session, filter: QueueFilter, after: Place): Promise<Page> {
  const values = filterValues(filter);
  await session.query(ANY_PLAN, []);
  const messages = await session.query<MessageRow>(FIND_MESSAGES, [...values, after.arrived, after.id, PAGE]);
  const ids = messages.map(({ id }) => id);
  const rows = await session.query<RecipientRow>(FIND_RECIPIENTS, [...values, ids]);
  const last = messages.at(-1);
  const next = messages.length < PAGE || last === undefined ? undefined : last;
  return { entries: entriesOf(messages, rows), next };
}

export async function readEntry(session: Session, id: string): Promise<QueueEntry | undefined> {
  const messages = await session.query<MessageRow>(READ_MESSAGE, [id]);
  const rows = await session.query<RecipientRow>(READ_RECIPIENTS, [id]);
  return entriesOf(messages, rows)[0];
}

const LOCK_MESSAGES: Statement = {
  name: '',
  text: 'select from message where id = any($1::text[]) order by id for no key update',
};
const LOCK_WORK: Statement = {
  name: '',
  text: `select message, destination from work where message = any($1::text[])
    order by message, destination for update`,
};
/** `$14` is the time of `retry`; every statement takes it, so that all have the same parameters. */
const CHANGED = `from message m where m.id = r.message and m.id = any($13::text[])
  and $14::float8 is not null and ${MESSAGE_FITS} and ${RECIPIENT_FITS} returning r.message, r.destination`;
const CHANGE: Readonly<Record<QueueAction, Statement>> = {
  hold: { name: '', text: `update recipient r set held = true ${CHANGED}` },
  release: { name: '', text: `update recipient r set held = false ${CHANGED}` },
  retry: { name: '', text: `update recipient r set due = $14 ${CHANGED}` },
  delete: { name: '', text: `delete from recipient r using ${CHANGED.slice('from '.length)}` },
};

/** Changes what the filter names in one page of messages. Resolves to the number of recipients. */
export async function changePage(
  session: Session,
  filter: QueueFilter,
  action: QueueAction,
  now: number,
  after: Place,
): Promise<{ count: number; next: Place | undefined }> {
  const values = filterValues(filter);
  await session.query(ANY_PLAN, []);
  const messages = await session.query<MessageRow>(FIND_MESSAGES, [...values, after.arrived, after.id, PAGE]);
  const ids = messages.map(({ id }) => id);
  const last = messages.at(-1);
  if (last === undefined) return { count: 0, next: undefined };
  await session.query(LOCK_MESSAGES, [ids]);
  await session.query(LOCK_WORK, [ids]);
  const changed = await session.query<{ message: string; destination: string }>(CHANGE[action], [
    ...values,
    ids,
    now,
  ]);
  const works = new Map(changed.map((row) => [`${row.message} ${row.destination}`, row]));
  const destinations = [...new Set(changed.map(({ destination }) => destination))];
  const remaining = await session.query<{ destination: string; due: number | null; leased: boolean }>(
    RENEW_WORK,
    [
      [...works.values()].map(({ message }) => message),
      [...works.values()].map(({ destination }) => destination),
      false,
    ],
  );
  if (action === 'delete') await session.query(REMOVE_EMPTY, [ids]);
  await give(session, [
    // What was deleted may have been claimed.
    ...destinations.map((destination) => ({ destination, due: undefined, freed: action === 'delete' })),
    ...remaining
      .filter(({ leased }) => !leased)
      .map(({ destination, due }) => ({ destination, due: due ?? undefined, freed: false })),
  ]);
  if (action === 'retry') await session.query(FORGET_STATE, [destinations]);
  if (action === 'retry' || action === 'release') await session.query(NOTIFY, []);
  return { count: changed.length, next: messages.length < PAGE ? undefined : last };
}

function filterValues(filter: QueueFilter): Value[] {
  const { id, from, to, destination, arrivedBefore, arrivedAfter, dueAfter, reason, state } = filter;
  const { downFor = [] } = filter;
  const sender = from === '<>' ? '' : from;
  const values = [
    id ?? null,
    ...addressValues(sender),
    arrivedBefore ?? null,
    arrivedAfter ?? null,
    ...addressValues(to),
    destination === undefined ? null : comparable(destination),
    reason === undefined ? null : comparable(reason),
    state === undefined ? null : state === 'held',
    dueAfter ?? null,
    downFor.map(comparable),
  ];
  if (values.length !== FILTER_VALUES) throw new Error('a filter has as many values as parameters');
  return values;
}

/** Whole, or by its domain. */
function addressValues(address: string | undefined): (string | null)[] {
  if (address === undefined) return [null, null];
  const text = comparable(address);
  return text.startsWith('@') ? [null, text] : [text, null];
}

const COUNTS: Statement = {
  name: '',
  text: `select m.messages, m.octets, r.recipients, r.held
    from (select count(*)::float8 as messages, coalesce(sum(size), 0)::float8 as octets from message) m,
      (select count(*)::float8 as recipients, count(*) filter (where held)::float8 as held from recipient) r`,
};

/** The number of messages between each two times: what is before the first has number 0. */
const BY_ARRIVAL: Statement = {
  name: '',
  text: `select width_bucket(arrived, $1::float8[]) as bucket, count(*)::float8 as messages
    from message group by 1`,
};

/** Reads the index of the arrivals: a third of a second, with a million messages. */
export async function countBefore(session: Session, times: readonly number[]): Promise<readonly number[]> {
  await session.query(ANY_PLAN, []);
  const rows = await session.query<{ bucket: number; messages: number }>(BY_ARRIVAL, [times]);
  return times.map((_, place) =>
    rows.filter(({ bucket }) => bucket <= place).reduce((sum, { messages }) => sum + messages, 0),
  );
}

/** Reads all of both tables: a second, with a million recipients. */
export async function count(session: Session): Promise<QueueCounts> {
  await session.query(ANY_PLAN, []);
  const [row] = await session.query<QueueCounts>(COUNTS, []);
  if (row === undefined) throw new Error('a count has one row');
  const { messages, recipients, held, octets } = row;
  return { messages, recipients, held, octets };
}
