/** Leave to connect, as a scheduler gives it, and what it hears back. */
import type { Admit, ConnectionReport } from '../admission.js';

/** Lets `limit` connections be open at a time. */
export class Gatekeeper {
  readonly reports: ConnectionReport[] = [];
  readonly asked: string[] = [];
  givenUp = 0;
  #free: number;
  readonly #queue: (() => void)[] = [];

  constructor(limit: number) {
    this.#free = limit;
  }

  readonly admit: Admit = async ({ host, address, port }, signal) => {
    this.asked.push(`${host} ${address} ${port}`);
    signal?.addEventListener('abort', () => {
      this.givenUp += 1;
    });
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
    return {
      release: (report) => {
        this.reports.push(report);
        const next = this.#queue.shift();
        if (next === undefined) this.#free += 1;
        else next();
      },
    };
  };
}
