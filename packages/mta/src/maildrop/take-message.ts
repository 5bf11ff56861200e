/**
 * Takes one message from the maildrop into the queue, by the same rules as one that came over SMTP. What the rules refuse for
 * good is told to its sender in a report, as the program that handed it in has long ended.
 *
 * It may be done twice, where a crash came before the file was removed. So the message keeps its id, and its report has
 * one that follows from it: whatever is in the queue already is not put there again.
 */
import { isAscii } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { Acceptance, SmtpAnswer } from '../acceptance/submission.js';
import type { Dkim } from '../dkim/dkim.js';
import { signMessage } from '../dkim/sign-message.js';
import { makeDsns } from '../dsn/dsn.js';
import type { Queue, QueuedEnvelope } from '../queue/queue.js';
import { makeQueueId } from '../queue/queue-id.js';
import type { SpooledEnvelope, SpooledMessage } from './spooled-message.js';

export type Taken =
  /** Everything that came of it is durable. */
  | {
      readonly status: 'taken';
      /** Of the message that is in the queue now, 0 where none is; what was there before does not count. */
      readonly recipients: number;
      /** Its sender has been told of these, if that was wanted. */
      readonly refused: readonly Refused[];
    }
  /** The relay has no room, or something went wrong with it: not now. */
  | { readonly status: 'later'; readonly reason: string }
  /** For some recipient or all, and nobody can be told. */
  | { readonly status: 'refused'; readonly reason: string };

export interface Refused {
  readonly address: string;
  readonly answer: SmtpAnswer;
}

export interface TakeOptions {
  readonly acceptance: Acceptance;
  readonly queue: Pick<Queue, 'add' | 'read'>;
  /** Our own name, in reports. */
  readonly hostname: () => string;
  readonly dkim: Dkim | undefined;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  /** Milliseconds after which the message may be tried: its file is gone by then. */
  readonly pause: number;
}

/** @throws (rejects) what the queue has against it */
export async function takeMessage(
  message: SpooledMessage,
  { id, uid }: { readonly id: string; readonly uid: number },
  options: TakeOptions,
): Promise<Taken> {
  const { acceptance, queue } = options;
  const { envelope } = message;
  const smtpUtf8 = [envelope.from, ...envelope.to].some((address) => /[^\0-\x7f]/u.test(address));
  const noSender = acceptance.checkSender(envelope.from, smtpUtf8);
  if (noSender !== undefined) return { status: 'refused', reason: wordsOf(noSender) };
  const good: string[] = [];
  const refused: Refused[] = [];
  for (const address of envelope.to) {
    const answer = acceptance.checkRecipient(address, smtpUtf8);
    if (answer === undefined) good.push(address);
    else refused.push({ address, answer });
  }
  let recipients = 0;
  if (good.length > 0 && (await queue.read(id)) === undefined) {
    const answer = await accept(message, good, { id, uid, smtpUtf8 }, options);
    if (answer === undefined) recipients = good.length;
    else if (answer.code < 500 && answer.enhanced !== TOO_MANY)
      return { status: 'later', reason: wordsOf(answer) };
    // What `danelaw sendmail` writes is well-formed; the rest is not to be carried on inside of a report.
    else if (answer.code === MALFORMED) return { status: 'refused', reason: wordsOf(answer) };
    else refused.push(...good.map((address) => ({ address, answer })));
  }
  if (refused.length > 0 && !(await tell(message, id, refused, options))) {
    return { status: 'refused', reason: refused.map(said).join('; ') };
  }
  return { status: 'taken', recipients, refused };
}

/** More recipients than the relay takes at a time: a client could come again with the rest, a file can't. */
const TOO_MANY = '4.5.3';
/** The reply to what is no message, or goes round in circles. */
const MALFORMED = 554;

/** @returns why not, or undefined */
async function accept(
  { envelope, octets }: SpooledMessage,
  to: readonly string[],
  { id, uid, smtpUtf8 }: { readonly id: string; readonly uid: number; readonly smtpUtf8: boolean },
  { acceptance, clock, pause }: TakeOptions,
): Promise<SmtpAnswer | undefined> {
  const accepted = await acceptance.accept({
    origin: { kind: 'sendmail', uid },
    from: envelope.from,
    recipients: to.map((address) => ({ address, notify: envelope.notify })),
    octets,
    envid: envelope.envid,
    ret: envelope.ret,
    requireTls: false,
    smtpUtf8,
    complete: true,
    known: { id, due: clock() + pause },
  });
  return accepted.status === 'accepted' ? undefined : accepted.answer;
}

/** Whether the sender of a message that will not reach these learns of it, or did not want to. */
async function tell(
  { envelope, octets }: SpooledMessage,
  originalId: string,
  refused: readonly Refused[],
  { hostname, clock, dkim, queue }: TakeOptions,
): Promise<boolean> {
  const now = clock();
  const id = reportId(originalId);
  const recipients = refused.map(({ address, answer }) => ({
    recipient: { address, notify: envelope.notify },
    action: 'failed' as const,
    outcome: { enhancedStatus: answer.enhanced, reply: null, host: null, reason: answer.text },
  }));
  const about = { ...queuedEnvelope(envelope, now), utf8Header: !isAscii(octets) };
  const input = { envelope: about, originalId, recipients, body: octets, hostname: hostname(), now };
  const reports = makeDsns(input, () => id);
  if (reports.length === 0) return envelope.from !== '';
  for (const report of reports) {
    if ((await queue.read(report.id)) === undefined) await queue.add(await signMessage(report, dkim));
  }
  return true;
}

/** As old as its message, and never the same. */
function reportId(originalId: string): string {
  const chance = makeQueueId(0, (octets) =>
    createHash('sha256').update(originalId).digest().subarray(0, octets),
  );
  return originalId.slice(0, TIME_DIGITS) + chance.slice(TIME_DIGITS);
}

/** Of a queue id. */
const TIME_DIGITS = 10;

const queuedEnvelope = ({ from, envid, ret }: SpooledEnvelope, arrived: number): QueuedEnvelope => ({
  from,
  envid,
  ret,
  requireTls: false,
  smtpUtf8: false,
  eightBit: false,
  utf8Header: false,
  tlsRequiredNo: false,
  arrived,
  origin: { kind: 'sendmail' },
});

const wordsOf = ({ code, enhanced, text }: SmtpAnswer): string => `${code} ${enhanced} ${text}`;

const said = ({ address, answer }: Refused): string => `${address}: ${wordsOf(answer)}`;
