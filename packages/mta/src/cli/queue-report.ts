/** Messages of the queue, in words. */
import type { QueuedRecipient, QueueEntry } from '../queue/queue.js';
import { printable } from './printable.js';
import { hanging, type Palette } from './terminal.js';

/** One line for each recipient: id, age, sender, recipient, state, and why it waits. */
export function describeLine(
  { id, envelope, recipients }: QueueEntry,
  palette: Palette,
  now: number,
): string[] {
  return recipients.map((recipient) => {
    const { address, state } = recipient;
    const words = [
      id,
      ago(now - envelope.arrived).padStart(4),
      printable(senderOf(envelope.from)),
      '->',
      printable(address),
      state.held ? palette.warn(stateOf(recipient, now)) : palette.faint(stateOf(recipient, now)),
    ];
    const reason = state.last === undefined ? [] : [`\n    ${palette.faint(printable(state.last.reason))}`];
    return words.join('  ') + reason.join('');
  });
}

/** All that is known of one message. */
export function describeEntry(entry: QueueEntry, palette: Palette, width: number, now: number): string[] {
  const { id, envelope, size, recipients } = entry;
  const { origin } = envelope;
  const traits = [
    ...(envelope.requireTls ? ['REQUIRETLS'] : []),
    ...(envelope.tlsRequiredNo ? ['TLS-Required: No'] : []),
    ...(envelope.smtpUtf8 ? ['SMTPUTF8'] : []),
    ...(envelope.eightBit ? ['8BITMIME'] : []),
  ];
  const by = [origin.user, origin.helo, origin.client].filter((each) => each !== undefined).join(', ');
  const lines = [
    palette.strong(id),
    `  from     ${printable(senderOf(envelope.from))}`,
    `  arrived  ${new Date(envelope.arrived).toISOString()} (${ago(now - envelope.arrived)} ago)`,
    `  by       ${origin.kind}${by === '' ? '' : `: ${printable(by)}`}`,
    `  size     ${size} octets`,
    ...(traits.length === 0 ? [] : [`  asks     ${traits.join(', ')}`]),
  ];
  for (const recipient of recipients) {
    const { last } = recipient.state;
    lines.push('', `  ${palette.strong(printable(recipient.address))}  ${stateOf(recipient, now)}`);
    if (last !== undefined) {
      lines.push(`    tried ${recipient.state.attempts} times, last ${new Date(last.time).toISOString()}`);
      lines.push(...hanging('    ', printable(last.reason), width));
    }
  }
  return lines;
}

const senderOf = (from: string): string => (from === '' ? '<>' : from);

function stateOf({ state }: QueuedRecipient, now: number): string {
  if (state.held) return 'held';
  return state.due <= now ? 'due now' : `due in ${ago(state.due - now)}`;
}

/** `12s`, `5m`, `4h`, `3d` */
function ago(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
