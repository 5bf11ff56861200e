/**
 * `danelaw policy-server`: tells Postfix which TLS policy to hold each destination to. With `--query`, `--dump` or
 * `--purge` it is a client of one that runs.
 */
import { connect } from 'node:net';
import type { ExceptionUse } from '@danelaw/smtp';
import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { netstring } from '../postfix/netstring.js';
import { type Listen, PolicyServer } from '../postfix/policy-server.js';
import { PolicyService } from '../postfix/policy-service.js';
import type { Answer } from '../postfix/tls-level.js';
import { StsFileError } from '../sts-file.js';
import { StsPolicies } from '../sts-policies.js';
import { wordsOf } from '../words-of.js';
import { CommandError, EXIT, type ExitCode } from './exit.js';
import { addDnsOptions, addOutputOptions, type DnsOptions, readConfiguration } from './network-options.js';
import { withResolver } from './open-resolver.js';
import { portValue } from './option-values.js';
import { printable } from './printable.js';
import { prose } from './prose.js';
import type { Io } from './terminal.js';
import { clockFrom } from './time.js';

const DESCRIPTION = `
Answers Postfix's questions for a TLS policy (smtp_tls_policy_maps), on a socket of the socketmap protocol:

  dane-only   the MX records are secure, and every server has usable TLSA records
  dane        some have, or the MX records are not secure: Postfix decides server by server
  secure ...  there are none, or the MX records are not secure, and the domain has an MTA-STS policy
  (nothing)   neither: smtp_tls_security_level decides
  (deferred)  a look-up failed, so it can't be said

In main.cf:

  smtp_dns_support_level = dnssec
  smtp_tls_security_level = dane
  smtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt
  smtp_tls_policy_maps = socketmap:inet:127.0.0.1:8642:danelaw

Whoever comes from postfix-tlspol can leave QUERY or QUERYwithTLSRPT in place of danelaw. Answers are kept for as
long as DNS lets them, and looked up again ahead of time while they are in use. Counters for Prometheus are at
http://127.0.0.1:8642/metrics.
`.trim();

const EXAMPLES = `
Examples:
  $ danelaw policy-server
  danelaw: listening at 127.0.0.1:8642
  danelaw: example.org:25: dane-only (all servers (2) have usable TLSA records)

  $ danelaw policy-server --listen unix:/run/danelaw/policy.sock --socket-mode 0660
  $ danelaw policy-server --sts-cache /var/lib/danelaw/mta-sts
  $ danelaw policy-server --query example.org      what a running one answers, and why
  $ danelaw policy-server --dump --json            what it keeps

Exit codes: 0 done, or ended by a signal    64 usage    69 no server is running (--query, --dump, --purge)
            78 it can't listen there, or unusable configuration, trust anchors or hints`;

interface PolicyServerOptions extends DnsOptions {
  readonly listen: Listen;
  readonly socketMode: number;
  readonly smtpPort?: number;
  readonly prefetch: boolean;
  readonly config?: string;
  /** False with `--no-sts`. */
  readonly sts: boolean;
  readonly stsCache?: string;
  readonly query?: string;
  readonly dump?: true;
  readonly purge?: true;
}

/** As postfix-tlspol's. */
const DEFAULT_LISTEN: Listen = { kind: 'tcp', address: '127.0.0.1', port: 8642 };
const DEFAULT_MODE = 0o660;

export function define(command: Command, io: Io, finish: (code: ExitCode) => void): void {
  command
    .description(prose(DESCRIPTION))
    .addHelpText('after', EXAMPLES)
    .addOption(
      new Option(
        '--listen <where>',
        'ADDR:PORT or unix:PATH; nothing here is encrypted, so keep it on loopback',
      )
        .argParser(listenValue)
        .default(DEFAULT_LISTEN, '127.0.0.1:8642'),
    )
    .addOption(
      new Option('--socket-mode <mode>', 'who may use the Unix-domain socket')
        .argParser(modeValue)
        .default(DEFAULT_MODE, '0660'),
    )
    .addOption(
      new Option(
        '--smtp-port <n>',
        'port of destinations that are given without one (default: 25)',
      ).argParser(portValue),
    )
    .option('--config <file>', 'TOML with a policy table, whose rules go before what is looked up')
    .option('--no-sts', 'ask for no MTA-STS policies')
    .option('--sts-cache <file>', 'keep MTA-STS policies there over a restart; they are forgotten without it')
    .option('--no-prefetch', 'look up only when asked')
    .optionsGroup('Client:')
    .addOption(new Option('--query <destination>', 'ask a running server').conflicts(['dump', 'purge']))
    .addOption(new Option('--dump', 'show what a running server keeps').conflicts('purge'))
    .option('--purge', 'have a running server forget what it keeps');
  addDnsOptions(command);
  addOutputOptions(command);
  command.action(async (options: PolicyServerOptions) => finish(await policyServer(options, io)));
}

async function policyServer(options: PolicyServerOptions, io: Io): Promise<ExitCode> {
  const listen = withMode(options.listen, options.socketMode);
  if (options.query !== undefined) return await show(await ask(listen, `JSON ${options.query}`), options, io);
  if (options.dump) return plain(await ask(listen, options.json ? 'DUMP json' : 'DUMP'), io);
  if (options.purge) return plain(await ask(listen, 'PURGE'), io);
  return await serve(listen, options, io);
}

async function serve(listen: Listen, options: PolicyServerOptions, io: Io): Promise<ExitCode> {
  const clock = clockFrom(options.at);
  const say = (words: string): void => void io.stderr.write(`danelaw: ${printable(words)}\n`);
  const policies = options.sts ? await openPolicies(options.stsCache, clock, say) : undefined;
  const { policyTable } = await readConfiguration(options.config);
  return await withResolver(options, clock, io, async (resolver) => {
    const service = new PolicyService({
      resolver,
      clock,
      policyTable,
      onException: (key, use) => say(`${key}: ${describeUse(use)}`),
      ...(options.smtpPort === undefined ? {} : { smtpPort: options.smtpPort }),
      ...(policies === undefined ? {} : { sts: policies.source }),
      onAnswer: (key, answer) => say(`${key}: ${describe(answer)}`),
    });
    const server = new PolicyServer(service);
    try {
      say(`listening at ${format(await server.listen(listen))}`);
    } catch (error) {
      throw new CommandError(EXIT.CONFIG, `can't listen at ${format(listen)}: ${wordsOf(error)}`);
    }
    if (options.prefetch) server.startPrefetching();
    policies?.keepUp(resolver, io.signal);
    await aborted(io.signal);
    await server.close();
    await policies?.close();
    return EXIT.OK;
  });
}

async function openPolicies(
  file: string | undefined,
  clock: () => number,
  say: (words: string) => void,
): Promise<StsPolicies> {
  try {
    return await StsPolicies.open({ file, clock, say });
  } catch (error) {
    if (!(error instanceof StsFileError)) throw error;
    throw new CommandError(EXIT.CONFIG, `--sts-cache: ${error.message}`);
  }
}

const describeUse = ({ kind, rule, pattern, expires, reason }: ExceptionUse): string =>
  `${kind} by rule ${rule} (${pattern}) until ${expires}: ${reason}`;

function describe(answer: Answer): string {
  switch (answer.status) {
    case 'policy':
      return `${answer.policy} (${answer.reason})`;
    case 'none':
      return `no policy (${answer.reason})`;
    case 'temporary':
      return `deferred (${answer.reason})`;
    default: {
      const never: never = answer;
      return never;
    }
  }
}

async function show(line: string, { json }: PolicyServerOptions, io: Io): Promise<ExitCode> {
  if (json) return plain(line, io);
  const answer: unknown = JSON.parse(line);
  const isAnswer = typeof answer === 'object' && answer !== null && 'status' in answer && 'reason' in answer;
  if (!isAnswer) return plain(line, io);
  const policy = 'policy' in answer ? String(answer.policy) : String(answer.status);
  return plain(`${policy}\n  ${String(answer.reason)}\n`, io);
}

function plain(text: string, io: Io): ExitCode {
  io.stdout.write(text.split('\n').map(printable).join('\n'));
  return EXIT.OK;
}

/** One control command: the answer is everything that comes until the server closes. */
function ask(listen: Listen, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket =
      listen.kind === 'unix' ? connect(listen.path) : connect({ host: listen.address, port: listen.port });
    const answer: Buffer[] = [];
    socket
      .once('connect', () => socket.write(netstring(command)))
      .on('data', (octets: Buffer) => answer.push(octets))
      .once('end', () => resolve(Buffer.concat(answer).toString('utf8')))
      .once('error', (error) =>
        reject(new CommandError(EXIT.UNAVAILABLE, `no policy server at ${format(listen)}: ${error.message}`)),
      );
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

function withMode(listen: Listen, mode: number): Listen {
  return listen.kind === 'unix' ? { ...listen, mode } : listen;
}

function format(listen: Listen): string {
  if (listen.kind === 'unix') return `unix:${listen.path}`;
  return listen.address.includes(':')
    ? `[${listen.address}]:${listen.port}`
    : `${listen.address}:${listen.port}`;
}

/** `127.0.0.1:8642`, `[::1]:8642`, `unix:/run/danelaw/policy.sock`. */
function listenValue(text: string): Listen {
  const path = /^unix:(.+)$/u.exec(text)?.[1];
  if (path !== undefined) return { kind: 'unix', path, mode: DEFAULT_MODE };
  const match = /^(?:\[([0-9A-Fa-f:]+)\]|([0-9.]+)):([0-9]{1,5})$/u.exec(text);
  const address = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (address === undefined || port > 65_535) {
    throw new InvalidArgumentError('Expected ADDR:PORT (IPv6 in brackets) or unix:PATH.');
  }
  return { kind: 'tcp', address, port };
}

function modeValue(text: string): number {
  if (!/^0?[0-7]{3}$/u.test(text))
    throw new InvalidArgumentError('A mode is three octal digits, as in 0660.');
  return Number.parseInt(text, 8);
}
