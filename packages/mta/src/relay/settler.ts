/**
 * Writes down what became of a try, together with the messages for senders that come of it, and says so in the log
 * once it is durable.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { logAttempts, logRecipients } from '../log/relay-log.js';
import { BodyLostError, type Claim, type NewMessage, type Settled, type Settlement } from '../queue/queue.js';
import { wordsOf } from '../words-of.js';
import type { JobOutcome } from './job.js';
import type { SchedulerOptions, SchedulerSettings } from './scheduler-options.js';
import { conclude, type Report, untoldAgain } from './settlement.js';

/** Milliseconds between tries to settle where there is no room. */
const SETTLE_AGAIN = 1000;

export class Settler {
  #options: SchedulerOptions;
  readonly #abandoned: AbortSignal;

  /** @param abandoned nothing is waited for any more */
  constructor(options: SchedulerOptions, abandoned: AbortSignal) {
    this.#options = options;
    this.#abandoned = abandoned;
  }

  /** Holds from the next settlement on. */
  configure(settings: SchedulerSettings): void {
    this.#options = { ...this.#options, ...settings };
  }

  /**
   * Resolves when it is durable, or the claim turned out to be lost.
   * @param body `unread`: reports that want it read it
   * @throws (rejects) where it was abandoned
   */
  async settle(claim: Claim, outcome: JobOutcome, body: Uint8Array | 'unread' | 'gone'): Promise<void> {
    const { schedule, clock, random, log, onOutcome } = this.#options;
    const now = clock();
    const concluded = conclude(claim, outcome.recipients, schedule, now, random());
    const { reports, events } = concluded;
    const tried = typeof body === 'string' ? undefined : body;
    const read = async () => (body === 'unread' ? await this.#bodyIfThere(claim) : tried);
    const followUps = await this.#reports(claim, reports, read);
    // What could not be told is not over: it is tried, and told, once more. What was delivered is.
    const recipients = followUps === undefined ? untoldAgain(concluded, schedule, now) : concluded.recipients;
    const settled = await this.#settleSurely(claim, { recipients, followUps: followUps ?? [] });
    logAttempts(log, claim, outcome);
    onOutcome?.(claim, outcome, tried);
    if (settled.status === 'lost') {
      log.warn('claim-lost', { id: claim.id, destination: claim.destination, reason: settled.reason });
      return;
    }
    logRecipients(log, claim, events, now);
    for (const { id, recipients: to } of followUps ?? []) {
      log.info('queued', { id, from: '', to: to.map(({ address }) => address), about: claim.id });
    }
  }

  async #reports(
    claim: Claim,
    reports: readonly Report[],
    body: () => Promise<Uint8Array | undefined>,
  ): Promise<readonly NewMessage[] | undefined> {
    if (reports.length === 0) return [];
    const { reportsFor, log } = this.#options;
    try {
      return await reportsFor(claim, reports, body);
    } catch (error) {
      log.error('internal', {
        id: claim.id,
        reason: `can't write a report to the sender: ${wordsOf(error)}`,
      });
      return undefined;
    }
  }

  async #bodyIfThere(claim: Claim): Promise<Uint8Array | undefined> {
    try {
      return await this.#options.queue.body(claim.id);
    } catch (error) {
      if (error instanceof BodyLostError) return undefined;
      throw error;
    }
  }

  /** What happened has happened: it is settled however long there is no room to write it down. */
  async #settleSurely(claim: Claim, settlement: Settlement): Promise<Settled> {
    const { queue, log } = this.#options;
    const signal = this.#abandoned;
    for (let told = false; ; told = true) {
      signal.throwIfAborted();
      try {
        return await queue.settle(claim, settlement);
      } catch (error) {
        if (!told) log.error('queue', { id: claim.id, reason: `can't settle: ${wordsOf(error)}` });
        await sleep(SETTLE_AGAIN, undefined, { signal });
      }
    }
  }
}
