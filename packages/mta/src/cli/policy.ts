/** `danelaw policy show DOMAIN`: which rule of the policy table decides about a destination, and why. */
import { explainPolicy, type ResolvedPolicy, resolvePolicy } from '@danelaw/smtp';
import { type Command, Option } from 'commander';
import { parseMailDomain } from '../address.js';
import { CONFIG_FILE } from '../config/config-file.js';
import { CommandError, EXIT, type ExitCode } from './exit.js';
import { addOutputOptions, readRelayConfiguration } from './network-options.js';
import { timeValue } from './option-values.js';
import { printable, printableJson } from './printable.js';
import { prose } from './prose.js';
import { hanging, type Io, widthOf } from './terminal.js';
import { clockFrom } from './time.js';

interface ShowOptions {
  readonly config?: string;
  readonly mx?: string;
  readonly at?: number;
  readonly json?: true;
}

const DESCRIPTION = `Says which rule of the policy table decides how mail goes to DOMAIN, what it asks for, and
which rules do not count:
exceptions that have expired, audits that have ended, rules for single mail hosts. Nobody is asked; what the
domain itself publishes is shown by "danelaw check".`;

const EXAMPLES = `
Examples:
  $ danelaw policy show --config danelaw.toml broken.example
  broken.example: encrypt
    decided by: rule 2 (broken.example), an exception until 2026-12-01: ticket 4711

Exit codes: 0 done    64 usage    78 unusable configuration`;

export function define(command: Command, io: Io, finish: (code: ExitCode) => void): void {
  command.description('Local policy: what the administrator decides for single destinations.');
  const show = command
    .command('show')
    .summary('say which rule decides about a domain')
    .description(prose(DESCRIPTION))
    .argument('<domain>', 'a domain as it stands behind the @ of an address')
    .option('--config <file>', `TOML with the policy table (default: ${CONFIG_FILE}, if it is there)`)
    .option('--mx <host>', 'what holds for this mail host of the domain')
    .addOption(
      new Option('--at <time>', 'what holds at this time: ISO 8601 or epoch seconds').argParser(timeValue),
    )
    .addHelpText('after', EXAMPLES);
  addOutputOptions(show);
  show.action(async (domain: string, options: ShowOptions) => finish(await showPolicy(domain, options, io)));
}

async function showPolicy(text: string, options: ShowOptions, io: Io): Promise<ExitCode> {
  const domain = domainArgument(text);
  const { policyTable: table, relay } = await readRelayConfiguration(options.config);
  const { level } = relay.delivery;
  const host = options.mx === undefined ? {} : { host: domainArgument(options.mx) };
  const resolved = resolvePolicy(table, domain, clockFrom(options.at)(), { level, ...host });
  if (options.json) {
    io.stdout.write(`${printableJson(policyJson(domain, resolved))}\n`);
    return EXIT.OK;
  }
  const [first = '', ...others] = explainPolicy(domain, resolved).map(printable);
  const lines = others.flatMap((line) => hanging('  ', line, widthOf(io.stdout)));
  io.stdout.write(`${[first, ...lines].join('\n')}\n`);
  return EXIT.OK;
}

function policyJson(domain: string, resolved: ResolvedPolicy): Record<string, unknown> {
  const { rule, level, names, fingerprints, minTls, insecureMx, nextHop, credentials, audit } = resolved;
  return {
    domain,
    level,
    rule: rule?.number ?? null,
    why: resolved.why,
    names: names ?? null,
    fingerprints,
    minTls: minTls ?? null,
    insecureMx,
    nextHop: nextHop ?? null,
    credentials: credentials ?? null,
    audit: ending(audit),
    exception: ending(rule?.exception),
    notes: resolved.notes,
  };
}

function ending(temporary: { readonly reason: string; readonly expires: number } | undefined) {
  if (temporary === undefined) return null;
  return { reason: temporary.reason, expires: new Date(temporary.expires).toISOString() };
}

function domainArgument(text: string): string {
  const parsed = parseMailDomain(text);
  if (!parsed.ok) throw new CommandError(EXIT.USAGE, `${text}: ${parsed.reason}`);
  return parsed.domain;
}
