/**
 * The options that every command shares which asks DNS or speaks SMTP, and what becomes of them.
 */
import { readFileSync } from 'node:fs';
import { Roots } from '@danelaw/dane';
import { parseRootHints, parseTrustAnchors, WireError } from '@danelaw/dns';
import { DEFAULT_TIMEOUTS, MtaSts, type PolicyLevel, type Timeouts } from '@danelaw/smtp';
import { type Command, Option } from 'commander';
import { CONFIG_FILE, configurationFile } from '../config/config-file.js';
import { type Config, ConfigError, defaultConfig, readConfig } from '../config.js';
import { CommandError, EXIT } from './exit.js';
import {
  fallbackValue,
  oneOf,
  portValue,
  type ResolverChoice,
  resolverValue,
  secondsValue,
  timeValue,
} from './option-values.js';

/** As commander gives them: absent where the command line has none. */
export interface DnsOptions {
  readonly resolver?: ResolverChoice;
  readonly dnsFallback?: readonly string[];
  readonly trust?: 'validate' | 'ad';
  readonly trustAnchor?: string;
  readonly rootHints?: string;
  readonly dnsPort?: number;
  /** Milliseconds since the epoch. */
  readonly at?: number;
  readonly json?: true;
}

export interface MailOptions extends DnsOptions {
  readonly smtpPort?: number;
  readonly policy: PolicyLevel;
  /** TOML with the policy table. */
  readonly config?: string;
  /** False with `--no-sts`. */
  readonly sts?: boolean;
  readonly stsPort?: number;
  /** PEM. */
  readonly webRoots?: string;
  readonly helo?: string;
  /** Milliseconds. */
  readonly timeout?: number;
}

/** Levels that need nothing but their name: a fingerprint belongs to one host, and stands in the policy table. */
const LEVELS = [
  'none',
  'may',
  'encrypt',
  'sts',
  'dane',
  'dane-only',
  'verify',
] as const satisfies readonly PolicyLevel[];

export function addDnsOptions(command: Command): Command {
  return command
    .optionsGroup('DNS:')
    .addOption(
      new Option(
        '--resolver <server>',
        "who is asked: system (the system's, else from the root), iterate (from the root), ADDR[#PORT], or " +
          'tls://ADDR[#PORT][/NAME][?pin=sha256-BASE64]; addresses may be several (default: system)',
      ).argParser(resolverValue),
    )
    .addOption(
      new Option(
        '--dns-fallback <server>',
        'tls://ADDR[#PORT][/NAME]: asked where neither the system nor the root can be; may be several',
      ).argParser(fallbackValue),
    )
    .addOption(
      new Option(
        '--trust <how>',
        "validate: prove every answer here; ad: believe the resolver's AD bit (default: validate)",
      ).argParser(oneOf(['validate', 'ad'])),
    )
    .option('--trust-anchor <file>', 'DS or DNSKEY records to trust in place of the built-in root keys')
    .option('--root-hints <file>', 'names and addresses of the root servers, for --resolver iterate')
    .addOption(
      new Option(
        '--dns-port <n>',
        'port of name servers that are given or found without one (default: 53)',
      ).argParser(portValue),
    )
    .addOption(
      new Option(
        '--at <time>',
        'judge signatures and certificates at this time: ISO 8601 or epoch seconds',
      ).argParser(timeValue),
    );
}

/** @param timeoutWords the time-out that holds where the command line has none */
export function addMailOptions(command: Command, timeoutWords: string): Command {
  return command
    .optionsGroup('Mail:')
    .addOption(
      new Option(
        '--policy <level>',
        'none: never TLS; may: TLS if offered; encrypt: TLS always; sts: MTA-STS where published, else may; ' +
          'dane: DANE where published, else as sts; dane-only: DANE or nothing; verify: a certificate of a ' +
          'trusted authority or nothing',
      )
        .default('dane')
        .argParser(oneOf(LEVELS)),
    )
    .option('--config <file>', 'TOML with a policy table, whose rules go before --policy')
    .option('--no-sts', 'ask for no MTA-STS policies')
    .option('--web-roots <file>', "PEM certificates to trust in place of the Web's authorities")
    .addOption(
      new Option('--sts-port <n>', 'port of the web servers with MTA-STS policies (default: 443)').argParser(
        portValue,
      ),
    )
    .addOption(smtpPortOption())
    .option(...HELO)
    .addOption(timeoutOption(timeoutWords));
}

/** For a command that asks mail servers, always under DANE. */
export function addServerOptions(command: Command, timeoutWords: string): Command {
  return command
    .optionsGroup('Mail servers:')
    .addOption(smtpPortOption())
    .option(...HELO)
    .addOption(timeoutOption(timeoutWords));
}

const HELO = [
  '--helo <name>',
  "name given in EHLO (default: this machine's full name, else its address)",
] as const;

const smtpPortOption = (): Option =>
  new Option('--smtp-port <n>', 'port of the mail servers (default: 25)').argParser(portValue);

const timeoutOption = (words: string): Option =>
  new Option('--timeout <seconds>', `longest wait for a server, at each step (default: ${words})`).argParser(
    secondsValue,
  );

/** What `deliver` and `probe` are given, made from the options. Reads the files that they name. */
export async function clientSettings(options: MailOptions, clock: () => number, signal: AbortSignal) {
  const { policy, smtpPort, timeout, config, webRoots } = options;
  const { policyTable, credentials } = await readConfiguration(config);
  const roots = webRoots === undefined ? undefined : readWebRoots(webRoots);
  return {
    level: policy,
    policyTable,
    credentials: (name: string) => credentials.get(name),
    clock,
    signal,
    ...(options.sts === false ? {} : { sts: stsSource(options, roots) }),
    ...(roots === undefined ? {} : { roots }),
    ...(smtpPort === undefined ? {} : { port: smtpPort }),
    ...(timeout === undefined ? {} : { timeouts: everyStage(timeout) }),
  } as const;
}

/** One for the whole run: a policy is fetched once. Over runs nothing is kept, so each is the first use. */
function stsSource({ stsPort, timeout }: MailOptions, roots: Roots | undefined): MtaSts {
  return new MtaSts({
    ...(roots === undefined ? {} : { roots }),
    ...(stsPort === undefined ? {} : { port: stsPort }),
    ...(timeout === undefined ? {} : { timeout }),
  });
}

/** @throws CommandError (78) */
export async function readConfiguration(file: string | undefined, prefix = '--config: '): Promise<Config> {
  if (file === undefined) return defaultConfig();
  try {
    return await readConfig(file);
  } catch (error) {
    if (error instanceof ConfigError) throw new CommandError(EXIT.CONFIG, `${prefix}${error.message}`);
    throw error;
  }
}

/**
 * For commands about the relay of this machine: without a name, what that goes by.
 * @throws CommandError (78)
 */
export async function readRelayConfiguration(
  named: string | undefined,
  usual = CONFIG_FILE,
): Promise<Config> {
  if (named !== undefined) return readConfiguration(named);
  return readConfiguration(configurationFile(undefined, usual), '');
}

/** @throws CommandError (78) */
export function readWebRoots(file: string): Roots {
  return readSetting('--web-roots', file, readRoots);
}

/** @throws TypeError where it holds no certificate, or one that can't be read */
function readRoots(pem: string): Roots {
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/gu) ?? [];
  if (certificates.length === 0) throw new TypeError('there is no PEM certificate in it');
  return new Roots(certificates);
}

/** The same time for every stage; one that is shorter by default (the goodbye) stays so. */
export function everyStage(milliseconds: number): Timeouts {
  const { quit } = DEFAULT_TIMEOUTS;
  const stages = Object.keys(DEFAULT_TIMEOUTS).map((stage) => [stage, milliseconds]);
  return { ...DEFAULT_TIMEOUTS, ...Object.fromEntries(stages), quit: Math.min(quit, milliseconds) };
}

export function addOutputOptions(command: Command): Command {
  return command
    .optionsGroup('Output:')
    .option('--json', 'one JSON object on standard output, for machines')
    .helpOption('-h, --help', 'show this help');
}

/** What `createResolver` is given, made from the options. Reads the files that they name. */
export function resolverSettings(options: DnsOptions, clock: () => number) {
  const { trustAnchor, rootHints, dnsPort, dnsFallback } = options;
  return {
    upstream: upstreamOf(options),
    trust: options.trust ?? 'validate',
    clock,
    ...(dnsFallback === undefined ? {} : { fallback: dnsFallback }),
    ...(trustAnchor === undefined
      ? {}
      : { trustAnchors: [readSetting('--trust-anchor', trustAnchor, checkedAnchors)] }),
    ...(rootHints === undefined ? {} : { rootHints: readSetting('--root-hints', rootHints, parseRootHints) }),
    ...(dnsPort === undefined ? {} : { port: dnsPort }),
  } as const;
}

/** `createResolver` reads them again; here an error still knows which file it is about. */
function checkedAnchors(text: string): string {
  parseTrustAnchors(text);
  return text;
}

function upstreamOf(options: DnsOptions): 'system' | 'iterate' | string[] {
  const choice = options.resolver ?? 'system';
  if (typeof choice === 'string') return choice;
  return choice.map((server) =>
    options.dnsPort === undefined || server.includes('#') || server.startsWith('tls://')
      ? server
      : `${server}#${options.dnsPort}`,
  );
}

/**
 * Reads the file behind an option. @throws CommandError (78) where it can't be read, or does not hold what it
 * should
 */
function readSetting<T>(option: string, file: string, read: (text: string) => T): T {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new CommandError(EXIT.CONFIG, `${option}: can't read ${file}: ${fileErrorText(error)}`);
  }
  try {
    return read(text);
  } catch (error) {
    if (error instanceof WireError || error instanceof TypeError)
      throw new CommandError(EXIT.CONFIG, `${option}: ${file}: ${error.message}`);
    throw error;
  }
}

/** `no such file`, rather than `ENOENT: no such file or directory, open 'x'`. */
export function fileErrorText(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ENOENT':
      return 'there is no such file';
    case 'EACCES':
      return 'reading it is not permitted';
    case 'EISDIR':
      return 'it is a directory';
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
