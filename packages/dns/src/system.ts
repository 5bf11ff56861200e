/** The resolvers of the system (resolv.conf(5)). */
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { DNS_PORT, type ServerAddress } from './server-address.js';

/** The C library stops after three; a few more do no harm, hundreds would. */
const MAX_SYSTEM_SERVERS = 8;

/**
 * The name servers of a resolv.conf, in its order. As in the C library, a file that is missing or names none means the
 * one on this host.
 * @throws (rejects) where the file is there and can't be read
 */
export async function readSystemServers(path = '/etc/resolv.conf'): Promise<ServerAddress[]> {
  let text = '';
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  const servers = parseResolvConf(text);
  return servers.length > 0 ? servers : [{ address: '127.0.0.1', port: DNS_PORT }];
}

/** Lines that are not understood are passed over, as every reader of that file does. */
export function parseResolvConf(text: string): ServerAddress[] {
  const servers: ServerAddress[] = [];
  for (const line of text.split('\n')) {
    const [keyword, address = ''] = line.trim().split(/[ \t]+/);
    const server = keyword === 'nameserver' ? readNameServer(address) : undefined;
    if (server === undefined) continue;
    if (servers.some((known) => known.address === server.address && known.port === server.port)) continue;
    servers.push(server);
    if (servers.length === MAX_SYSTEM_SERVERS) break;
  }
  return servers;
}

/** An address, or `[ADDRESS]:PORT` as OpenBSD has it. */
function readNameServer(text: string): ServerAddress | undefined {
  const [, bracketed = text, digits] = /^\[([^\]]*)\]:([0-9]{1,5})$/.exec(text) ?? [];
  const port = digits === undefined ? DNS_PORT : Number(digits);
  return isIP(bracketed) !== 0 && port >= 1 && port <= 65_535 ? { address: bracketed, port } : undefined;
}
