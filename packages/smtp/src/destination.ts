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
 * - A connection lost after the final dot leaves the message in doubt. It is deferred, and not given to
 *   another host at once: that would most likely make it arrive twice.
 */
import {
  type ConnectionContext,
  completedAttempt,
  failedAttempt,
  type HostContext,
  skippedAttempt,
} from './attempt.js';
import type { Client } from './client.js';
import type { Target } from './connection.js';
import { locate } from './locate.js';
import type { Mailbox } from './mailbox.js';
import type { Message } from './message.js';
import type { Attempt, AttemptRecipient, OutcomeStatus, RecipientOutcome } from './outcome.js';
import type { ClearPolicy, TlsPolicy } from './policy.js';
import { type HostsRoute, type Route, relayRoute, route } from './route.js';
import { type OpenedSession, openSession } from './session.js';
import { type Decision, decide } from './tls-policy.js';
import { transact } from './transaction.js';

/** One destination's share of an envelope. */
export interface Consignment {
  readonly nextHop: string;
  readonly from: Mailbox | undefined;
  readonly recipients: readonly Mailbox[];
  readonly message: Message;
}

export interface DestinationResult {
  readonly outcomes: ReadonlyMap<Mailbox, RecipientOutcome>;
  readonly attempts: readonly Attempt[];
}

/** Delivers to one destination. Rejects only when the caller's signal aborts. */
export async function deliverToDestination(
  client: Client,
  consignment: Consignment,
): Promise<DestinationResult> {
  return await new Destination(client, consignment).run();
}

/** Route of a consignment: the relay's, or the domain's own. */
export async function routeFor(
  client: Client,
  nextHop: string,
  signal: AbortSignal | undefined,
): Promise<Route> {
  if (client.relay !== undefined) return relayRoute(client.relay.host, client.relay.port);
  return await route(client.resolver, nextHop, { port: client.port, random: client.random, signal });
}

class Destination {
  readonly #client: Client;
  readonly #consignment: Consignment;
  readonly #attempts: Attempt[] = [];
  readonly #outcomes = new Map<Mailbox, RecipientOutcome>();
  readonly #pending: Set<Mailbox>;
  /** The last word on each recipient that is not settled. */
  readonly #lastWord = new Map<Mailbox, { attempt: Attempt; recipient: AttemptRecipient | undefined }>();
  readonly #deadline: AbortSignal;
  #connections = 0;
  #limit: string | undefined;

  constructor(client: Client, consignment: Consignment) {
    this.#client = client;
    this.#consignment = consignment;
    this.#pending = new Set(consignment.recipients);
    this.#deadline = AbortSignal.timeout(client.limits.totalTime);
  }

  async run(): Promise<DestinationResult> {
    const { signal } = this.#client;
    const stop = signal === undefined ? this.#deadline : AbortSignal.any([signal, this.#deadline]);
    try {
      await this.#follow(await routeFor(this.#client, this.#consignment.nextHop, stop), stop);
    } catch (error) {
      // Look-ups end with the deadline too; only the caller's own abort is an exception.
      if (!this.#deadline.aborted || signal?.aborted === true) throw error;
      this.#limit = 'the time for this delivery ended during a look-up';
    }
    this.#deferRest();
    return { outcomes: this.#outcomes, attempts: this.#attempts };
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
      case 'invalid-domain':
        return this.#settleAll('failed', '5.1.2', found.reason, null);
      case 'failed':
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
      const finding = await locate(host, { ...this.#client, signal: stop });
      const context: HostContext = { route: found, host, finding };
      const decision = decide({ level: this.#client.level, route: found, host, finding });
      if (decision.action === 'skip') {
        skipped.push(decision);
        this.#record(skippedAttempt(context, decision));
      } else {
        await this.#addresses(context, decision);
      }
    }
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

  async #addresses(context: HostContext, decision: Extract<Decision, { action: 'connect' }>): Promise<void> {
    for (const { address, family } of decision.finding.addresses.slice(
      0,
      this.#client.limits.addressesPerHost,
    )) {
      if (this.#pending.size === 0 || this.#spent()) return;
      const target = { address, family, port: context.host.port };
      const next = await this.#address({ ...context, address, policy: decision.policy }, target);
      if (next === 'host') return;
    }
  }

  /** One address: one session, or two where the first one's TLS failed and clear text is allowed. */
  async #address(context: ConnectionContext, target: Target): Promise<'address' | 'host'> {
    const opened = await this.#open(target, context.policy);
    if (opened.status === 'open') return await this.#transact(context, opened);
    this.#record(failedAttempt(context, opened));
    const clear = clearInstead(context.policy, opened);
    if (clear === undefined || this.#spent()) return 'address';
    const again = { ...context, policy: clear };
    const second = await this.#open(target, clear);
    if (second.status === 'open') return await this.#transact(again, second);
    this.#record(failedAttempt(again, second));
    return 'address';
  }

  async #open(target: Target, policy: TlsPolicy): Promise<OpenedSession> {
    this.#connections += 1;
    return await openSession({ ...this.#client, target, policy, deadline: this.#deadline });
  }

  async #transact(
    context: ConnectionContext,
    { session }: Extract<OpenedSession, { status: 'open' }>,
  ): Promise<'address' | 'host'> {
    const { from, message } = this.#consignment;
    const { verdicts, usable } = await transact(session, { from, message, recipients: [...this.#pending] });
    // Nobody waits for the reply to QUIT.
    if (usable) session.connection.quit();
    else session.connection.destroy();
    const attempt = completedAttempt(context, session, verdicts);
    this.#attempts.push(attempt);
    let next: 'address' | 'host' = 'host';
    for (const [index, { recipient, verdict }] of verdicts.entries()) {
      const told = attempt.recipients[index];
      this.#lastWord.set(recipient, { attempt, recipient: told });
      if (verdict.status === 'lost' && !verdict.inDoubt) next = 'address';
      const settled = verdict.status !== 'later' && (verdict.status !== 'lost' || verdict.inDoubt);
      if (settled && told !== undefined) this.#settle(recipient, told, attempt);
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
    if (this.#deadline.aborted) this.#limit = 'the time for this delivery is over';
    else if (this.#connections >= this.#client.limits.connections) {
      this.#limit = `${this.#connections} connections were made for this destination, which is the limit`;
    }
    return this.#limit !== undefined;
  }

  #settle(recipient: Mailbox, told: AttemptRecipient, attempt: Attempt): void {
    this.#pending.delete(recipient);
    const { host, address, tls, mx } = attempt;
    this.#outcomes.set(recipient, { ...told, host, address, tls, mx });
  }

  #settleAll(
    status: OutcomeStatus,
    enhancedStatus: string,
    reason: string,
    mx: RecipientOutcome['mx'],
  ): void {
    for (const recipient of this.#pending) {
      const host = this.#lastWord.get(recipient)?.attempt.host ?? null;
      const nothing = { stage: null, reply: null, code: null, address: null, tls: null };
      this.#outcomes.set(recipient, {
        recipient: recipient.address,
        status,
        enhancedStatus,
        reason,
        host,
        mx,
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
 * RFC 7672 section 2.2, pre-DANE rules: "The MTA MAY retry in cleartext when delivery via TLS fails during
 * the handshake". Some servers break off at the word STARTTLS already; under TLS 1.3 others do when our side
 * of the handshake has ended, which shows at EHLO.
 */
function clearInstead(
  policy: TlsPolicy,
  { fault, tls }: Extract<OpenedSession, { status: 'failed' }>,
): ClearPolicy | undefined {
  if (policy.level !== 'may') return undefined;
  const inHandshake = fault.stage === 'handshake' && (fault.kind === 'handshake' || fault.kind === 'timeout');
  const rightAfter = tls !== null && fault.stage === 'ehlo' && fault.kind === 'closed';
  const rightBefore = fault.stage === 'starttls' && fault.kind === 'closed';
  if (!inHandshake && !rightAfter && !rightBefore) return undefined;
  return {
    level: 'none',
    source: `TLS failed, and clear text is allowed (RFC 7672 section 2.2): ${policy.source}`,
  };
}
