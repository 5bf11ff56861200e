/**
 * What `danelaw sendmail` does while the relay is down: it leaves the message in the maildrop, or says that it was not sent.
 * Exit code 0 means that it is on the disk; nothing else does.
 */
import { randomBytes } from 'node:crypto';
import { checkMessage } from '@danelaw/smtp';
import { readHeader } from '../acceptance/header-section.js';
import { mailDate } from '../mail-date.js';
import { leaveMessage } from '../maildrop/leave-message.js';
import { MAX_RECIPIENTS } from '../maildrop/spooled-message.js';
import type { Notify } from '../queue/queue.js';
import { makeQueueId } from '../queue/queue-id.js';
import { EXIT, type ExitCode } from './exit.js';
import { printable } from './printable.js';
import type { Io } from './terminal.js';

/** What `danelaw sendmail` was given, read and checked. */
export interface LocalSubmission {
  readonly from: string;
  readonly to: readonly string[];
  readonly octets: Uint8Array;
  readonly notify: string | undefined;
  readonly ret: string | undefined;
  readonly envid: string | undefined;
}

interface Circumstances {
  /** That the relay is down, and how that was seen. */
  readonly down: string;
  readonly verbose: boolean;
  readonly io: Io;
}

export async function leaveForRelay(
  { from, to, octets, notify, ret, envid }: LocalSubmission,
  folder: string,
  { down, verbose, io }: Circumstances,
): Promise<ExitCode> {
  const say = (text: string): unknown => io.stderr.write(`danelaw sendmail: ${printable(text)}\n`);
  // What the relay would refuse later is said now, while somebody listens.
  const checked = checkMessage(octets);
  if (checked.status === 'malformed' && checked.fault !== 'no-header' && checked.fault !== 'empty') {
    say(`the message can't be sent: ${checked.reason}`);
    return EXIT.UNAVAILABLE;
  }
  if (to.length > MAX_RECIPIENTS) {
    say(`${down}, and the maildrop takes ${MAX_RECIPIENTS} recipients at most; try again`);
    return EXIT.TEMPORARY;
  }
  const now = Date.now();
  const id = makeQueueId(now, randomBytes);
  const envelope = {
    from,
    to,
    notify: notify === undefined ? undefined : notifyOf(notify),
    ret: ret === 'full' || ret === 'hdrs' ? ret : undefined,
    envid,
  } as const;
  const user = process.getuid?.() ?? 0;
  const complete = checked.status === 'ok' ? dated(octets, now) : octets;
  const left = await leaveMessage({ envelope, octets: complete }, { folder, id, user });
  switch (left.status) {
    case 'left':
      if (verbose) io.stdout.write(`${printable(`${down}; left for it as ${left.file}`)}\n`);
      return EXIT.OK;
    case 'not-left':
      say(`${down}, and ${folder} can't be used: ${left.reason}; the message was not sent, try again`);
      return EXIT.TEMPORARY;
    default: {
      const never: never = left;
      return never;
    }
  }
}

/** It was written now, and not when the relay will take it. */
function dated(octets: Uint8Array, now: number): Uint8Array {
  if (readHeader(octets)?.fields.some(({ name }) => name === 'date') !== false) return octets;
  return Buffer.concat([Buffer.from(`Date: ${mailDate(now)}\r\n`), octets]);
}

function notifyOf(text: string): Notify {
  if (text === 'never') return text;
  const events = text.split(',');
  return (['success', 'failure', 'delay'] as const).filter((event) => events.includes(event));
}
