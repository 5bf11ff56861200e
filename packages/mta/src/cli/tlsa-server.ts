/** What the options of `danelaw tlsa` say of the server that is meant. */
import { isHostName } from '@danelaw/smtp';
import { parseMailDomain } from '../address.js';
import { ehloName } from './ehlo-name.js';
import { CommandError, EXIT } from './exit.js';
import type { ServerOptions } from './tlsa-server-options.js';

export interface MeantServer {
  /** In A-labels, without a dot at the end. */
  readonly host: string;
  readonly port: number;
  readonly starttls: 'smtp' | 'imap' | 'pop3' | 'none';
  readonly heloName: string;
  /** Milliseconds. */
  readonly timeout: number;
}

const SMTP_PORT = 25;
const TIMEOUT = 30_000;
/** Where the port says how TLS begins (RFC 8314 section 3, RFC 9051, RFC 1939). */
const STARTTLS_BY_PORT: ReadonlyMap<number, MeantServer['starttls']> = new Map([
  [143, 'imap'],
  [110, 'pop3'],
  [465, 'none'],
  [993, 'none'],
  [995, 'none'],
  [443, 'none'],
]);

/** @throws CommandError 64 */
export function meantServer(text: string, options: ServerOptions): MeantServer {
  const parsed = parseMailDomain(text);
  if (!parsed.ok) throw new CommandError(EXIT.USAGE, `${text}: ${parsed.reason}`);
  const { domain } = parsed;
  if (domain.startsWith('[') || !isHostName(domain)) {
    throw new CommandError(
      EXIT.USAGE,
      `${text}: give the name of a host; TLSA records can't speak for an address`,
    );
  }
  const { port = SMTP_PORT, timeout = TIMEOUT } = options;
  return {
    host: domain,
    port,
    starttls: options.starttls ?? STARTTLS_BY_PORT.get(port) ?? 'smtp',
    heloName: ehloName(options.helo),
    timeout,
  };
}
