/**
 * Many domains have the same mail servers. Each server is asked by a few at a time, with a pause between, and
 * what came of it is kept for the next domain - unless a name in the certificate had a part in it, as names depend
 * on the domain, or nothing was learned of the server.
 */
import type { AddressProbe, ProbedServer } from '@danelaw/smtp';

export interface TurnOptions {
  /** Sessions with one server at a time. */
  readonly atOnce: number;
  /** Milliseconds between two sessions with one server. */
  readonly pause: number;
  /** Waits for this server's turn over all machines, where several share a survey; what it gives ends that turn. */
  readonly take?: (server: string) => Promise<() => void>;
}

/** Servers that are remembered. */
const MAX_KNOWN = 50_000;

interface Server {
  known: AddressProbe | undefined;
  underWay: number;
  readonly waiting: (() => void)[];
}

export class ServersTurn {
  readonly #options: TurnOptions;
  readonly #servers = new Map<string, Server>();

  constructor(options: TurnOptions) {
    this.#options = options;
  }

  readonly turn = async (
    { host, address, port, level }: ProbedServer,
    open: () => Promise<AddressProbe>,
  ): Promise<AddressProbe> => {
    const key = `${host.toLowerCase()} ${address} ${port} ${level}`;
    const server = this.#of(key);
    if (server.known !== undefined) return server.known;
    await this.#myTurn(server);
    try {
      if (server.known !== undefined) return server.known;
      const found = await this.#inTurnOfAll(key, open);
      if (holdsForAll(found, host)) server.known = found;
      return found;
    } finally {
      this.#next(server);
    }
  };

  async #inTurnOfAll(key: string, open: () => Promise<AddressProbe>): Promise<AddressProbe> {
    const { take, pause } = this.#options;
    if (take === undefined) return await open();
    const release = await take(key);
    try {
      return await open();
    } finally {
      // The pause is kept from all machines.
      setTimeout(release, pause);
    }
  }

  async #myTurn(server: Server): Promise<void> {
    if (server.underWay < this.#options.atOnce) server.underWay += 1;
    else await new Promise<void>((go) => server.waiting.push(go));
  }

  #next(server: Server): void {
    const next = server.waiting.shift();
    if (next === undefined) server.underWay -= 1;
    else if (server.known !== undefined) next();
    else setTimeout(next, this.#options.pause);
  }

  #of(key: string): Server {
    const known = this.#servers.get(key);
    if (known !== undefined) return known;
    if (this.#servers.size >= MAX_KNOWN) this.#forget();
    const made: Server = { known: undefined, underWay: 0, waiting: [] };
    this.#servers.set(key, made);
    return made;
  }

  /** The oldest that nobody waits for. */
  #forget(): void {
    for (const [key, { underWay }] of this.#servers) {
      if (underWay > 0) continue;
      this.#servers.delete(key);
      return;
    }
  }
}

/** Proved by the domain's own name it is proved for that domain alone, and a bad moment says nothing at all. */
function holdsForAll({ ok, tls, failureType }: AddressProbe, host: string): boolean {
  if (!ok) return failureType !== null && failureType !== 'certificate-host-mismatch';
  const authenticated = tls?.authenticated ?? null;
  if (authenticated === null) return true;
  if (authenticated.by !== 'dane') return false;
  return authenticated.name === null || authenticated.name.toLowerCase() === host.toLowerCase();
}
