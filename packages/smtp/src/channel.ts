/**
 * A connection that has come as far as mail: greeted, under TLS or not, EHLO said, logged in. It holds facts
 * and no verdict; a `Session` is a channel together with what one destination's policy says of it.
 *
 * A channel remembers what the next message on it has to know: whether a transaction was left open, and what
 * the caller still has to write down about the message before (`durable`).
 */
import type { ConnectionReport, Permit } from './admission.js';
import type { Capabilities } from './capabilities.js';
import type { Connection } from './connection.js';
import { SmtpFault } from './fault.js';
import type { Ends } from './session.js';
import type { Keeping } from './session-key.js';
import type { Secured } from './tls-facts.js';

/** Why a channel is in clear text. `failed`: STARTTLS was offered and refused. */
export type ClearCause = 'policy' | 'not-offered' | 'failed';

export interface ChannelFacts {
  readonly connection: Connection;
  readonly capabilities: Capabilities;
  readonly ends: Ends;
  /** Null in clear text. */
  readonly secured: Secured | null;
  /** Undefined under TLS. */
  readonly clearCause: ClearCause | undefined;
  /** Made with a TLS session of an earlier connection. */
  readonly resumed: boolean;
}

export class Channel {
  readonly connection: Connection;
  readonly capabilities: Capabilities;
  readonly ends: Ends;
  readonly secured: Secured | null;
  readonly clearCause: ClearCause | undefined;
  readonly resumed: boolean;
  /** Transactions that have been begun. */
  transactions = 0;
  /** The last transaction ended without a message: RSET goes before the next (RFC 5321 section 4.1.1.5). */
  needsReset = false;
  #keeping: Keeping | undefined;
  /** The outcome of the last message, while that is not written down. */
  #durable: Promise<void> | undefined;
  /** An outcome that the permit does not wait for. */
  #waived: Promise<void> | undefined;
  #permit: Permit | undefined;
  /** Set when QUIT is to be said. */
  #leaving: ConnectionReport | undefined;
  /** Set when the socket is closed. */
  #gone: ConnectionReport | undefined;

  constructor(facts: ChannelFacts) {
    this.connection = facts.connection;
    this.capabilities = facts.capabilities;
    this.ends = facts.ends;
    this.secured = facts.secured;
    this.clearCause = facts.clearCause;
    this.resumed = facts.resumed;
  }

  /**
   * From now on the channel answers for the permit of its connection, and knows under what it may be kept.
   */
  adopt(keeping: Keeping, permit: Permit | undefined): void {
    this.#keeping = keeping;
    this.#permit = permit;
  }

  /** What a pool keeps it under; undefined where it is not to be shared. */
  get keeping(): Keeping | undefined {
    return this.#keeping;
  }

  /**
   * A server took a message here, or may have. No further final dot is sent here before `durable` has resolved,
   * and no other connection is opened in place of this one: no more messages are ever in doubt than connections
   * are allowed. If it rejects the connection ends at once.
   */
  owe(durable: Promise<void>): void {
    this.#durable = durable;
    const paid = (): void => {
      if (this.#durable !== durable) return;
      this.#durable = undefined;
      this.#letGo();
    };
    durable.then(paid, () => {
      this.end('ok', unwritten());
      paid();
    });
  }

  /**
   * The message itself goes on to the next host, for recipients that were refused here: it would wait for its
   * own outcome where that host is the same server.
   */
  waive(own: Promise<void>): void {
    this.#waived = own;
    this.#letGo();
  }

  /**
   * Waits until the outcome of the message before is durable.
   *
   * @param own the promise of the message that waits: where that is tried a second time on the connection that
   * refused it - two names of one server, in clear text - its outcome is still to come
   * @throws SmtpFault `withheld` where it could not be made so; the faults of any wait
   */
  async settled(own: Promise<void> | undefined): Promise<void> {
    if (this.#durable === undefined || this.#durable === own) return;
    const durable = this.#durable.catch(() => Promise.reject(unwritten()));
    await this.connection.waitFor('data-block', durable);
  }

  /**
   * Says QUIT as soon as nothing is owed. Nobody waits for the reply, but the permit is held until the socket is
   * closed.
   */
  quit(report: ConnectionReport): void {
    this.#leaving = report;
    this.#letGo();
  }

  /** Ends the connection without a word. Whoever waits for a reply hears `fault`. */
  end(report: ConnectionReport, fault?: SmtpFault): void {
    this.#leaving = undefined;
    this.connection.destroy(fault);
    this.#onGone(report);
  }

  #onGone(report: ConnectionReport): void {
    this.#gone ??= report;
    this.#letGo();
  }

  #letGo(): void {
    if (this.#durable !== undefined && this.#durable !== this.#waived) return;
    const leaving = this.#leaving;
    if (leaving !== undefined) {
      this.#leaving = undefined;
      this.connection.quit(() => this.#onGone(leaving));
    }
    if (this.#gone === undefined) return;
    const permit = this.#permit;
    this.#permit = undefined;
    permit?.release(this.#gone);
  }
}

function unwritten(): SmtpFault {
  const words = 'the outcome of the message before, on the same connection, could not be made durable';
  return new SmtpFault('withheld', 'data-block', words);
}
