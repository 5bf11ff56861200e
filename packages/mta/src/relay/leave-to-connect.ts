/**
 * Leave to connect, which the jobs of a thread ask for and the main thread gives.
 *
 * A permit is for a place - an address and a port - and not for a job. So it is asked for by place: as many times as
 * jobs wait for that place, but no more than a few times at once, and whichever of them has waited the longest has
 * the permit that comes. Most jobs at a busy server wait for leave only until a connection is idle; the next one that
 * waits takes over what was asked for the one that has left, and the main thread hears of neither.
 */
import type { Admit, ConnectionReport, Permit } from '@danelaw/smtp';
import type { FromThread, Released } from './thread-messages.js';
import { Together } from './together.js';

/**
 * Requests for one place that have not been answered. An answer takes less than a connection does, and each makes way
 * for the next request: twenty connections that are free are asked for in five steps.
 */
const MOST_REQUESTS = 4;

interface Place {
  readonly address: string;
  readonly port: number;
  /** Jobs, oldest first. */
  readonly waiting: Set<(permit: Permit) => void>;
  /** Not answered yet, oldest first. */
  readonly requests: number[];
}

export class LeaveToConnect {
  readonly #say: (message: FromThread) => void;
  readonly #places = new Map<string, Place>();
  /** Whose each request is. */
  readonly #asked = new Map<number, Place>();
  readonly #released: Together<Released>;
  /** Where a job has left the line. */
  readonly #left: Together<Place>;
  #requests = 0;

  constructor(say: (message: FromThread) => void) {
    this.#say = say;
    this.#released = new Together((permits) => say({ kind: 'release', permits }), setImmediate);
    this.#left = new Together((places) => this.#withdraw(places), setImmediate);
  }

  /** Rejects where `signal` aborts. */
  readonly admit: Admit = (target, signal) => {
    signal?.throwIfAborted();
    const place = this.#placeOf(target);
    return new Promise((resolve, reject) => {
      const onPermit = (permit: Permit): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve(permit);
      };
      const onAbort = (): void => {
        place.waiting.delete(onPermit);
        // In this turn of the event loop another job may come to wait there.
        if (place.waiting.size < place.requests.length) this.#left.add(place);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      place.waiting.add(onPermit);
      this.#ask(place);
    });
  };

  /** These requests were granted. */
  permitted(requests: readonly number[]): void {
    for (const request of requests) {
      const place = this.#asked.get(request);
      const permit: Permit = { release: (ending) => this.#release(request, ending) };
      if (place === undefined) {
        permit.release('ok'); // it was withdrawn while the permit was on its way
        continue;
      }
      this.#asked.delete(request);
      place.requests.splice(place.requests.indexOf(request), 1);
      const [longest] = place.waiting;
      if (longest === undefined) {
        permit.release('ok');
      } else {
        place.waiting.delete(longest);
        longest(permit);
      }
      this.#ask(place);
      this.#tidy(place);
    }
  }

  #placeOf({ address, port }: { readonly address: string; readonly port: number }): Place {
    const key = keyOf(address, port);
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    const made: Place = { address, port, waiting: new Set(), requests: [] };
    this.#places.set(key, made);
    return made;
  }

  #ask(place: Place): void {
    const { address, port, waiting, requests } = place;
    while (requests.length < Math.min(waiting.size, MOST_REQUESTS)) {
      const request = ++this.#requests;
      requests.push(request);
      this.#asked.set(request, place);
      this.#say({ kind: 'admit', request, address, port });
    }
  }

  /** What nobody waits for any more; of what was asked, the oldest stays, as it is the next to be answered. */
  #withdraw(places: readonly Place[]): void {
    const withdrawn: number[] = [];
    for (const place of places) {
      const surplus = place.requests.splice(place.waiting.size);
      if (surplus.length === 0) continue; // somebody waits again, or they were granted
      for (const request of surplus) this.#asked.delete(request);
      withdrawn.push(...surplus);
      this.#tidy(place);
    }
    if (withdrawn.length > 0) this.#say({ kind: 'withdraw', requests: withdrawn });
  }

  #release(request: number, ending: ConnectionReport): void {
    this.#released.add({ request, ending });
  }

  #tidy({ address, port, waiting, requests }: Place): void {
    if (waiting.size === 0 && requests.length === 0) this.#places.delete(keyOf(address, port));
  }
}

const keyOf = (address: string, port: number): string => `${address}#${port}`;
