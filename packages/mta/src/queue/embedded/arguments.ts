/** What the queue refuses before it asks the disk. */
import type { Claim, NewMessage, Settlement } from '../queue.js';
import { isQueueId } from '../queue-id.js';

/** Destinations are parts of keys, which separate their parts by a space, and are ordered as octets. */
const DESTINATION = /^[\x21-\x7e]{1,512}$/u;

/** @throws RangeError */
export function mustBeMessage({ id, recipients }: NewMessage): void {
  if (!isQueueId(id)) throw new RangeError(`${JSON.stringify(id)} is no name of a message`);
  if (recipients.length === 0) throw new RangeError(`the message ${id} has no recipients`);
  for (const { destination } of recipients) mustBeDestination(destination);
}

/** @throws RangeError */
export function mustBeDestination(destination: string): void {
  if (DESTINATION.test(destination)) return;
  throw new RangeError(`${JSON.stringify(destination)} is no destination in A-labels`);
}

/** @throws RangeError */
export function mustBeSettlement(claim: Claim, { recipients, followUps }: Settlement): void {
  if (recipients.length !== claim.recipients.length || !namesAll(claim, recipients)) {
    throw new RangeError(`a settlement of ${claim.id} has to name each recipient of the claim once`);
  }
  for (const message of followUps) mustBeMessage(message);
}

function namesAll(claim: Claim, settlements: Settlement['recipients']): boolean {
  // Nearly all have one recipient.
  if (settlements.length === 1) return settlements[0]?.index === claim.recipients[0]?.index;
  const named = new Set(settlements.map(({ index }) => index));
  return claim.recipients.every(({ index }) => named.has(index));
}
