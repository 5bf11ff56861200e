/** `danelaw watch DOMAIN...`: looks at one's own domains from outside, and tells what is wrong, once. */
import { setMaxListeners } from 'node:events';
import { isIP } from 'node:net';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseMailDomain } from '../address.js';
import { parseDuration } from '../config/quantity.js';
import { AlertBook, AlertBookError } from '../watch/alert-book.js';
import { DEFAULT_LOOK_OPTIONS, type Look } from '../watch/look.js';
import { type Level, worst } from '../watch/problem.js';
import { type Channel, mail, webhook } from '../watch/tell.js';
import { lookAtAll, tellNews, type WatchOptions, watch } from '../watch/watch.js';
import { wordsOf } from '../words-of.js';
import { ehloName } from './ehlo-name.js';
import { CommandError, EXIT, type ExitCode } from './exit.js';
import {
  addDnsOptions,
  addMailOptions,
  addOutputOptions,
  clientSettings,
  fileErrorText,
  type MailOptions,
} from './network-options.js';
import { withResolver } from './open-resolver.js';
import { printable, printableJson } from './printable.js';
import { prose } from './prose.js';
import { DEFAULT_RELAY } from './relay-address.js';
import { hanging, type Io, type Palette, paletteFor, widthOf } from './terminal.js';
import { clockFrom } from './time.js';

const HOUR = 3_600_000;
const DEFAULT_TIMEOUT_SECONDS = 30;

const DESCRIPTION = `Looks at each DOMAIN from outside, as senders do - MX and TLSA records, their signatures, every address of every
mail server, MTA-STS, TLS reports - and tells what is wrong and what to do, and what will be: signatures and
certificates that end soon. Run it on another machine than the mail server.

It runs until it is stopped, and tells news to a webhook or by mail: a problem when it begins, when it becomes
critical, and when it is over; never twice. With --once it looks once, prints what it finds, and ends with the exit code
that Nagios and its like understand.`;

const EXAMPLES = `
Examples:
  $ danelaw watch --once example.org
  CRITICAL - 1 domain, 1 critical: example.org mx.example.org 192.0.2.25: the server's certificate does ...

  $ danelaw watch --alerts /var/lib/danelaw/alerts.json --mail-to postmaster@example.net example.org
  $ danelaw watch --webhook https://hooks.example.net/mail --listen 127.0.0.1:8026 example.org example.com

Exit codes: 0 with --once: all is well; else it was stopped
            1 warnings    2 critical    3 something could not be found out (with --once)
            64 usage    69 it can't listen there    73 the alerts can't be kept
            78 unusable trust anchors, hints, roots, configuration or alerts`;

interface WatchCommandOptions extends MailOptions {
  readonly once?: true;
  readonly interval: number;
  readonly alerts?: string;
  readonly webhook?: readonly URL[];
  readonly mailTo?: readonly string[];
  readonly mailFrom?: string;
  readonly smtp: Address;
  readonly listen?: Address;
  readonly warnSignatures: number;
  readonly warnCertificates: number;
}

function timeOption(flags: string, words: string, value: number, inWords: string): Option {
  return new Option(flags, words).argParser(durationValue).default(value, inWords);
}

interface Address {
  readonly host: string;
  readonly port: number;
}

export function define(command: Command, io: Io, finish: (code: ExitCode) => void): void {
  const { warnSignatures, warnCertificates } = DEFAULT_LOOK_OPTIONS;
  command
    .description(prose(DESCRIPTION))
    .argument('<domain...>', 'domains as they stand behind the @ of an address')
    .addHelpText('after', EXAMPLES)
    .optionsGroup('Watching:')
    .option('--once', 'look once, and say by the exit code how it is')
    .addOption(timeOption('--interval <time>', 'from one look to the next: 10m, 1h', HOUR, '1h'))
    .addOption(
      timeOption(
        '--warn-signatures <time>',
        'tell of signatures that end within this time',
        warnSignatures,
        '2d',
      ),
    )
    .addOption(
      timeOption(
        '--warn-certificates <time>',
        'tell of certificates that end within this time, where senders look at their dates',
        warnCertificates,
        '14d',
      ),
    )
    .option(
      '--listen <address>',
      'serve /metrics and /health for Prometheus at this loopback address',
      loopbackValue,
    )
    .optionsGroup('Telling:')
    .option('--alerts <file>', 'where it is kept what was told, so that a restart tells nothing twice')
    .option('--webhook <url>', 'post news there as JSON; may be several', urlValue)
    .option('--mail-to <address>', 'send news there by mail; may be several', several)
    .option('--mail-from <address>', 'the sender of that mail (default: danelaw-watch@ and the EHLO name)')
    .addOption(
      new Option('--smtp <address>', 'the relay that takes the mail')
        .argParser(addressValue)
        .default(addressValue(DEFAULT_RELAY), DEFAULT_RELAY),
    );
  addMailOptions(command, String(DEFAULT_TIMEOUT_SECONDS));
  addDnsOptions(command);
  addOutputOptions(command);
  command.action(async (domains: string[], options: WatchCommandOptions) =>
    finish(await run(domains, options, io)),
  );
}

async function run(texts: readonly string[], options: WatchCommandOptions, io: Io): Promise<ExitCode> {
  const domains = [...new Set(texts.map(domainArgument))];
  const heloName = ehloName(options.helo);
  const clock = clockFrom(options.at);
  setMaxListeners(0, io.signal); // every domain that is looked at listens to it
  const settings = await clientSettings(
    { timeout: DEFAULT_TIMEOUT_SECONDS * 1000, ...options },
    clock,
    io.signal,
  );
  const book = await openBook(options.alerts);
  const warn = (words: string): void => void io.stderr.write(`danelaw: ${printable(words)}\n`);
  return await withResolver(options, clock, io, async (resolver) => {
    const { WatchMetrics } = await import('../watch/watch-metrics.js');
    const metrics = new WatchMetrics();
    const watching: WatchOptions = {
      domains,
      context: { resolver, heloName, ...settings },
      look: options,
      book,
      channels: channelsOf(options, heloName),
      clock,
      onLook: (look) => metrics.look(look, clock()),
      onTold: (channel, outcome, words) => {
        metrics.told(channel, outcome);
        if (outcome === 'failed') warn(`${channel}: ${words}; it is told again after the next look`);
      },
      warn,
      signal: io.signal,
    };
    return options.once ? await once(watching, options, io) : await serve(watching, metrics, options, io);
  });
}

async function once(watching: WatchOptions, { json }: WatchCommandOptions, io: Io): Promise<ExitCode> {
  const looks = await lookAtAll(watching);
  await tellNews(watching);
  const level = worst(looks.flatMap(({ problems }) => problems));
  const text = json
    ? printableJson({ level: level ?? 'ok', domains: looks.map(lookJson) })
    : describe(looks, io);
  io.stdout.write(`${text}\n`);
  return level === undefined ? EXIT.OK : EXIT_OF[level];
}

const EXIT_OF: Readonly<Record<Level, ExitCode>> = {
  warning: EXIT.MONITOR_WARNING,
  critical: EXIT.MONITOR_CRITICAL,
  unknown: EXIT.MONITOR_UNKNOWN,
};

async function serve(
  watching: WatchOptions,
  metrics: { readonly contentType: string; text(): Promise<string> },
  { listen, interval }: WatchCommandOptions,
  io: Io,
): Promise<ExitCode> {
  let lastLook = watching.clock();
  const onLook = (look: Look): void => {
    lastLook = watching.clock();
    watching.onLook(look);
    const problems = look.problems.map(({ level, code, place }) => `${level} ${code} ${place}`.trim());
    const words = problems.length === 0 ? 'all is well' : problems.join(', ');
    io.stdout.write(`${new Date(lastLook).toISOString()} ${look.domain}: ${printable(words)}\n`);
  };
  const health = async () => {
    const isLate = watching.clock() - lastLook > 2 * interval;
    return { ok: !isLate, checks: { watch: isLate ? 'no look for too long' : 'ok' } };
  };
  const http =
    listen === undefined
      ? undefined
      : await openHttp(listen, { metrics, health, clock: watching.clock, warn: watching.warn });
  // Whom it tells otherwise it goes on telling.
  const isOnlyRead = listen === undefined && watching.channels.length === 0;
  const signal =
    isOnlyRead && io.readerGone !== undefined
      ? AbortSignal.any([watching.signal, io.readerGone])
      : watching.signal;
  try {
    await watch({ ...watching, onLook, signal }, interval);
  } finally {
    await http?.close();
  }
  return EXIT.OK;
}

interface Served {
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  readonly health: () => Promise<{ readonly ok: boolean; readonly checks: Readonly<Record<string, string>> }>;
  readonly clock: () => number;
  readonly warn: (words: string) => void;
}

async function openHttp({ host, port }: Address, { metrics, health, clock, warn }: Served) {
  const { startHttpServer } = await import('../http/http-server.js');
  try {
    const onError = (error: Error): void => warn(error.message);
    return await startHttpServer({ address: host, port, token: undefined, metrics, health, clock, onError });
  } catch (error) {
    throw new CommandError(EXIT.UNAVAILABLE, `--listen: ${wordsOf(error)}`);
  }
}

async function openBook(file: string | undefined): Promise<AlertBook> {
  try {
    return await AlertBook.open(file);
  } catch (error) {
    if (error instanceof AlertBookError) throw new CommandError(EXIT.CONFIG, `--alerts: ${error.message}`);
    throw new CommandError(EXIT.CONFIG, `--alerts: can't read ${file}: ${fileErrorText(error)}`);
  }
}

function channelsOf(
  { webhook: urls = [], mailTo = [], mailFrom, smtp }: WatchCommandOptions,
  name: string,
): Channel[] {
  const from = mailFrom ?? `danelaw-watch@${name}`;
  return [...urls.map(webhook), ...(mailTo.length === 0 ? [] : [mail({ ...smtp, from, to: mailTo })])];
}

function lookJson({ domain, problems, signaturesEnd, certificatesEnd }: Look): Record<string, unknown> {
  const time = (end: number | undefined): string | null =>
    end === undefined ? null : new Date(end).toISOString();
  return {
    domain,
    level: worst(problems) ?? 'ok',
    problems,
    signaturesEnd: time(signaturesEnd),
    certificatesEnd: time(certificatesEnd),
  };
}

/** The first line is all that Nagios shows. */
function describe(looks: readonly Look[], { stdout, env }: Io): string {
  const problems = looks.flatMap((look) => look.problems);
  const level = worst(problems);
  const count = (wanted: Level): number => problems.filter((each) => each.level === wanted).length;
  const counts = (['critical', 'warning', 'unknown'] as const)
    .filter((each) => count(each) > 0)
    .map((each) => `${count(each)} ${each}`);
  const domains = `${looks.length} domain${looks.length === 1 ? '' : 's'}`;
  const first = problems.find((each) => each.level === level);
  const about =
    first === undefined
      ? ''
      : `: ${first.domain}${first.place === '' ? '' : ` ${first.place}`}: ${first.text}`;
  const head = `${(level ?? 'ok').toUpperCase()} - ${[domains, ...counts].join(', ')}${printable(about)}`;
  const palette = paletteFor(stdout, env);
  const details = problems.flatMap(({ level: each, domain, place, text, rule, remedy }) => [
    '',
    ...hanging(
      `${each.padEnd(9)}`,
      printable(`${domain}${place === '' ? '' : ` ${place}`}: ${text} (${rule})`),
      widthOf(stdout),
    ).map((line, i) => (i === 0 ? line.replace(each, paintOf(each, palette)(each)) : line)),
    ...hanging('         ', printable(remedy), widthOf(stdout)).map(palette.faint),
  ]);
  return [head, ...details].join('\n');
}

const paintOf = (level: Level, palette: Palette) => (level === 'critical' ? palette.bad : palette.warn);

function domainArgument(text: string): string {
  const parsed = parseMailDomain(text);
  if (!parsed.ok) throw new CommandError(EXIT.USAGE, `${text}: ${parsed.reason}`);
  return parsed.domain;
}

function durationValue(text: string): number {
  const duration = parseDuration(text);
  if (duration !== undefined && duration >= SHORTEST && duration <= LONGEST) return duration;
  throw new InvalidArgumentError('A time is from 1s to 365d, as in 90s, 10m, 4h, 14d.');
}
const SHORTEST = 1000;
const LONGEST = 365 * 24 * HOUR;

/** Nobody beyond this machine is let in: there is no token. */
function loopbackValue(text: string): Address {
  const address = addressValue(text);
  const isLoopback = address.host === '::1' || (isIP(address.host) === 4 && address.host.startsWith('127.'));
  if (isLoopback) return address;
  throw new InvalidArgumentError('It should be an address of loopback, as in 127.0.0.1:8026.');
}

function addressValue(text: string): Address {
  const [, v6, other, port] = /^(?:\[([0-9A-Fa-f:]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})$/u.exec(text) ?? [];
  const host = v6 ?? other;
  if (host !== undefined && Number(port) <= 65_535) return { host, port: Number(port) };
  throw new InvalidArgumentError('It should be as in 127.0.0.1:8026 or [::1]:8026.');
}

function urlValue(text: string, others: readonly URL[] = []): readonly URL[] {
  if (!URL.canParse(text) || !/^https?:/u.test(text))
    throw new InvalidArgumentError('It should be an https URL.');
  return [...others, new URL(text)];
}

const several = (text: string, others: readonly string[] = []): readonly string[] => [...others, text];
