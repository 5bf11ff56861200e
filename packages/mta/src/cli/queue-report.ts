/** Messages of the queue, in words. */
import type { DestinationState, QueuedRecipient, QueueEntry } from '../queue/queue.js';
import { printable } from './printable.js';
import { hanging, type Palette } from './terminal.js';

/** Destinations that are down, by name: nothing is tried there before their time, whatever is due. */
export type Pauses = ReadonlyMap<string, DestinationState>;

/** Those that are still down, of all that the queue knows. */
export async function pausesAt(now: number, states: AsyncIterable<DestinationState>): Promise<Pauses> {
  const pauses = new Map<string, DestinationState>();
  for await (const state of states) if (state.notBefore > now) pauses.set(state.destination, state);
  return pauses;
}

/** For machines: the entry as the queue has it, and for each recipient the pause that keeps it waiting. */
export function withPauses(entry: QueueEntry, pauses: Pauses): object {
  const recipients = entry.recipients.map((recipient) => ({
    ...recipient,
    pause: pauseOf(recipient, pauses) ?? null,
  }));
  return { ...entry, recipients };
}

/** One line for each recipient: id, age, sender, recipient, state, and why it waits. */
export function describeLine(
  { id, envelope, recipients }: QueueEntry,
  pauses: Pauses,
  palette: Palette,
  now: number,
): string[] {
  return recipients.map((recipient) => {
    const { address, state } = recipient;
    const pause = pauseOf(recipient, pauses);
    const when = stateOf(recipient, pause, now);
    const words = [
      id,
      ago(now - envelope.arrived).padStart(4),
      printable(senderOf(envelope.from)),
      '->',
      printable(address),
      state.held ? palette.warn(when) : palette.faint(when),
    ];
    const reason = pause?.reason ?? state.last?.reason;
    return words.join('  ') + (reason === undefined ? '' : `\n    ${palette.faint(printable(reason))}`);
  });
}

/** All that is known of one message. */
export function describeEntry(
  entry: QueueEntry,
  pauses: Pauses,
  palette: Palette,
  width: number,
  now: number,
): string[] {
  const { id, envelope, size, recipients } = entry;
  const { origin } = envelope;
  const traits = [
    ...(envelope.requireTls ? ['REQUIRETLS'] : []),
    ...(envelope.tlsRequiredNo ? ['TLS-Required: No'] : []),
    ...(envelope.smtpUtf8 ? ['SMTPUTF8'] : []),
    ...(envelope.eightBit ? ['8BITMIME'] : []),
  ];
  const uid = origin.uid === undefined ? undefined : `uid ${origin.uid}`;
  const by = [origin.user, uid, origin.helo, origin.client].filter((each) => each !== undefined).join(', ');
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
    const pause = pauseOf(recipient, pauses);
    const when = stateOf(recipient, pause, now);
    lines.push('', `  ${palette.strong(printable(recipient.address))}  ${when}`);
    if (pause !== undefined) {
      const { failures, notBefore, reason } = pause;
      const until = new Date(notBefore).toISOString();
      const name = printable(recipient.destination);
      const often = failures === 1 ? '' : ` ${failures} times in a row`;
      lines.push(`    ${name} failed${often}; nothing is tried there before ${until}`);
      if (reason !== last?.reason) lines.push(...hanging('    ', printable(reason), width));
    }
    if (last !== undefined) {
      lines.push(`    tried ${times(recipient.state.attempts)}, last ${new Date(last.time).toISOString()}`);
      lines.push(...hanging('    ', printable(last.reason), width));
    }
  }
  return lines;
}

const senderOf = (from: string): string => (from === '' ? '<>' : from);

const times = (count: number): string => (count === 1 ? 'once' : `${count} times`);

/** What is held, or is due later than that anyway, does not wait for its destination. */
function pauseOf({ destination, state }: QueuedRecipient, pauses: Pauses): DestinationState | undefined {
  const pause = pauses.get(destination);
  return state.held || pause === undefined || pause.notBefore <= state.due ? undefined : pause;
}

function stateOf(
  { destination, state }: QueuedRecipient,
  pause: DestinationState | undefined,
  now: number,
): string {
  if (state.held) return 'held';
  if (pause !== undefined) {
    return `waits for ${printable(destination)}, which is down, for ${ago(pause.notBefore - now)} more`;
  }
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
