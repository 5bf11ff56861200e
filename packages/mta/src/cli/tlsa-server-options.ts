/** The options by which every command of `danelaw tlsa` is told which server is meant, and how it is asked. */
import { type Command, Option } from 'commander';
import type { DnsOptions } from './network-options.js';
import { oneOf, portValue, secondsValue } from './option-values.js';

export const STARTTLS = ['smtp', 'imap', 'pop3', 'none'] as const;

/** As commander gives them. */
export interface ServerOptions extends DnsOptions {
  readonly port?: number;
  readonly starttls?: (typeof STARTTLS)[number];
  readonly helo?: string;
  /** Milliseconds. */
  readonly timeout?: number;
  readonly passwordFile?: string;
}

export function addServerOptions(command: Command): Command {
  return command
    .optionsGroup('Server:')
    .addOption(new Option('--port <n>', 'port of the service (default: 25)').argParser(portValue))
    .addOption(
      new Option(
        '--starttls <protocol>',
        'how TLS begins: smtp, imap, pop3, or none (at once) (default: by the port; else smtp)',
      ).argParser(oneOf(STARTTLS)),
    )
    .option('--helo <name>', "name given in EHLO (default: this machine's full name, else its address)")
    .addOption(
      new Option('--timeout <seconds>', 'longest wait for a server, at each step (default: 30)').argParser(
        secondsValue,
      ),
    )
    .option(
      '--password-file <file>',
      'its first line opens encrypted keys and PKCS #12 (default: asks at a terminal)',
    );
}
