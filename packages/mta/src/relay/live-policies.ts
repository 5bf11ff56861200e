/** MTA-STS policies that a reload turns on and off. */
import type { MtaSts, StsFinding } from '@danelaw/smtp';
import type { StsPolicies } from '../sts-policies.js';

export class LivePolicies {
  readonly #open: () => Promise<StsPolicies>;
  readonly #onOpen: (policies: StsPolicies) => void;
  /** Kept where they are turned off again: what is known stays known. */
  #policies: StsPolicies | undefined;
  #isEnabled = false;

  constructor(open: () => Promise<StsPolicies>, onOpen: (policies: StsPolicies) => void) {
    this.#open = open;
    this.#onOpen = onOpen;
  }

  /** @throws (rejects) where they are wanted, and their file can't be read */
  async prepare(wanted: boolean): Promise<void> {
    if (!wanted || this.#policies !== undefined) return;
    this.#policies = await this.#open();
    this.#onOpen(this.#policies);
  }

  /** Once they are prepared. */
  enable(wanted: boolean): void {
    this.#isEnabled = wanted;
  }

  async policyFor(domain: string, options: Parameters<MtaSts['policyFor']>[1]): Promise<StsFinding> {
    if (this.#isEnabled && this.#policies !== undefined) {
      return await this.#policies.source.policyFor(domain, options);
    }
    return { status: 'none', domain, reason: 'MTA-STS is not asked for', problems: [] };
  }

  async close(): Promise<void> {
    await this.#policies?.close();
  }
}
