/**
 * Keeps messages: many at a time, in two statements, whatever their number.
 *
 * The bodies of a batch go over as one piece, which the server cuts up: arrays of octets would be sent as
 * hexadecimal text.
 */
import { createHash } from 'node:crypto';
import type { NewMessage } from '../queue.js';
import type { Session, Statement } from './database.js';
import type { Gift } from './destination.js';
import { comparable, named, stateOf } from './row.js';

const KEEP_MESSAGES: Statement = {
  name: 'keep-messages',
  text: `with fresh as (
      insert into message (id, arrived, size, sender, envelope)
      select id, arrived, size, sender, envelope::json
      from unnest($1::text[], $2::float8[], $3::float8[], $4::text[], $5::text[])
        as m (id, arrived, size, sender, envelope)
      on conflict (id) do nothing returning id
    )
    insert into body (message, sha256, octets)
    select b.id, decode(b.sha256, 'hex'), substring($6::bytea from b.start for b.length)
    from unnest($1::text[], $7::text[], $8::integer[], $9::integer[]) as b (id, sha256, start, length)
    where b.id in (select id from fresh)
    returning message`,
};
const KEEP_RECIPIENTS: Statement = {
  name: 'keep-recipients',
  text: `insert into recipient
      (message, destination, place, address, named, held, due, attempts, warned, last, reason)
    select message, destination, place, address, named::json, held, due, attempts, warned, last::json, reason
    from unnest($1::text[], $2::text[], $3::integer[], $4::text[], $5::text[], $6::boolean[], $7::float8[],
      $8::integer[], $9::boolean[], $10::text[], $11::text[])
      as r (message, destination, place, address, named, held, due, attempts, warned, last, reason)`,
};
const KEEP_WORK: Statement = {
  name: 'keep-work',
  text: `insert into work (message, destination, due)
    select message, destination, min(due) filter (where not held)
    from unnest($1::text[], $2::text[], $3::boolean[], $4::float8[]) as r (message, destination, held, due)
    group by message, destination`,
};

/**
 * Gives what is to be given to destinations at the end of the transaction.
 * @throws (rejects) where there is a message of one of the ids already
 */
export async function keep(session: Session, messages: readonly NewMessage[]): Promise<Gift[]> {
  if (messages.length === 0) return [];
  let end = 0;
  const starts = messages.map(({ body }) => {
    const start = end;
    end += body.length;
    // PostgreSQL counts from 1.
    return start + 1;
  });
  const rows = await session.query<{ message: string }>(KEEP_MESSAGES, [
    messages.map(({ id }) => id),
    messages.map(({ envelope }) => envelope.arrived),
    messages.map(({ body }) => body.length),
    messages.map(({ envelope }) => comparable(envelope.from)),
    messages.map(({ envelope }) => JSON.stringify(envelope)),
    Buffer.concat(messages.map(({ body }) => body)),
    messages.map(({ body }) => createHash('sha256').update(body).digest('hex')),
    starts,
    messages.map(({ body }) => body.length),
  ]);
  const fresh = new Set(rows.map(({ message }) => message));
  const known = messages.find(({ id }) => !fresh.has(id));
  if (known !== undefined) throw new Error(`the queue has a message ${known.id} already`);
  const recipients = messages.flatMap(({ id, envelope, recipients }) =>
    recipients.map((recipient, place) => {
      const state = stateOf(recipient, envelope.arrived);
      return { id, place, recipient, state };
    }),
  );
  const ids = recipients.map(({ id }) => id);
  const destinations = recipients.map(({ recipient }) => recipient.destination);
  const held = recipients.map(({ state }) => state.held);
  const due = recipients.map(({ state }) => state.due);
  await session.query(KEEP_RECIPIENTS, [
    ids,
    destinations,
    recipients.map(({ place }) => place),
    recipients.map(({ recipient }) => comparable(recipient.address)),
    recipients.map(({ recipient }) => named(recipient)),
    held,
    due,
    recipients.map(({ state }) => state.attempts),
    recipients.map(({ state }) => state.warned),
    recipients.map(({ state }) => (state.last === undefined ? null : JSON.stringify(state.last))),
    recipients.map(({ state }) => (state.last === undefined ? null : comparable(state.last.reason))),
  ]);
  await session.query(KEEP_WORK, [ids, destinations, held, due]);
  return recipients.map(({ recipient, state }) => ({
    destination: recipient.destination,
    due: state.held ? undefined : state.due,
    freed: false,
  }));
}
