/**
 * How far long work has come: one line on standard error, drawn again a few times in a second where that is a
 * terminal, and a line now and then where it is not.
 */
import { ERASE_LINE } from './progress.js';
import { type Io, widthOf } from './terminal.js';

/** Milliseconds between two drawings, on a terminal and in a log. */
const DRAW_EVERY = 200;
const LOG_EVERY = 30_000;
/** Characters of the bar itself. */
const BAR = 24;
/** Milliseconds: the rate is that of the last so many. */
const RATE_OVER = 10_000;

export class ProgressBar {
  readonly #io: Io;
  readonly #total: number;
  readonly #unit: string;
  readonly #clock: () => number;
  readonly #start: number;
  /** When how much was done, the oldest first; no further back than the rate looks. */
  #marks: { readonly time: number; readonly done: number }[];
  /** What was done before the start is no part of the rate. */
  readonly #before: number;
  #done: number;
  #drawn: number;
  #note = '';

  constructor(
    io: Io,
    total: number,
    unit: string,
    clock: () => number = () => performance.now(),
    before = 0,
  ) {
    this.#before = before;
    this.#done = before;
    this.#io = io;
    this.#total = total;
    this.#unit = unit;
    this.#clock = clock;
    this.#start = clock();
    this.#drawn = this.#start;
    this.#marks = [{ time: this.#start, done: before }];
  }

  /** One more is done. */
  advance(): void {
    this.advanceTo(this.#done + 1);
  }

  /** So many are done, whoever did them. @param note what else there is to say, at the end of the line */
  advanceTo(done: number, note = ''): void {
    this.#done = done;
    this.#note = note;
    const isTerminal = this.#io.stderr.isTTY === true;
    const now = this.#clock();
    if (now - this.#drawn < (isTerminal ? DRAW_EVERY : LOG_EVERY)) return;
    this.#drawn = now;
    this.#marks.push({ time: now, done: this.#done });
    while (this.#marks.length > 2 && now - (this.#marks[0]?.time ?? now) > RATE_OVER) this.#marks.shift();
    if (isTerminal) this.#io.stderr.write(`${ERASE_LINE}${this.line(widthOf(this.#io.stderr) - 1)}`);
    else this.#io.stderr.write(`${this.line(widthOf(this.#io.stderr))}\n`);
  }

  /** The line goes; what was done, and how fast, is told. */
  end(): string {
    if (this.#io.stderr.isTTY === true) this.#io.stderr.write(ERASE_LINE);
    const seconds = (this.#clock() - this.#start) / 1000;
    const done = this.#done - this.#before;
    const rate = seconds > 0 ? ` (${perSecond(done / seconds)})` : '';
    return `${done.toLocaleString('en')} ${this.#unit} in ${duration(seconds)}${rate}`;
  }

  line(width: number): string {
    const share = this.#total === 0 ? 1 : this.#done / this.#total;
    const full = Math.round(share * BAR);
    const bar = `[${'#'.repeat(full)}${'.'.repeat(BAR - full)}]`;
    const first = this.#marks[0];
    const spent = ((this.#marks.at(-1)?.time ?? 0) - (first?.time ?? 0)) / 1000;
    const rate = spent > 0 ? (this.#done - (first?.done ?? 0)) / spent : 0;
    const left = rate > 0 ? `, ${duration((this.#total - this.#done) / rate)} left` : '';
    const counts = `${this.#done.toLocaleString('en')} of ${this.#total.toLocaleString('en')} ${this.#unit}`;
    return `${bar} ${Math.floor(share * 100)} %  ${counts}, ${perSecond(rate)}${left}${this.#note}`.slice(
      0,
      width,
    );
  }
}

const perSecond = (rate: number): string => `${rate < 10 ? rate.toFixed(1) : Math.round(rate)}/s`;

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
