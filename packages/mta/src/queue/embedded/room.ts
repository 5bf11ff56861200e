/**
 * Whether there is room for more: bounds of the configuration, and what the disk has left.
 *
 * Some space is never given to new messages: settling and removing what is there needs to write, too.
 */
import { QueueFullError } from '../queue.js';
import type { Disk } from './disk.js';

/** Milliseconds for which the disk's answer holds. */
const ASK_AGAIN = 1000;

export interface Bounds {
  readonly maxMessages: number;
  /** Octets that stay free on the disk. */
  readonly minFree: number;
}

export class Room {
  readonly #directory: string;
  readonly #disk: Disk;
  readonly #clock: () => number;
  readonly #bounds: Bounds;
  #free = Number.POSITIVE_INFINITY;
  #asked = Number.NEGATIVE_INFINITY;
  /** Octets that were promised since the disk was asked. */
  #promised = 0;
  #asking: Promise<void> | undefined;

  constructor(directory: string, disk: Disk, clock: () => number, bounds: Bounds) {
    this.#directory = directory;
    this.#disk = disk;
    this.#clock = clock;
    this.#bounds = bounds;
  }

  /**
   * @param messages in the queue, and on their way into it
   * @throws (rejects) `QueueFullError`
   */
  async mustHave(octets: number, messages: number): Promise<void> {
    if (messages >= this.#bounds.maxMessages) {
      throw new QueueFullError(
        `The queue holds ${messages} messages; it may have ${this.#bounds.maxMessages}.`,
      );
    }
    await this.#ask();
    this.#promised += octets;
    if (this.#free - this.#promised >= this.#bounds.minFree) return;
    this.#promised -= octets;
    throw new QueueFullError(
      `${this.#directory} has ${this.#free} octets left; ${this.#bounds.minFree} are to stay free.`,
    );
  }

  /** The disk has nothing left worth speaking of. */
  async isFull(): Promise<boolean> {
    return (await this.#disk.free(this.#directory)) < LMDB_WRITE;
  }

  /** Those who come while the disk is asked wait for its answer, and hear of it where it can't be asked. */
  #ask(): Promise<void> {
    const since = this.#clock() - this.#asked;
    if (since >= 0 && since < ASK_AGAIN) return Promise.resolve();
    this.#asking ??= this.#askNow().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #askNow(): Promise<void> {
    this.#free = await this.#disk.free(this.#directory);
    this.#asked = this.#clock();
    this.#promised = 0;
  }
}

/** More than the index writes in one go. */
const LMDB_WRITE = 16 * 2 ** 20;
