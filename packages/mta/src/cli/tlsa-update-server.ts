/** The primary server that updates go to, as the command line gives it. */
import { isIP } from 'node:net';
import { parseServer } from '@danelaw/dns';
import { InvalidArgumentError } from 'commander';
import type { UpdateServer } from '../tlsa/publish-by-update.js';

/** A name, not an address: letters, digits and hyphens between dots, with something that is no digit. */
const HOST = /^(?=[^#]*[A-Za-z-])((?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63})\.?(?:#([0-9]{1,5}))?$/u;
const MAX_NAME = 253;

/** `NAME[#PORT]`, `ADDR[#PORT]`, or `tls://ADDR...`. */
export function updateServerValue(text: string): UpdateServer {
  const [, host, digits] = HOST.exec(text) ?? [];
  if (host !== undefined && host.length <= MAX_NAME && isIP(host) === 0) {
    const port = digits === undefined ? undefined : Number(digits);
    if (port === undefined) return { host };
    if (port >= 1 && port <= 65_535) return { host, port };
  }
  try {
    return parseServer(text);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new InvalidArgumentError(
      'Give the primary server as NAME[#PORT], ADDR[#PORT] or tls://ADDR[#PORT][/NAME].',
    );
  }
}
