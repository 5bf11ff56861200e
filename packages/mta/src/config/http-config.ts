/**
 * `[http]` of the configuration: where the relay can be watched, and by whom. Off unless it says where.
 *
 * Metrics have no addresses and no domains; the page says who writes to whom. Beyond this machine it takes a token.
 */
import { isIP } from 'node:net';
import { isLoopback } from '../listener/network.js';
import type { Table } from './table.js';

export interface HttpConfig {
  readonly address: string;
  readonly port: number;
  /** What a client has to show; at most one of the two is there. */
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
  /** Whether there is a page for people beside metrics and health. */
  readonly page: boolean;
}

/** Characters: what is shorter can be guessed. */
export const SHORTEST_TOKEN = 16;

/** @throws ConfigError */
export function readHttpConfig(table: Table): HttpConfig | undefined {
  const listen = table.string('listen');
  const token = table.string('token');
  const tokenFile = table.string('token_file');
  const page = table.boolean('page') ?? true;
  table.end();
  if (listen === undefined) {
    if (table.keys.length > 0) throw table.error('listen', 'is missing: as in "127.0.0.1:8025"');
    return undefined;
  }
  const match = /^(?:\[([0-9A-Fa-f:]+)\]|([0-9.]+)):([0-9]{1,5})$/u.exec(listen);
  const [address, port] = [match?.[1] ?? match?.[2], Number(match?.[3])];
  if (address === undefined || isIP(address) === 0 || port > 65_535) {
    throw table.error('listen', `"${listen}" is none; it should be as in "127.0.0.1:8025" or "[::1]:8025"`);
  }
  if (token !== undefined && tokenFile !== undefined) {
    throw table.error('token', 'is there beside token_file; only one of them can hold');
  }
  if (token !== undefined && token.length < SHORTEST_TOKEN) {
    throw table.error('token', `is too short; it needs ${SHORTEST_TOKEN} characters or more`);
  }
  if (token === undefined && tokenFile === undefined && !isLoopback(address)) {
    throw table.error('listen', `"${listen}" can be reached from elsewhere: set token_file (or token) too`);
  }
  return { address, port, token, tokenFile, page };
}
