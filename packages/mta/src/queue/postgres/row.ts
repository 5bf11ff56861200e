/**
 * Messages and recipients as rows, and back.
 *
 * What filters compare has columns of its own, in lower case as JavaScript makes it. Everything else is JSON
 * text (`json`, not `jsonb`): it comes back character for character, even a NUL that a remote server wrote.
 */
import type {
  LastTry,
  NewRecipient,
  QueuedEnvelope,
  QueuedRecipient,
  QueueEntry,
  RecipientState,
} from '../queue.js';
import { withoutNul } from './destination.js';

/** As filters compare it. */
export const comparable = (text: string): string => withoutNul(text.toLowerCase());

export interface RecipientRow {
  readonly message: string;
  readonly destination: string;
  readonly place: number;
  readonly named: Named;
  readonly held: boolean;
  readonly due: number;
  readonly attempts: number;
  readonly warned: boolean;
  readonly last: LastTry | null;
}

export interface MessageRow {
  readonly id: string;
  readonly envelope: QueuedEnvelope;
  readonly size: number;
  readonly arrived: number;
}

export const RECIPIENT_COLUMNS =
  'r.message, r.destination, r.place, r.named, r.held, r.due, r.attempts, r.warned, r.last';

/** What of a recipient never changes. */
type Named = Pick<NewRecipient, 'address' | 'notify' | 'orcpt'>;

export function named({ address, notify, orcpt }: NewRecipient): string {
  return JSON.stringify({ address, notify, orcpt } satisfies Named);
}

/** A new recipient is due at once: when its message arrived. */
export function stateOf({ state }: NewRecipient, arrived: number): RecipientState {
  return state ?? { held: false, due: arrived, attempts: 0, warned: false, last: undefined };
}

export function recipientOf(row: RecipientRow): QueuedRecipient {
  const { named, destination, place, held, due, attempts, warned, last } = row;
  return {
    ...named,
    destination,
    index: place,
    state: { held, due, attempts, warned, last: last ?? undefined },
  };
}

/** Messages with their recipients, in the order of the messages; those without any are left out. */
export function entriesOf(messages: readonly MessageRow[], rows: readonly RecipientRow[]): QueueEntry[] {
  const recipients = new Map<string, RecipientRow[]>();
  for (const row of rows) {
    const others = recipients.get(row.message);
    if (others === undefined) recipients.set(row.message, [row]);
    else others.push(row);
  }
  return messages.flatMap(({ id, envelope, size }) => {
    const mine = recipients.get(id);
    if (mine === undefined) return [];
    return [{ id, envelope, size, recipients: mine.map(recipientOf).sort((a, b) => a.index - b.index) }];
  });
}
