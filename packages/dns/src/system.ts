/** Which resolvers to ask: those of the system (resolv.conf(5)), or the ones that a person wrote down. */
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { ServerAddress } from './transport.js';
import { quote } from './wire.js';

export const DNS_PORT = 53;
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
    if (keyword !== 'nameserver' || isIP(address) === 0) continue;
    if (servers.some((server) => server.address === address)) continue;
    servers.push({ address, port: DNS_PORT });
    if (servers.length === MAX_SYSTEM_SERVERS) break;
  }
  return servers;
}

/**
 * Reads `192.0.2.1`, `192.0.2.1#5353`, `2001:db8::1#53` or `[2001:db8::1]#53`.
 * @throws TypeError where it is none of these
 */
export function parseServer(text: string): ServerAddress {
  if (text.startsWith('tls://')) {
    throw new TypeError(
      `${quote(text)}: DNS over TLS is not supported yet; give a plain address (ADDRESS or ADDRESS#PORT)`,
    );
  }
  const [, bracketed, plain, digits] = /^(?:\[([^\]#]*)\]|([^[\]#]*))(?:#([0-9]{1,5}))?$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? '';
  const port = digits === undefined ? DNS_PORT : Number(digits);
  const family = isIP(address);
  if (family === 0 || (bracketed !== undefined && family !== 6)) {
    throw new TypeError(
      `${quote(text)} is not the address of a name server: write ADDRESS or ADDRESS#PORT, as in 192.0.2.1#5353`,
    );
  }
  if (port < 1 || port > 65_535) throw new TypeError(`${quote(text)}: ${port} is not a port (1 to 65535)`);
  return { address, port };
}
