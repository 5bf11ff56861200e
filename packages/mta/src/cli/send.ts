/**
 * `danelaw send`: one message, now, without a queue - and what was proved about each server on the way.
 */
import { checkMessage, type Delivery, deliver, type Message } from '@danelaw/smtp';
import type { Command } from 'commander';
import { parseAddress } from '../address.js';
import { describeDelivery } from './delivery-report.js';
import { ehloName } from './ehlo-name.js';
import { CommandError, EXIT, type ExitCode, worstOf } from './exit.js';
import { readMessageInput } from './message-input.js';
import {
  addDnsOptions,
  addMailOptions,
  addOutputOptions,
  clientSettings,
  type MailOptions,
} from './network-options.js';
import { withResolver } from './open-resolver.js';
import { printable, printableJson } from './printable.js';
import { withProgress } from './progress.js';
import { prose } from './prose.js';
import { type Io, paletteFor, widthOf } from './terminal.js';
import { clockFrom } from './time.js';

interface SendOptions extends MailOptions {
  readonly from?: string;
  readonly to?: readonly string[];
  readonly requireTls?: true;
  readonly tlsrptState?: string;
}

const DESCRIPTION = `Delivers one message now, from FILE or standard input, to each recipient's domain under
the rules of RFC 7672,
and says what was proved: how the mail servers were found, what their TLSA records ask, and how each TLS
session was authenticated. There is no queue: what is deferred was not delivered, and is yours to send again.

The message is sent as it is. It must be complete, with its header, and its lines must all end in LF or all
in CRLF.`;

const EXAMPLES = `
Examples:
  $ danelaw send -f me@example.net -t you@example.org message.eml
  example.org
    mx.example.org  secure MX, preference 10
      TLSA  secure  3 1 1 8d02536c887482bc...
      192.0.2.25  TLSv1.3 TLS_AES_256_GCM_SHA384, authenticated by TLSA 3 1 1 8d02536c887482bc...
                  (DANE-EE)
                  > 250 2.0.0 Ok: queued as 4Q2x1

  delivered  you@example.org: handed over under TLS to mx.example.org, which DANE proved to be a
             server for example.org.

  $ danelaw send -f '' -t postmaster@example.org < report.eml          # null sender, standard input
  $ danelaw send --policy dane-only --json -f me@example.net -t a@example.org -t b@example.com m.eml

Exit codes: 0 delivered to all, 69 failed for good for at least one, 75 deferred for at least one
            64 usage    65 malformed message    66 unreadable file
            78 unusable trust anchors, hints, roots or configuration`;

export function define(command: Command, io: Io, finish: (code: ExitCode) => void): void {
  command
    .description(prose(DESCRIPTION))
    .argument('[file]', 'the message; standard input where it is "-" or left out')
    .optionsGroup('Envelope:')
    .option('-f, --from <address>', "the sender, to whom failures are reported; '' or '<>' for none")
    .option(
      '-t, --to <address>',
      'a recipient; give it again for each further one',
      (text: string, others: readonly string[] = []) => [...others, text],
    )
    .option(
      '--require-tls',
      'only over authenticated TLS, to servers that promise the same (REQUIRETLS, RFC 8689); else it fails',
    )
    .optionsGroup('TLS reports:')
    .option('--tlsrpt-state <dir>', 'count the TLS sessions there, for "danelaw tlsrpt send"')
    .addHelpText('after', EXAMPLES);
  addMailOptions(command, 'as RFC 5321 section 4.5.3.2 asks, minutes');
  addDnsOptions(command);
  addOutputOptions(command);
  command.action(async (file: string | undefined, options: SendOptions) =>
    finish(await send(file, options, io)),
  );
}

async function send(file: string | undefined, options: SendOptions, io: Io): Promise<ExitCode> {
  const envelope = { ...envelopeOf(options), requireTls: options.requireTls ?? false };
  const heloName = ehloName(options.helo);
  const octets = await readMessageInput(file, io);
  const message = checkedMessage(file, octets);
  const clock = clockFrom(options.at);
  const settings = await clientSettings(options, clock, io.signal);
  const delivery = await withResolver(options, clock, io, (resolver) =>
    withProgress(io, `sending to ${envelope.to.join(', ')} ...`, () =>
      deliver({ resolver, heloName, envelope, message, ...settings }),
    ),
  );
  if (options.tlsrptState !== undefined) {
    await countDelivery(options.tlsrptState, delivery, octets, clock, io);
  }
  if (options.json) {
    io.stdout.write(`${printableJson({ from: envelope.from, ...delivery })}\n`);
  } else {
    io.stdout.write(
      `${describeDelivery(delivery, paletteFor(io.stdout, io.env), widthOf(io.stdout)).join('\n')}\n`,
    );
  }
  return worstOf(delivery.recipients.map(({ status }) => SEVERITY[status]));
}

const SEVERITY = { delivered: 'fine', deferred: 'temporary', failed: 'permanent' } as const;

/** Checked here and not by commander, which would name a missing option before a misspelt one. */
function envelopeOf({ from, to }: SendOptions): { from: string; to: string[] } {
  if (from === undefined) throw new CommandError(EXIT.USAGE, "-f is missing: the sender, or '' for none");
  if (to === undefined) throw new CommandError(EXIT.USAGE, '-t is missing: a recipient');
  const isNull = from === '' || from === '<>';
  return {
    from: isNull ? '' : addressOption('-f', from),
    to: to.map((text) => addressOption('-t', text)),
  };
}

function addressOption(option: string, text: string): string {
  const parsed = parseAddress(text);
  if (!parsed.ok) throw new CommandError(EXIT.USAGE, `${option} ${text}: ${parsed.reason}`);
  return parsed.mailbox.address;
}

/** The message has been dealt with: that it could not be counted is told, and changes nothing. */
async function countDelivery(
  state: string,
  { attempts, unrouted }: Delivery,
  message: Uint8Array,
  clock: () => number,
  io: Io,
): Promise<void> {
  const warn = (words: string): void => void io.stderr.write(`danelaw: ${printable(words)}\n`);
  // Loaded by who counts: starting up is most of what a short command costs.
  const { TlsReports } = await import('../tlsrpt/tls-reports.js');
  const reports = new TlsReports({ state, clock, warn, shortLived: true });
  reports.count(attempts, { unrouted, message });
  try {
    await reports.close();
  } catch (error) {
    warn(`--tlsrpt-state: not counted: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function checkedMessage(file: string | undefined, octets: Uint8Array): Message {
  const checked = checkMessage(octets);
  switch (checked.status) {
    case 'ok':
      return checked.message;
    case 'malformed':
      throw new CommandError(EXIT.DATA, `${file ?? 'standard input'}: ${checked.reason}. Nothing was sent.`);
    default: {
      const never: never = checked;
      return never;
    }
  }
}
