/**
 * The line in front of one name server: a few questions are its at a time, the others wait.
 *
 * A server that keeps silent takes all of its time for each question, and those in line would wait until their own time is
 * over. Where it has let many pass, and for long enough, those in line fail at once, and for a few seconds so does whoever
 * comes. After that it gets one question: if that is answered, all is as before, and who has come meanwhile waits for it.
 *
 * A server that is only slow is not taken for one: who asks gives it more time after each silence (the resolver's server
 * times). Nor is one that loses packets: any answer begins the count anew.
 */
import { TransportError, type TurnEnd } from '@danelaw/dns';

/** Silences in a row, and milliseconds over which they came: two rounds with all the patience that the resolver has. */
const MIN_SILENCES = 10;
const MIN_QUIET_MS = 8_000;
/** Milliseconds for which a silent server is asked nothing. */
export const SILENT_FOR_MS = 5_000;

interface Waiting {
  go(): void;
  fail(error: TransportError): void;
}

export class ServerLine {
  readonly #server: string;
  readonly #atOnce: number;
  readonly #clock: () => number;
  readonly #waiting: Waiting[] = [];
  #underWay = 0;
  #silences = 0;
  /** When the first of them was asked. */
  #quietSince = 0;
  /** Undefined where it is not taken to be silent; once this has passed, it gets one question at a time. */
  #silentUntil: number | undefined;

  /**
   * @param server its name, for people
   * @param clock milliseconds; only differences count
   */
  constructor(server: string, atOnce: number, clock: () => number) {
    this.#server = server;
    this.#atOnce = atOnce;
    this.#clock = clock;
  }

  /** Nobody is asking it, or waits to. */
  get isIdle(): boolean {
    return this.#underWay === 0;
  }

  /** It may be forgotten when it is idle: a new one would do the same. */
  get isBlank(): boolean {
    return this.#silences === 0;
  }

  /**
   * Resolves, when it is one's turn, to what ends the turn.
   * @throws (rejects) with the signal's reason when it aborts, with a TransportError where the server is silent
   */
  async take(signal: AbortSignal): Promise<(end: TurnEnd) => void> {
    if (this.#isShut) throw this.#silence();
    if (this.#underWay < this.#most) this.#underWay += 1;
    else await this.#turnIn(signal);
    const start = this.#clock();
    return (end) => this.#ended(end, start);
  }

  get #most(): number {
    return this.#silentUntil === undefined ? this.#atOnce : 1;
  }

  get #isShut(): boolean {
    return this.#silentUntil !== undefined && this.#clock() < this.#silentUntil;
  }

  #silence(): TransportError {
    return new TransportError('silent', `${this.#server} has been silent for a while, and is not asked now`);
  }

  #ended(end: TurnEnd, start: number): void {
    this.#underWay -= 1;
    this.#note(end, start);
    if (this.#isShut) {
      for (const { fail } of this.#waiting.splice(0)) fail(this.#silence());
      return;
    }
    while (this.#underWay < this.#most) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#underWay += 1;
      next.go();
    }
  }

  #note(end: TurnEnd, start: number): void {
    switch (end) {
      case 'answered':
        this.#silences = 0;
        this.#silentUntil = undefined;
        break;
      case 'silent':
        this.#noteSilence(start);
        break;
      case 'undecided':
        break;
      default:
        end satisfies never;
    }
  }

  #noteSilence(start: number): void {
    const now = this.#clock();
    if (this.#silences === 0) this.#quietSince = start;
    this.#silences += 1;
    const isEnough = this.#silences >= MIN_SILENCES && now - this.#quietSince >= MIN_QUIET_MS;
    if (isEnough || this.#silentUntil !== undefined) this.#silentUntil = now + SILENT_FOR_MS;
  }

  /** The place in the line is left where the question is given up meanwhile. */
  #turnIn(signal: AbortSignal): Promise<void> {
    const waiting = this.#waiting;
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        waiting.splice(waiting.indexOf(mine), 1);
        reject(signal.reason);
      };
      const settle = (): void => signal.removeEventListener('abort', giveUp);
      const mine: Waiting = {
        go() {
          settle();
          resolve();
        },
        fail(error) {
          settle();
          reject(error);
        },
      };
      waiting.push(mine);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }
}
