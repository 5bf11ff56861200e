/** What a queue refuses before it asks the database. */
import type { Claim, NewMessage, Settlement } from '../queue.js';
import { isQueueId } from '../queue-id.js';

/** @throws RangeError */
export function mustBeMessage({ id, recipients }: NewMessage): void {
  if (!isQueueId(id)) throw new RangeError(`${JSON.stringify(id)} is no name of a message`);
  if (recipients.length === 0) throw new RangeError(`the message ${id} has no recipients`);
}

/** @throws RangeError */
export function mustBeSettlement(claim: Claim, { recipients, followUps }: Settlement): void {
  const named = new Set(recipients.map(({ index }) => index));
  const all = claim.recipients.every(({ index }) => named.has(index));
  if (!all || recipients.length !== claim.recipients.length) {
    throw new RangeError(`a settlement of ${claim.id} has to name each recipient of the claim once`);
  }
  followUps.forEach(mustBeMessage);
}
