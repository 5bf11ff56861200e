/**
 * A Haraka plugin that puts danelaw's route and TLS verification under Haraka's outbound queue.
 *
 * Haraka's own SMTP client has no hook that decides on TLS: STARTTLS is used where it is offered, a certificate that does
 * not verify is logged and the mail goes on, and the chain as it was sent is not handed to anybody. So TLSA records can't
 * be verified underneath it. What there is instead is `send_email`, called before each delivery attempt: the plugin takes
 * the message there, delivers it with `@danelaw/smtp`, and reports with the same methods of the queued mail that Haraka's
 * client uses. Queue, retries, bounces, and the hooks `delivered`, `deferred` and `bounce` stay Haraka's.
 *
 * Nothing may fall back to the client underneath. A hook that throws, or is late, is passed over by Haraka, and then the
 * mail would go out unverified. So the hook never throws and has no time limit of Haraka's (the delivery has its own
 * bounds), and `get_mx`, which Haraka's client needs, says "later" for whatever comes there all the same.
 */
import { createResolver, type Resolver } from '@danelaw/dns';
import { deliver, MtaSts, parseDomain } from '@danelaw/smtp';
import type { Next, Plugin, QueuedMail } from './haraka.js';
import { readSettings, type Settings } from './options.js';
import { outlet } from './outlet.js';
import { readMessage } from './queued-message.js';
import { handBack } from './take-over.js';

/** One for each worker process of Haraka. */
interface Running {
  readonly settings: Settings;
  readonly resolver: Resolver;
  readonly sts: MtaSts | undefined;
  readonly stop: AbortController;
}

let running: Running | undefined;

/**
 * Called by Haraka at its start.
 *
 * @throws SettingsError, PolicyTableError, TypeError for a configuration that can't be understood: Haraka ends
 */
export function register(this: Plugin): void {
  const settings = readSettings(this.config);
  running = {
    settings,
    resolver: createResolver({
      ...settings.resolver,
      onNotice: ({ text }) => this.loginfo(text),
    }),
    sts: settings.mtaSts ? new MtaSts() : undefined,
    stop: new AbortController(),
  };
  this.timeout = 0;
  // The last to be asked: plugins that delay mail, or count it, come before.
  this.register_hook('send_email', 'take_over', 100);
  this.register_hook('get_mx', 'keep_out', -100);
}

/** `send_email`: one attempt to deliver one queued message. `next` is called only for domains that are left to Haraka. */
export function take_over(next: Next, mail: QueuedMail): void {
  if (isLeft(mail.todo.domain)) {
    next();
    return;
  }
  // Haraka runs no hook for this mail (`delivered`, `deferred`, `bounce`) while another list is not done with.
  mail.hooks_to_run = [];
  attempt(mail).catch((error: unknown) => {
    // Shutting down: the queue file stays as it is, and is taken up at the next start.
    if (running?.stop.signal.aborted === true) return;
    const words = error instanceof Error ? error.message : String(error);
    mail.logerror(`danelaw could not deliver ${mail.filename}: ${words}`);
    mail.temp_fail(words);
  });
}

/** `get_mx`: Haraka's own client is about to deliver what must not be delivered without verification. */
export function keep_out(next: Next, _mail: QueuedMail, domain: string): void {
  if (isLeft(domain)) next();
  else
    next(
      DENYSOFT,
      `mail for ${domain} must not go out unverified, and another plugin kept danelaw from taking it`,
    );
}

/** Called by Haraka at its end. Deliveries that are under way are given up. */
export function shutdown(): void {
  running?.stop.abort(new Error('Haraka is shutting down'));
  void running?.sts?.close();
  void running?.resolver.close();
}

function isLeft(domain: string): boolean {
  return running?.settings.leave.has(parseDomain(domain) ?? domain) ?? false;
}

async function attempt(mail: QueuedMail): Promise<void> {
  if (running === undefined) throw new Error('the plugin was not registered');
  const { settings, resolver, sts, stop } = running;
  const { todo } = mail;
  const checked = await readMessage(mail.data_stream(), stop.signal);
  if (checked.status === 'malformed') {
    for (const recipient of todo.rcpt_to) {
      Object.assign(recipient, { reason: checked.reason, dsn_action: 'failed', dsn_status: '5.6.0' });
    }
    mail.bounce(checked.reason, { bounce_recips: todo.rcpt_to });
    return;
  }
  const helo = todo.notes.outbound_helo;
  const delivery = await deliver({
    resolver,
    ...(sts === undefined ? {} : { sts }),
    heloName: (typeof helo === 'string' ? parseDomain(helo) : undefined) ?? settings.heloName,
    level: settings.level,
    policyTable: settings.policyTable,
    port: settings.port,
    connect: outlet(settings.localMxOk, todo.notes.outbound_ip),
    envelope: { from: todo.mail_from.address, to: todo.rcpt_to.map(({ address }) => address) },
    message: checked.message,
    signal: stop.signal,
  });
  mail.danelaw = delivery;
  for (const { status, host, address, mx, tls, reason, exceptions } of delivery.attempts) {
    for (const { kind, rule, pattern, expires, reason: why } of exceptions) {
      mail.lognotice(`danelaw: ${kind} by rule ${rule} (${pattern}) until ${expires}: ${why}`);
    }
    const proof =
      tls === null
        ? 'no TLS'
        : `${tls.protocol}, ${tls.authenticated === null ? 'nobody' : 'server'} authenticated`;
    mail.loginfo(`danelaw: ${status} ${host}[${address ?? '-'}] mx=${mx} ${proof}: ${reason}`);
  }
  handBack(mail, delivery);
}
