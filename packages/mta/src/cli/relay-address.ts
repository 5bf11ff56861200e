/**
 * Where `danelaw sendmail` finds the running relay - where the configuration lets it listen - and where it leaves messages
 * while there is none.
 *
 * Nothing else is read. Users of this machine often may not read the rest: password files that the configuration
 * names, or the configuration itself. That must not stop their mail.
 */
import { accessSync, constants } from 'node:fs';
import { isIPv6 } from 'node:net';
import type { ListenConfig } from '../config/relay-config.js';
import { DEFAULT_MAILDROP } from '../maildrop/folder.js';
import { CommandError, EXIT } from './exit.js';
import { isLoopback } from './hand-over.js';

/** Where the relay listens by default. */
export const DEFAULT_RELAY = '127.0.0.1:2525';

export interface RelayWays {
  /** `HOST:PORT`. */
  readonly address: string;
  /** The maildrop's folder; undefined where there is to be none. */
  readonly maildrop: string | undefined;
}

/**
 * The ways to the relay that this configuration makes.
 * @param named the file that the user named; else `usual` is read, where it is there and may be read
 * @throws (rejects) CommandError
 */
export async function relayWays(named: string | undefined, usual: string): Promise<RelayWays> {
  const file = named ?? (isReadable(usual) ? usual : undefined);
  if (file === undefined) return { address: DEFAULT_RELAY, maildrop: DEFAULT_MAILDROP };
  const { ConfigError, readLocalWays } = await import('../config.js');
  try {
    const { listen, maildrop } = await readLocalWays(file);
    const address = nearestOf(listen);
    if (address !== undefined) return { address, maildrop: maildrop.folder };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // Whoever calls sendmail did not write that file, and gives a message up that is refused for good.
    throw new CommandError(named === undefined ? EXIT.TEMPORARY : EXIT.CONFIG, error.message);
  }
  throw new CommandError(
    named === undefined ? EXIT.TEMPORARY : EXIT.CONFIG,
    `${file}: the relay listens with tls = "implicit" only; add an address without it, or use --relay`,
  );
}

/** This machine's own address before others; those that want TLS at once are not for us. */
function nearestOf(listen: readonly ListenConfig[]): string | undefined {
  const reachable = listen
    .filter(({ tls }) => tls === 'starttls')
    .map(({ address, port }) => ({ host: reachableAt(address), port }));
  const chosen = reachable.find(({ host }) => isLoopback(host)) ?? reachable[0];
  if (chosen === undefined) return undefined;
  return `${isIPv6(chosen.host) ? `[${chosen.host}]` : chosen.host}:${chosen.port}`;
}

/** Who listens on every address listens on loopback, too. */
function reachableAt(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1';
  return /^[0:]+$/u.test(address) ? '::1' : address;
}

function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
