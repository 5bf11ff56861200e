/**
 * MTA-STS policies for a program that runs for years: kept in a file over restarts, and fetched anew before they
 * grow old, though no mail goes to their domains (RFC 8461 section 3.3).
 */
import type { Resolver } from '@danelaw/dns';
import { MtaSts, type MtaStsOptions } from '@danelaw/smtp';
import { loadStsCache, saveStsCache } from './sts-file.js';
import { wordsOf } from './words-of.js';

/** Milliseconds between writes of the policies: what a crash can forget. */
const SAVE_EVERY = 60_000;
/** Milliseconds between looks for policies that are older than a day. */
const REFRESH_EVERY = 3_600_000;

export interface StsPoliciesOptions {
  /** They are forgotten with the program where it is left out. */
  readonly file: string | undefined;
  readonly clock: () => number;
  /** Hears what went wrong, for people. */
  readonly say: (words: string) => void;
  readonly fetch?: Omit<MtaStsOptions, 'cache'>;
}

export class StsPolicies {
  readonly source: MtaSts;
  readonly #options: StsPoliciesOptions;
  readonly #timers: NodeJS.Timeout[] = [];
  #refreshing = false;
  #saving: Promise<void> = Promise.resolve();

  private constructor(source: MtaSts, options: StsPoliciesOptions) {
    this.source = source;
    this.#options = options;
  }

  /** @throws (rejects) StsFileError */
  static async open(options: StsPoliciesOptions): Promise<StsPolicies> {
    const { file, clock, fetch } = options;
    const known = file === undefined ? {} : { cache: await loadStsCache(file, clock()) };
    return new StsPolicies(new MtaSts({ ...fetch, ...known }), options);
  }

  /** Saves what is known, and fetches anew what is older than a day. */
  keepUp(resolver: Resolver, signal: AbortSignal): void {
    this.#timers.push(setInterval(() => void this.save(), SAVE_EVERY).unref());
    this.#timers.push(setInterval(() => void this.refresh(resolver, signal), REFRESH_EVERY).unref());
  }

  /** Fetches anew what is older than a day. Never rejects: what went wrong is said, and tried again in an hour. */
  async refresh(resolver: Resolver, signal: AbortSignal): Promise<void> {
    // Thousands of silent Web servers take longer than the time between two looks.
    if (this.#refreshing) return;
    this.#refreshing = true;
    try {
      await this.source.refresh({ resolver, now: this.#options.clock(), signal });
    } catch (error) {
      // As where the resolver was replaced, and closed, in the middle of a look-up.
      if (!signal.aborted) this.#options.say(`MTA-STS policies could not be fetched anew: ${wordsOf(error)}`);
    } finally {
      this.#refreshing = false;
    }
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.source.close();
    await this.save();
  }

  /** Writes them to the file. Never rejects. */
  save(): Promise<void> {
    this.#saving = this.#saving.then(() => this.#save());
    return this.#saving;
  }

  async #save(): Promise<void> {
    const { file, clock, say } = this.#options;
    if (file === undefined) return;
    try {
      await saveStsCache(file, this.source.cache, clock());
    } catch (error) {
      say(`MTA-STS policies could not be kept in ${file}: ${wordsOf(error)}`);
    }
  }
}
