/**
 * `danelaw sendmail`: takes a message on standard input as the classic sendmail does, and hands it to the running relay.
 *
 * Programs have called /usr/sbin/sendmail for forty years, each with its own set of options; so all that are in use are
 * known here. Those that change what becomes of the message are obeyed, those that told sendmail how to do its work are
 * accepted and have no meaning, and modes that this program does not have are refused by name.
 *
 * Where the relay does not run, the message is left in its maildrop (`maildrop/`); where that is not possible either, the
 * exit code and the words say that it was not sent.
 */
import { isAscii } from 'node:buffer';
import { hostname, userInfo } from 'node:os';
import { type Command, Option } from 'commander';
import { parseAddress } from '../address.js';
import { CONFIG_FILE } from '../config/config-file.js';
import { ehloName } from './ehlo-name.js';
import { CommandError, EXIT, type ExitCode, worstOf } from './exit.js';
import { type HandedOver, handOver } from './hand-over.js';
import type { LocalSubmission } from './leave-for-relay.js';
import { readMessageInput } from './message-input.js';
import { printable } from './printable.js';
import { prose } from './prose.js';
import { DEFAULT_RELAY, relayWays } from './relay-address.js';
import { readLocalMessage } from './sendmail-message.js';
import type { Io } from './terminal.js';

interface SendmailOptions {
  readonly t?: true;
  readonly i?: true;
  readonly f?: string;
  readonly r?: string;
  readonly F?: string;
  readonly N?: string;
  readonly R?: string;
  readonly V?: string;
  readonly b?: string;
  readonly q?: string | true;
  readonly o?: readonly string[];
  readonly v?: true;
  readonly relay?: string;
  readonly config?: string;
}

const DESCRIPTION = `Takes a message on standard input and hands it to the running relay, with the options of the
classic sendmail: a script that says 'exec danelaw sendmail "$@"' can stand as /usr/sbin/sendmail. The message may
lack From, Date and Message-ID: the relay adds them. Bcc is taken out. Names without a domain are of this machine.
Where the relay is not running, the message is left in its maildrop. 0 means that the message is on the disk,
with the relay or in the maildrop.`;

const EXAMPLES = `
Examples:
  $ danelaw sendmail -t -i < message.eml                    to whom its To, Cc and Bcc say
  $ danelaw sendmail -i -f me@example.net you@example.org < message.eml
  $ danelaw sendmail -t -N success,failure -V order-17 < message.eml

Accepted, and without meaning here: -q, -o..., -O, -B, -A, -C, -d, -D, -e, -E, -G, -h, -L, -m, -n, -p, -U, -x, -X.
Not here: -bs and -bd (the relay speaks SMTP), -bp ("danelaw queue list"), -bi, -bt, -bv.

Exit codes: 0 the relay or its maildrop has the message    64 usage    65 an address that is none
            69 refused for good    75 try again: neither took it, or the relay refused for now
            78 the file of --config is wrong`;

/** Options that told the classic sendmail how to do its work. Some have a value. */
const WITHOUT_MEANING = ['-G', '-m', '-n', '-U', '-E'];
const WITHOUT_MEANING_VALUED = ['-O', '-B', '-A', '-C', '-D', '-e', '-h', '-L', '-p', '-x', '-X'];

export function define(command: Command, io: Io, finish: (code: ExitCode) => void): void {
  command
    .description(prose(DESCRIPTION))
    .argument('[recipients...]', 'addresses; with -t, besides those in the header')
    .helpOption('--help', 'show this help')
    .option('-t', 'take the recipients from To, Cc and Bcc')
    .option('-i', 'a line with a single dot does not end the message (also -oi)')
    .option('-f <address>', "the sender, to whom failures are reported; '' or '<>' for none (default: you)")
    .addOption(new Option('-r <address>', 'the same as -f').hideHelp())
    .option('-F <name>', 'your full name, for a From field that is missing')
    .option('-N <when>', 'report on: never, or any of success,failure,delay (RFC 3461)')
    .option('-R <what>', 'what a report of failure returns: full or hdrs')
    .option('-V <id>', 'an id that reports give back')
    .option('-v', 'say what the relay answered')
    .option('--relay <host:port>', `where the relay listens (default: as configured, or ${DEFAULT_RELAY})`)
    .option('--config <file>', `the relay's configuration (default: ${CONFIG_FILE}, if it may be read)`)
    .addOption(new Option('-b <mode>').hideHelp())
    .addOption(new Option('-q [time]').hideHelp())
    .addOption(new Option('-d [level]').hideHelp())
    .addOption(
      new Option('-o <option>')
        .argParser((text: string, others: readonly string[] = []) => [...others, text])
        .hideHelp(),
    )
    .addHelpText('after', EXAMPLES);
  for (const flag of WITHOUT_MEANING) command.addOption(new Option(flag).hideHelp());
  for (const flag of WITHOUT_MEANING_VALUED) command.addOption(new Option(`${flag} <value>`).hideHelp());
  command.action(async (recipients: string[], options: SendmailOptions) =>
    finish(await sendmail(recipients, options, io)),
  );
}

async function sendmail(given: readonly string[], options: SendmailOptions, io: Io): Promise<ExitCode> {
  refuseOtherModes(options.b);
  // "sendmail -q" runs the queue; the relay does that by itself.
  if (options.q !== undefined && given.length === 0 && options.t !== true) return EXIT.OK;
  // Whoever names a relay means that one, and not the one that looks into this machine's maildrop.
  const { address: where, maildrop } =
    options.relay === undefined
      ? await relayWays(options.config, CONFIG_FILE)
      : { address: options.relay, maildrop: undefined };
  const relay = relayOption(where);
  const notify = choice(
    '-N',
    options.N,
    /^(?:never|(?:success|failure|delay)(?:,(?:success|failure|delay))*)$/u,
  );
  const ret = choice('-R', options.R, /^(?:full|hdrs)$/u);
  if (given.length === 0 && options.t !== true) {
    throw new CommandError(EXIT.USAGE, 'no recipients: name them, or use -t to take them from the header');
  }
  const from = senderOption(options.f ?? options.r);
  const { octets, recipients } = readLocalMessage(await readMessageInput('-', io), {
    ignoreDots: options.i === true || (options.o ?? []).includes('i'),
    from: options.F === undefined || from === '' ? undefined : named(options.F, from),
  });
  const to = [...given.flatMap((text) => text.split(',')), ...(options.t === true ? recipients : [])]
    .map((text) => text.trim())
    .filter((text) => text !== '')
    .map((text) => addressOf('recipient', text, EXIT.DATA));
  if (to.length === 0) throw new CommandError(EXIT.DATA, 'the header names no recipient in To, Cc or Bcc');
  const message: LocalSubmission = { from, to: [...new Set(to)], octets, notify, ret, envid: options.V };
  const result = await handOver({
    ...message,
    ...relay,
    name: ehloName(undefined),
    eightBit: !isAscii(octets),
    signal: io.signal,
  });
  const isDown = result.status === 'unreachable' || (result.status === 'refused' && result.closed);
  if (!isDown || maildrop === undefined) return report(result, where, options, io);
  const reason = result.status === 'unreachable' ? result.reason : result.reply;
  const { leaveForRelay } = await import('./leave-for-relay.js');
  const down = `no relay at ${where} (${reason.trim()})`;
  return await leaveForRelay(message, maildrop, { down, verbose: options.v === true, io });
}

function refuseOtherModes(mode: string | undefined): void {
  switch (mode) {
    case undefined:
    case 'm':
      return;
    case 'p':
      throw new CommandError(EXIT.USAGE, '-bp is not here; use "danelaw queue list"');
    case 's':
    case 'd':
    case 'D':
      throw new CommandError(EXIT.USAGE, `-b${mode} is not here; the relay ("danelaw serve") speaks SMTP`);
    default:
      throw new CommandError(EXIT.USAGE, `-b${mode} is not here`);
  }
}

function report(result: HandedOver, where: string, options: SendmailOptions, io: Io): ExitCode {
  const say = (text: string): unknown => io.stderr.write(`danelaw sendmail: ${printable(text.trim())}\n`);
  switch (result.status) {
    case 'accepted':
      if (options.v === true) io.stdout.write(`${printable(result.reply.trim())}\n`);
      for (const { recipient, reply } of result.refused) say(`not accepted for ${recipient}: ${reply}`);
      if (result.refused.length > 0) say('the relay has the message for the other recipients');
      return worstOf(result.refused.map(({ permanent }) => (permanent ? 'permanent' : 'temporary')));
    case 'refused':
      say(`the relay refused the message: ${result.reply}`);
      return result.permanent ? EXIT.UNAVAILABLE : EXIT.TEMPORARY;
    case 'unreachable':
      say(`no relay at ${where} (${result.reason}); the message was not sent, try again`);
      return EXIT.TEMPORARY;
    default: {
      const never: never = result;
      return never;
    }
  }
}

function relayOption(text: string): { host: string; port: number } {
  const [, bracketed, plain, digits] =
    /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]\s]+)):([0-9]{1,5})$/u.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || !(port >= 1 && port <= 65535)) {
    throw new CommandError(EXIT.USAGE, `--relay ${text}: write HOST:PORT, or [ADDRESS]:PORT for IPv6`);
  }
  return { host, port };
}

/** Upper and lower case are the same (RFC 3461 section 4). */
function choice(option: string, text: string | undefined, allowed: RegExp): string | undefined {
  if (text === undefined) return undefined;
  const value = text.toLowerCase();
  if (!allowed.test(value)) throw new CommandError(EXIT.USAGE, `${option} ${text}: no such value`);
  return value;
}

function senderOption(text: string | undefined): string {
  if (text === '' || text === '<>') return '';
  return addressOf('sender', text ?? userName(), EXIT.USAGE);
}

/** In containers users often have a number and no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid${process.getuid?.() ?? 0}`;
  }
}

/** Names without a domain are of this machine. */
function addressOf(who: 'sender' | 'recipient', text: string, exitCode: ExitCode): string {
  const bare = text.startsWith('<') && text.endsWith('>') ? text.slice(1, -1) : text;
  const parsed = parseAddress(bare.includes('@') ? bare : `${bare}@${hostname()}`);
  if (!parsed.ok) throw new CommandError(exitCode, `the ${who} ${text}: ${parsed.reason}`);
  return parsed.mailbox.address;
}

/** `"Ann B." <ann@a.example>`; what is not ASCII as an encoded word (RFC 2047). */
function named(name: string, address: string): string {
  const plain = name.replace(/\p{Cc}/gu, ' ');
  const phrase = isAscii(Buffer.from(plain))
    ? `"${plain.replace(/["\\]/gu, '\\$&')}"`
    : `=?utf-8?B?${Buffer.from(plain).toString('base64')}?=`;
  return `${phrase} <${address}>`;
}
