/**
 * Addresses of the lab: every name server and every mail host has one of its own in 127.0.0.0/8, all with the
 * same port.
 *
 * That is what the real Internet looks like to a client (one port, many addresses), and needs no privileges
 * on Linux, where the whole of 127.0.0.0/8 is loopback. Other systems have only 127.0.0.1 until more are
 * added by hand.
 */
import { createHash } from 'node:crypto';
import { isPortTaken } from './dns-socket.js';

/** Second octet of name servers', mail hosts' and web servers' addresses, after their services' ports. */
const NAME_SERVERS = 53;
const MAIL_HOSTS = 25;
const WEB_SERVERS = 80;
/** Third octet times fourth octet: 254 by 254. */
const PER_NETWORK = 254 * 254;

/** Hands out addresses: the same name gets the same one in every run, unless two names fall together. */
export class Loopback {
  readonly #taken = new Set<string>();

  nameServer(zone: string): string {
    return this.#next(NAME_SERVERS, zone);
  }

  mailHost(host: string): string {
    return this.#next(MAIL_HOSTS, host);
  }

  webServer(name: string): string {
    return this.#next(WEB_SERVERS, name);
  }

  #next(network: number, name: string): string {
    const start = createHash('sha256').update(name.toLowerCase()).digest().readUInt32BE(0);
    for (let i = 0; i < PER_NETWORK; i++) {
      const place = (start + i) % PER_NETWORK;
      const address = `127.${network}.${1 + Math.floor(place / 254)}.${1 + (place % 254)}`;
      if (this.#taken.has(address)) continue;
      this.#taken.add(address);
      return address;
    }
    throw new RangeError(`more than ${PER_NETWORK} addresses in 127.${network}.0.0/16`);
  }
}

/** The lab can't be had on this system, or not now; the message says what to do. */
export class LabError extends Error {
  override readonly name = 'LabError';
}

export interface Listening {
  readonly port: number;
  close(): Promise<void>;
}

export interface Everywhere<T> {
  readonly port: number;
  readonly listeners: readonly T[];
}

/** With no port given: how often a port that is free on one address and taken on another is given up. */
const PORT_ATTEMPTS = 20;

/**
 * Listens on one port at many addresses.
 * @param port 0 for any that is free on all of them
 * @param listen starts one listener; is given 0 for the first where `port` is 0
 * @throws LabError (rejects) where this system has not these addresses, or the port is taken
 */
export async function listenEverywhere<T extends Listening>(
  addresses: readonly string[],
  port: number,
  listen: (address: string, port: number) => Promise<T>,
): Promise<Everywhere<T>> {
  for (let attempt = 1; ; attempt++) {
    const listeners: T[] = [];
    try {
      const [first, ...others] = addresses;
      if (first === undefined) return { port, listeners };
      const opened = await listen(first, port);
      listeners.push(opened);
      const rest = await Promise.allSettled(others.map((address) => listen(address, opened.port)));
      for (const each of rest) if (each.status === 'fulfilled') listeners.push(each.value);
      const failed = rest.find((each) => each.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      return { port: opened.port, listeners };
    } catch (error) {
      await Promise.all(listeners.map((listener) => listener.close()));
      if (port === 0 && isPortTaken(error) && attempt < PORT_ATTEMPTS) continue;
      throw explained(error, addresses);
    }
  }
}

function explained(error: unknown, addresses: readonly string[]): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error;
  switch (error.code) {
    case 'EADDRNOTAVAIL':
      return new LabError(
        `This system has not all of 127.0.0.0/8 as loopback, as Linux does; the lab needs ` +
          `${addresses.length} addresses in it (${addresses.slice(0, 3).join(', ')}...). Run it on Linux (a ` +
          `container or a virtual machine will do), or add each address, on macOS with: ` +
          `sudo ifconfig lo0 alias ${addresses[0]}`,
        { cause: error },
      );
    case 'EADDRINUSE':
      return new LabError(
        `${error.message}: another lab may be running with this port. Give another one, or none to take any ` +
          'that is free.',
        { cause: error },
      );
    case 'EACCES':
      return new LabError(`${error.message}: ports below 1024 need privileges. Give a higher one, or none.`, {
        cause: error,
      });
    default:
      return error;
  }
}
