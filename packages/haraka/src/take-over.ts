/**
 * One queued message, delivered by `@danelaw/smtp` instead of Haraka's own client, and its results handed back in the way
 * in which Haraka's client does it (`finish_processing_mail` of `outbound/hmail.js`): who got it, who waits, who bounces.
 *
 * Haraka keeps one state for one queue file. So where recipients fared differently, those who wait and those who bounce
 * get files of their own, and the file is removed only when these are on disk: `refcount` counts who still needs it.
 */
import type { Delivery, RecipientOutcome } from '@danelaw/smtp';
import type { QueuedMail, Recipient } from './haraka.js';

type Settled = readonly (readonly [Recipient, RecipientOutcome])[];

/** Tells Haraka what became of each recipient. The message is Haraka's again afterwards. */
export function handBack(mail: QueuedMail, delivery: Delivery): void {
  const settled = mail.todo.rcpt_to.flatMap((recipient, index) => {
    const outcome = delivery.recipients[index];
    return outcome === undefined ? [] : [[recipient, outcome] as const];
  });
  for (const [recipient, outcome] of settled) note(recipient, outcome);
  const those = (status: RecipientOutcome['status']): Settled =>
    settled.filter(([, outcome]) => outcome.status === status);
  const [deferred, failed] = [those('deferred'), those('failed')];
  if (deferred.length === settled.length) {
    defer(mail);
  } else if (failed.length === settled.length) {
    bounce(mail);
  } else {
    splitOff(mail, deferred, defer);
    splitOff(mail, failed, bounce);
    tellDelivered(mail, those('delivered'), { deferred, failed }, delivery);
  }
}

function splitOff(mail: QueuedMail, some: Settled, then: (own: QueuedMail) => void): void {
  if (some.length === 0) return;
  mail.refcount += 1;
  mail.split_to_new_recipients(recipientsOf(some), 'not all recipients fared alike', (own) => {
    own.danelaw = mail.danelaw;
    // The new file has the same recipients in the same order, without what a bounce is to say of them.
    for (const [index, recipient] of own.todo.rcpt_to.entries()) {
      const outcome = some[index]?.[1];
      if (outcome !== undefined) note(recipient, outcome);
    }
    mail.discard();
    then(own);
  });
}

/** Haraka knows one server for all recipients of a queue file: the first recipient's. */
function tellDelivered(
  mail: QueuedMail,
  delivered: Settled,
  { deferred, failed }: { readonly deferred: Settled; readonly failed: Settled },
  { attempts }: Delivery,
): void {
  const outcome = delivered[0]?.[1];
  if (outcome === undefined) {
    // Those who were split off hold references of their own.
    mail.discard();
    return;
  }
  const { host, address, reply, tls } = outcome;
  const port = attempts.find((attempt) => attempt.host === host && attempt.address === address)?.port;
  const lists = [recipientsOf(delivered), recipientsOf(deferred), recipientsOf(failed)] as const;
  mail.delivered(address ?? '', port ?? 25, 'SMTP', host ?? '', reply ?? '', ...lists, tls !== null, false);
}

const recipientsOf = (settled: Settled): Recipient[] => settled.map(([recipient]) => recipient);

function defer(mail: QueuedMail): void {
  mail.temp_fail(reasons(mail), { fail_recips: mail.todo.rcpt_to });
}

function bounce(mail: QueuedMail): void {
  mail.bounce(reasons(mail), { bounce_recips: mail.todo.rcpt_to });
}

const reasons = ({ todo }: QueuedMail): string =>
  [...new Set(todo.rcpt_to.map(({ reason }) => reason ?? ''))].join('; ');

const ACTIONS = { delivered: 'delivered', deferred: 'delayed', failed: 'failed' } as const;

/** What a bounce says about a recipient (RFC 3464 section 2.3). */
function note(recipient: Recipient, outcome: RecipientOutcome): void {
  const { status, enhancedStatus, reply, code, host, reason } = outcome;
  recipient.reason = reason;
  recipient.dsn_action = ACTIONS[status];
  if (enhancedStatus !== null) recipient.dsn_status = enhancedStatus;
  if (reply === null || code === null) return;
  const [, extended, words] = /^\d{3}[ -]?(?:(\d\.\d{1,3}\.\d{1,3})(?: |$))?(.*)$/su.exec(reply) ?? [];
  recipient.dsn_smtp_code = String(code);
  if (extended !== undefined) recipient.dsn_smtp_extc = extended;
  recipient.dsn_smtp_response = words ?? reply;
  if (host !== null) recipient.dsn_remote_mta = `dns; ${host}`;
}
