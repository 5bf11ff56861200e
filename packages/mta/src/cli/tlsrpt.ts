/** `danelaw tlsrpt`: TLS reports (RFC 8460) - those of others read, our own sent and listed. */
import { type Command, Option } from 'commander';
import type { ExitCode } from './exit.js';
import { addDnsOptions, addOutputOptions, type DnsOptions } from './network-options.js';
import { portValue, secondsValue } from './option-values.js';
import { prose } from './prose.js';
import type { Io } from './terminal.js';

/** As commander gives them. */
export interface SendReportsOptions extends DnsOptions {
  readonly state: string;
  readonly organization?: string;
  readonly contact?: string;
  readonly from?: string;
  readonly now?: true;
  readonly config?: string;
  readonly helo?: string;
  readonly smtpPort?: number;
  readonly webRoots?: string;
  /** Milliseconds. */
  readonly timeout?: number;
}

const SHOW = `Reads TLS reports that others sent about your domain - JSON, compressed JSON, or the mail that
they came in - and says what is wrong with the domain and what to do about it. Nobody is asked, and DKIM
signatures are not verified: that is for the server that took the mail.`;

const SHOW_EXAMPLES = `
Examples:
  $ danelaw tlsrpt show report.json.gz
  $ danelaw tlsrpt show Maildir/new/*            # several, summed up by domain
  $ danelaw tlsrpt show - < mail.eml

Exit codes: 0 read    64 usage    65 no TLS report    66 unreadable file`;

const SEND = `Sends the reports that are due, of what "danelaw send --tlsrpt-state DIR" and others counted:
for each UTC day that is over one for each domain that wants them (_smtp._tls.DOMAIN), by mail signed with DKIM
or by HTTPS; without a [[dkim]] key for the contact's domain (see "danelaw dkim") by HTTPS alone. Run it from
cron once an hour, where no relay does it; what fails is tried again for 24 hours,
and nothing is sent twice.`;

const SEND_EXAMPLES = `
Example:
  $ danelaw tlsrpt send --state /var/lib/danelaw/tlsrpt --organization 'Example Org' \\
      --contact tlsrpt@example.org --config danelaw.toml

Exit codes: 0 all is sent that is due    64 usage    75 some have to be tried again, or another process sends
            78 unusable state, keys or configuration`;

export function define(command: Command, io: Io, finish: (code: ExitCode) => void): void {
  command.description('TLS reports (RFC 8460): those of others read, our own sent and listed.');
  const show = command
    .command('show')
    .summary('say in words what others report about a domain')
    .description(prose(SHOW))
    .argument('<file...>', 'JSON, JSON in gzip, or a mail; "-" for standard input')
    .addHelpText('after', SHOW_EXAMPLES);
  addOutputOptions(show);
  show.action(async (files: string[], options: { readonly json?: true }) => {
    const module = await import('./tlsrpt-show.js');
    finish(await module.show(files, options, io));
  });

  const list = command
    .command('list')
    .summary('show what was counted, and what became of reports')
    .requiredOption('--state <dir>', 'the folder with counts and reports');
  addOutputOptions(list);
  list.action(async (options: { readonly state: string; readonly json?: true }) => {
    const module = await import('./tlsrpt-list.js');
    finish(await module.list(options, io));
  });

  const send = command
    .command('send')
    .summary('send the reports that are due')
    .description(prose(SEND))
    .optionsGroup('Reports:')
    .requiredOption('--state <dir>', 'the folder with counts and reports')
    .option('--organization <name>', 'who reports')
    .option('--contact <address>', 'whom to ask about reports; its domain is the submitter')
    .option('--from <address>', 'the author of reports by mail (default: the contact)')
    .option('--now', 'wait for no moment: send what could still wait for its turn')
    .optionsGroup('Mail and HTTPS:')
    .option(
      '--config <file>',
      'TOML: [[dkim]] keys sign reports by mail, relays of the policy table carry them',
    )
    .option('--web-roots <file>', "PEM certificates to trust in place of the Web's authorities")
    .addOption(new Option('--smtp-port <n>', 'port of the mail servers (default: 25)').argParser(portValue))
    .option('--helo <name>', "name given in EHLO (default: this machine's full name, else its address)")
    .addOption(
      new Option('--timeout <seconds>', 'longest wait for a server, at each step').argParser(secondsValue),
    )
    .addHelpText('after', SEND_EXAMPLES);
  addDnsOptions(send);
  addOutputOptions(send);
  send.action(async (options: SendReportsOptions) => {
    const module = await import('./tlsrpt-send.js');
    finish(await module.sendReports(options, io));
  });
}
