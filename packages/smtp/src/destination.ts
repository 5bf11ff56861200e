/**
 * One destination and the recipients there: host by host in the order of the route, address by address, until
 * every recipient is settled or nobody is left to ask.
 *
 * - The order of preference is obeyed, whatever the hosts' security (RFC 7672 section 2.2.1).
 * - A host whose look-ups failed, or that can't meet its policy, is passed over (sections 2.1.2, 2.2); if all
 *   are, the message is deferred.
 * - A connection that came to nothing, a greeting or an EHLO that was refused - with 5yz too, as Postfix does
 *   by default: it is about this client and this server, not about the message - lead to the next address,
 *   then the next host.
 * - A 5yz reply to MAIL, RCPT, DATA or the message is final. A 4yz reply leads to the next host: another
 *   address of the same host is the same server.
 * - Where TLS is only hoped for, a failed handshake is followed by older TLS, then by clear text, at the same
 *   address.
 * - A connection that others left idle and that turns out to be dead is no attempt: a new one is made.
 * - A connection lost after the final dot leaves the message in doubt. It is deferred, and not given to
 *   another host at once: that would most likely make it arrive twice.
 */
import { acquireSession } from './acquire-session.js';
import { transactionReport } from './admission.js';
import { Assessor } from './assess.js';
import {
  type ConnectionContext,
  completedAttempt,
  failedAttempt,
  type HostContext,
  skippedAttempt,
} from './attempt.js';
import type { Channel } from './channel.js';
import { clearInstead } from './clear-instead.js';
import type { Client } from './client.js';
import type { Target } from './connection.js';
import type { ConnectDecision, Decision } from './decision.js';
import type { DsnRequest } from './delivery-status.js';
import type { SmtpFault } from './fault.js';
import type { Mailbox } from './mailbox.js';
import type { Message } from './message.js';
import type { Attempt, AttemptRecipient, OutcomeStatus, RecipientOutcome, Unrouted } from './outcome.js';
import type { TlsPolicy } from './policy.js';
import { unroutedOf } from './report-facts.js';
import { NOT_ESTABLISHED, NOT_SUPPORTED } from './require-tls.js';
import type { HostsRoute, Route } from './route.js';
import type { OpenedSession, Session } from './session.js';
import { type MayHandOver, transact } from './transaction.js';
import { isLastWord, mayHaveMessage } from './verdict.js';

/** One destination's share of an envelope. */
export interface Consignment {
  readonly nextHop: string;
  readonly from: Mailbox | undefined;
  readonly recipients: readonly Mailbox[];
  readonly message: Message;
  /** RFC 8689: REQUIRETLS was said to us with MAIL. */
  readonly requireTls: boolean;
  /** RFC 3461: what the sender wants to hear, to be said on. */
  readonly dsn?: DsnRequest | undefined;
  /**
   * Resolves when the caller has written down what became of this consignment. Until then no other message's
   * final dot is sent on the connection that it went over, so that a crash leaves at most one message in
   * doubt for each connection. If it rejects, that connection ends.
   */
  readonly durable?: Promise<void>;
  /**
   * Awaited immediately before each final dot: undefined, or why the message must not be handed over. Then
   * the connection ends, and the recipients are deferred for that reason.
   */
  readonly mayHandOver?: MayHandOver;
}

export interface DestinationResult {
  readonly outcomes: ReadonlyMap<Mailbox, RecipientOutcome>;
  readonly attempts: readonly Attempt[];
  /** Why there was no attempt at all, where that is to be reported. */
  readonly unrouted: Unrouted | undefined;
}

/** Delivers to one destination. Rejects only when the caller's signal aborts. */
export async function deliverToDestination(
  client: Client,
  consignment: Consignment,
): Promise<DestinationResult> {
  return await new Destination(client, consignment).run();
}

class Destination {
  readonly #client: Client;
  readonly #consignment: Consignment;
  readonly #attempts: Attempt[] = [];
  readonly #outcomes = new Map<Mailbox, RecipientOutcome>();
  readonly #pending: Set<Mailbox>;
  /** The last word on each recipient that is not settled. */
  readonly #lastWord = new Map<Mailbox, { attempt: Attempt; recipient: AttemptRecipient | undefined }>();
  readonly #deadline = new AbortController();
  readonly #assessor: Assessor;
  /** RFC 8689: REQUIRETLS binds. A bounce is not lost for it (section 5). */
  readonly #requireTls: boolean;
  /** Why hosts did not fulfil REQUIRETLS; undefined for a failure of another kind. */
  /** Connections that this message's outcome is owed on. */
  readonly #owing: Channel[] = [];
  readonly #unfulfilled: (string | undefined)[] = [];
  #unrouted: Unrouted | undefined;
  #connections = 0;
  #limit: string | undefined;

  constructor(client: Client, consignment: Consignment) {
    this.#client = client;
    this.#consignment = consignment;
    this.#pending = new Set(consignment.recipients);
    consignment.durable?.catch(() => {}); // where there was no connection, nobody else hears of it
    const { nextHop, from, message, requireTls } = consignment;
    this.#requireTls = requireTls && from !== undefined;
    // RFC 8689 section 4.1: with REQUIRETLS the header field MUST be ignored.
    const tlsRequired = this.#requireTls ? 'yes' : message.tlsRequiredNo && !requireTls ? 'no' : undefined;
    this.#assessor = new Assessor(client, nextHop, tlsRequired);
  }

  async run(): Promise<DestinationResult> {
    const { signal, limits } = this.#client;
    signal?.throwIfAborted();
    const stop = new AbortController();
    const onAbort = (): void => stop.abort(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    const timer = setTimeout(() => {
      this.#deadline.abort();
      stop.abort(this.#deadline.signal.reason);
    }, limits.totalTime).unref();
    try {
      await this.#follow(await this.#assessor.route(stop.signal), stop.signal);
    } catch (error) {
      // Look-ups end with the deadline too; only the caller's own abort is an exception.
      if (!this.#deadline.signal.aborted || signal?.aborted === true) throw error;
      this.#limit = 'the time for this delivery ended during a look-up';
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }
    this.#deferRest();
    return { outcomes: this.#outcomes, attempts: this.#attempts, unrouted: this.#unrouted };
  }

  async #follow(found: Route, stop: AbortSignal): Promise<void> {
    switch (found.status) {
      case 'hosts':
        return await this.#hosts(found, stop);
      case 'null-mx':
        return this.#settleAll('failed', '5.1.10', found.reason, found.mx); // RFC 7505 section 4.1
      case 'no-such-domain':
        return this.#settleAll('failed', '5.1.2', found.reason, found.mx);
      case 'no-usable-host':
        return this.#settleAll('failed', '5.4.4', found.reason, found.mx);
      case 'loop':
        return this.#settleAll('failed', '5.4.6', found.reason, found.mx); // RFC 5321 section 5.1
      case 'invalid-domain':
        return this.#settleAll('failed', '5.1.2', found.reason, null);
      case 'failed':
        this.#unrouted = unroutedOf(found);
        return this.#settleAll('deferred', '4.4.3', found.reason, null); // RFC 7672 section 2.1.2
      default: {
        const never: never = found;
        return never;
      }
    }
  }

  async #hosts(found: HostsRoute, stop: AbortSignal): Promise<void> {
    const skipped: Decision[] = [];
    for (const host of found.hosts) {
      if (this.#pending.size === 0 || this.#spent()) return;
      const assessed = await this.#assessor.assess(found, host, stop);
      const { finding, decision, nameValidated, sts, local } = assessed;
      const context: HostContext = { route: found, host, finding, sts, local };
      if (decision.action === 'skip') {
        skipped.push(decision);
        if (this.#requireTls) {
          this.#unfulfilled.push(decision.cause === 'policy' ? NOT_ESTABLISHED : undefined);
        }
        this.#record(skippedAttempt(context, decision));
      } else {
        await this.#addresses(context, decision, nameValidated);
      }
    }
    this.#failUnfulfilled(found);
    // RFC 5321 section 5.1: records that all lead nowhere "MUST be reported as an error". Nothing failed: it
    // is proved, or at least answered, that there is no address.
    if (
      skipped.length === found.hosts.length &&
      skipped.every((each) => each.action === 'skip' && each.cause === 'absent')
    ) {
      const names = found.hosts.map(({ host }) => host).join(', ');
      const reason = `no server of ${found.domain} has an address: ${names}`;
      this.#settleAll('failed', '5.4.4', reason, found.mx);
    }
  }

  /**
   * RFC 8689 section 4.2.1: "If there are no more MX hosts, the client MUST NOT transmit the message", and
   * the sender is told. A host that could not be asked may fulfil it another time.
   */
  #failUnfulfilled(found: HostsRoute): void {
    if (this.#unfulfilled.length === 0 || this.#unfulfilled.includes(undefined)) return;
    if (this.#pending.size === 0 || this.#limit !== undefined) return;
    const status = this.#unfulfilled.includes(NOT_SUPPORTED) ? NOT_SUPPORTED : NOT_ESTABLISHED;
    const reasons = [...new Set(this.#attempts.map(({ reason }) => reason))].join('. Then ');
    const words = `no server of ${found.domain} fulfils REQUIRETLS (RFC 8689 section 4.2.1): ${reasons}`;
    this.#settleAll('failed', status, words, found.mx);
  }

  async #addresses(context: HostContext, decision: ConnectDecision, nameValidated: boolean): Promise<void> {
    for (const { address, family } of decision.finding.addresses.slice(
      0,
      this.#client.limits.addressesPerHost,
    )) {
      if (this.#pending.size === 0 || this.#spent()) return;
      const target = { address, family, port: context.host.port };
      const { policy, overlooked } = decision;
      const next = await this.#address({ ...context, address, policy, overlooked }, target, nameValidated);
      if (next === 'host') return;
    }
  }

  /** One address: one session, or more where TLS failed and less, or clear text, is allowed. */
  async #address(
    context: ConnectionContext,
    target: Target,
    nameValidated: boolean,
  ): Promise<'address' | 'host'> {
    let fresh = false;
    for (let next: ConnectionContext | undefined = context; next !== undefined; ) {
      const opened = await this.#open(target, next, fresh);
      if (opened.status === 'open') {
        const then = await this.#transact(next, opened.session, nameValidated);
        if (then !== 'again') return then;
        fresh = true; // so that this happens once
        continue;
      }
      if (this.#requireTls) this.#unfulfilled.push(unfulfilled(opened.fault));
      this.#record(failedAttempt(next, opened));
      const policy: TlsPolicy | undefined = this.#spent()
        ? undefined
        : clearInstead(next.policy, opened, context.policy.source);
      next = policy && { ...next, policy };
    }
    return 'address';
  }

  async #open(target: Target, context: ConnectionContext, fresh: boolean): Promise<OpenedSession> {
    const { durable } = this.#consignment;
    if (durable !== undefined) for (const channel of this.#owing) channel.waive(durable);
    const opened = await acquireSession({
      ...this.#client,
      target,
      host: context.host.host,
      policy: context.policy,
      requireTls: this.#requireTls,
      login: this.#assessor.login,
      connect: this.#assessor.connect,
      deadline: this.#deadline.signal,
      fresh,
    });
    if (opened.status === 'failed' || opened.session.origin !== 'shared') this.#connections += 1;
    return opened;
  }

  /** `again`: the connection was another message's and is dead; nothing was learned of the server. */
  async #transact(
    context: ConnectionContext,
    session: Session,
    nameValidated: boolean,
  ): Promise<'address' | 'host' | 'again'> {
    const { from, message, dsn, durable, mayHandOver } = this.#consignment;
    const { channel } = session;
    const recipients = [...this.#pending];
    const requireTls = this.#consignment.requireTls && nameValidated && fulfilsRequireTls(session);
    const input = { from, message, recipients, requireTls, dsn, durable, mayHandOver };
    const done = await transact(session, input).catch((error: unknown) => {
      channel.end('ok');
      throw error;
    });
    if (done.untried && session.origin === 'shared') {
      channel.end('ok');
      return 'again';
    }
    const report = transactionReport(done);
    if (durable !== undefined && done.verdicts.some(({ verdict }) => mayHaveMessage(verdict))) {
      channel.owe(durable);
      this.#owing.push(channel);
    }
    // At once: the next message does not wait for what comes of this one.
    if (done.fault !== undefined) channel.end(report);
    else if (this.#client.pool === undefined) channel.quit(report);
    else this.#client.pool.put(channel, report);
    const attempt = completedAttempt(context, session, done.verdicts);
    this.#attempts.push(attempt);
    let next: 'address' | 'host' = 'host';
    for (const [index, { recipient, verdict }] of done.verdicts.entries()) {
      const told = attempt.recipients[index];
      this.#lastWord.set(recipient, { attempt, recipient: told });
      if (verdict.status === 'lost' && !verdict.inDoubt) next = 'address';
      if (isLastWord(verdict) && told !== undefined) this.#settle(recipient, told, attempt);
    }
    return next;
  }

  #record(attempt: Attempt): void {
    this.#attempts.push(attempt);
    for (const recipient of this.#pending) {
      // What a server said about the recipient tells more than a later host that could not be asked.
      if (this.#lastWord.get(recipient)?.recipient?.reply != null) continue;
      this.#lastWord.set(recipient, { attempt, recipient: undefined });
    }
  }

  #spent(): boolean {
    if (this.#deadline.signal.aborted) this.#limit = 'the time for this delivery is over';
    else if (this.#connections >= this.#client.limits.connections) {
      this.#limit = `${this.#connections} connections were made for this destination, which is the limit`;
    }
    return this.#limit !== undefined;
  }

  #settle(recipient: Mailbox, told: AttemptRecipient, attempt: Attempt): void {
    this.#pending.delete(recipient);
    const { host, address, tls, mx, exceptions } = attempt;
    this.#outcomes.set(recipient, { ...told, host, address, tls, mx, exceptions });
  }

  #settleAll(
    status: OutcomeStatus,
    enhancedStatus: string,
    reason: string,
    mx: RecipientOutcome['mx'],
  ): void {
    for (const recipient of this.#pending) {
      const attempt = this.#lastWord.get(recipient)?.attempt;
      const { host = null, exceptions = [] } = attempt ?? {};
      const nothing = { stage: null, reply: null, code: null, address: null, tls: null };
      this.#outcomes.set(recipient, {
        recipient: recipient.address,
        status,
        enhancedStatus,
        reason,
        host,
        mx,
        exceptions,
        ...nothing,
      });
    }
    this.#pending.clear();
  }

  #deferRest(): void {
    for (const recipient of this.#pending) {
      const last = this.#lastWord.get(recipient);
      if (last === undefined) continue;
      const { attempt } = last;
      const words = this.#reasons(recipient);
      const told = last.recipient ?? {
        recipient: recipient.address,
        stage: attempt.stage,
        reply: attempt.reply,
        code: attempt.reply === null ? null : Number(attempt.reply.slice(0, 3)),
        enhancedStatus: attempt.enhancedStatus,
      };
      this.#settle(recipient, { ...told, status: 'deferred', reason: words }, attempt);
    }
    this.#settleAll('deferred', '4.4.7', this.#limit ?? 'no server was tried', null);
  }

  /** Every host's reason, as the last one alone would hide why the better ones were not used. */
  #reasons(recipient: Mailbox): string {
    const reasons = this.#attempts.map(
      (attempt) =>
        attempt.recipients.find((each) => each.recipient === recipient.address)?.reason ?? attempt.reason,
    );
    if (this.#limit !== undefined) reasons.push(this.#limit);
    return [...new Set(reasons)].join('. Then ');
  }
}

/**
 * RFC 8689 section 2: without these the parameter must not be said. A bounce goes without it then (section
 * 5).
 */
function fulfilsRequireTls({ tls, capabilities }: Session): boolean {
  return tls !== null && tls.authenticated !== null && capabilities.keywords.includes('REQUIRETLS');
}

/** The status that a failed session means under REQUIRETLS; undefined where it says nothing about that. */
function unfulfilled({ kind, stage }: SmtpFault): string | undefined {
  if (kind === 'requiretls-not-offered') return NOT_SUPPORTED;
  const noTls = kind === 'starttls-not-offered' || kind === 'handshake' || kind === 'unauthenticated';
  return noTls || (kind === 'refused' && stage === 'starttls') ? NOT_ESTABLISHED : undefined;
}
