/**
 * Whether a filter names a message, and which of its recipients.
 */
import type { QueuedEnvelope, QueuedRecipient, QueueFilter } from '../queue.js';

/** What the filter says of the message as a whole. */
export function namesMessage(filter: QueueFilter, id: string, envelope: QueuedEnvelope): boolean {
  if (filter.id !== undefined && filter.id !== id) return false;
  if (filter.from !== undefined && !namesAddress(filter.from, envelope.from)) return false;
  if (filter.arrivedBefore !== undefined && envelope.arrived >= filter.arrivedBefore) return false;
  return filter.arrivedAfter === undefined || envelope.arrived > filter.arrivedAfter;
}

/** What the filter says of a recipient. */
export function namesRecipient(filter: QueueFilter, recipient: QueuedRecipient): boolean {
  const { address, destination, state } = recipient;
  if (filter.to !== undefined && !namesAddress(filter.to, address)) return false;
  if (filter.destination !== undefined && filter.destination !== destination) return false;
  if (filter.dueAfter !== undefined && state.due <= filter.dueAfter) return false;
  if (filter.reason !== undefined && !hasReason(filter, filter.reason, recipient)) return false;
  switch (filter.state) {
    case undefined:
      return true;
    case 'held':
      return state.held;
    case 'queued':
      return !state.held;
  }
}

function hasReason({ downFor = [] }: QueueFilter, reason: string, recipient: QueuedRecipient): boolean {
  const { destination, state } = recipient;
  return contains(state.last?.reason ?? '', reason) || downFor.includes(destination);
}

/** `pattern`: an address, `@domain`, or `<>`. */
function namesAddress(pattern: string, address: string): boolean {
  if (pattern === '<>') return address === '';
  const [wanted, given] = [pattern.toLowerCase(), address.toLowerCase()];
  return wanted.startsWith('@') ? given.endsWith(wanted) : given === wanted;
}

function contains(text: string, part: string): boolean {
  return text.toLowerCase().includes(part.toLowerCase());
}
