/**
 * A survey on several processors: threads that ask DNS, each with a resolver of its own. What one name server is asked at a time
 * they share out among them, so that together they are as polite as one.
 */
import { Worker } from 'node:worker_threads';
import type { ResolverOptions } from '@danelaw/dns';
import type { SurveyResult } from './survey-result.js';
import type { Surveyor } from './surveyor.js';

/** Plain data, as it goes from thread to thread. */
export interface SurveyThreadSettings {
  readonly threads: number;
  readonly resolver: Pick<
    ResolverOptions,
    'upstream' | 'fallback' | 'trust' | 'trustAnchors' | 'rootHints' | 'port'
  >;
  /** Milliseconds since the epoch; now where it is left out. */
  readonly at: number | undefined;
  readonly probe: { readonly heloName: string; readonly port?: number };
}

export interface Question {
  readonly number: number;
  readonly domain: string;
}

export interface Answer {
  readonly number: number;
  readonly result: SurveyResult;
}

export type FromSurveyThread =
  | { readonly kind: 'answers'; readonly answers: readonly Answer[] }
  | { readonly kind: 'notice'; readonly text: string };

const SURVEY_THREAD = new URL('./survey-thread.js', import.meta.url);

/** Domains under way in every thread before another one is worth starting. */
const WORTH_A_THREAD = 8;
/** Mebibytes. V8 lets a heap grow the further the more it may have; what a thread keeps is bounded by its caches. */
const HEAP = { maxYoungGenerationSizeMb: 12, maxOldGenerationSizeMb: 512 };

export class SurveyThreads implements Surveyor {
  readonly #settings: SurveyThreadSettings;
  readonly #onNotice: (text: string) => void;
  readonly #entry: URL;
  readonly #threads: SurveyThread[] = [];
  readonly #noticed = new Set<string>();

  /**
   * @param onNotice hears each text once, however many threads say it
   * @param entry the program of a thread
   */
  constructor(settings: SurveyThreadSettings, onNotice: (text: string) => void, entry = SURVEY_THREAD) {
    this.#settings = settings;
    this.#onNotice = onNotice;
    this.#entry = entry;
  }

  survey(domain: string, signal: AbortSignal): Promise<SurveyResult> {
    return this.#idlest().survey(domain, signal);
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.end()));
  }

  #idlest(): SurveyThread {
    const [first, ...others] = this.#threads;
    if (first === undefined) return this.#another();
    const idlest = others.reduce((least, each) => (each.underWay < least.underWay ? each : least), first);
    const hasRoom = idlest.underWay < WORTH_A_THREAD || this.#threads.length >= this.#settings.threads;
    return hasRoom ? idlest : this.#another();
  }

  #another(): SurveyThread {
    const thread = new SurveyThread(this.#entry, this.#settings, (text) => this.#notice(text));
    this.#threads.push(thread);
    return thread;
  }

  #notice(text: string): void {
    if (this.#noticed.has(text)) return;
    this.#noticed.add(text);
    this.#onNotice(text);
  }
}

interface Waiting {
  readonly resolve: (result: SurveyResult) => void;
  readonly reject: (error: Error) => void;
}

class SurveyThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #questions: Question[] = [];
  #asked = 0;
  #death: Error | undefined;

  constructor(entry: URL, settings: SurveyThreadSettings, onNotice: (text: string) => void) {
    this.#worker = new Worker(entry, { workerData: settings, resourceLimits: HEAP });
    this.#worker.on('message', (message: FromSurveyThread) => {
      if (message.kind === 'notice') onNotice(message.text);
      else for (const { number, result } of message.answers) this.#take(number)?.resolve(result);
    });
    this.#worker.on('error', (error) => this.#die(error));
    this.#worker.on('exit', () => this.#die(new Error('a thread of the survey ended')));
  }

  get underWay(): number {
    return this.#waiting.size;
  }

  async survey(domain: string, signal: AbortSignal): Promise<SurveyResult> {
    signal.throwIfAborted();
    if (this.#death !== undefined) throw this.#death;
    const number = ++this.#asked;
    // Whoever gives up does not wait for the answer, which still comes.
    const giveUp = (): void => this.#take(number)?.reject(signal.reason);
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      return await new Promise<SurveyResult>((resolve, reject) => {
        this.#waiting.set(number, { resolve, reject });
        this.#ask({ number, domain });
      });
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  /** What is asked in one turn of the event loop goes over in one message. */
  #ask(question: Question): void {
    if (this.#questions.push(question) > 1) return;
    queueMicrotask(() => {
      this.#worker.postMessage(this.#questions);
      this.#questions = [];
    });
  }

  #take(number: number): Waiting | undefined {
    const waiting = this.#waiting.get(number);
    this.#waiting.delete(number);
    return waiting;
  }

  #die(reason: Error): void {
    this.#death ??= reason;
    for (const { reject } of this.#waiting.values()) reject(this.#death);
    this.#waiting.clear();
  }
}
