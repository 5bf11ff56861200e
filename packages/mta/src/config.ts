/**
 * The configuration file, in TOML: the relay's settings (`config/relay-config.ts`), the policy table, the logins at
 * relays that its rules name, and the keys that sign (`dkim/dkim-rules.ts`):
 *
 *     [[policy]]
 *     domain = "*"
 *     level = "dane-only"
 *     relay = "[relay.example.net]:587"
 *     credentials = "smarthost"
 *
 *     [credentials.smarthost]
 *     username = "me"
 *     password_file = "/run/secrets/smarthost"
 *
 * `docs/policy.md` explains the keys.
 */
import { readFile } from 'node:fs/promises';
import { type Login, type PolicyTable, PolicyTableError, parsePolicyTable } from '@danelaw/smtp';
import { type MaildropConfig, maildropOf } from './config/maildrop-config.js';
import { type ListenConfig, listenOf, type RelayConfig, readRelayConfig } from './config/relay-config.js';
import { ConfigError, lineOf, Table } from './config/table.js';
import { DkimConfigError, type DkimRule, parseDkimRules } from './dkim/dkim-rules.js';

export { ConfigError };

export interface Config {
  readonly policyTable: PolicyTable;
  /** Logins at relays, by the names that rules have for them. */
  readonly credentials: ReadonlyMap<string, Login>;
  /** The `[[dkim]]` rules; their keys are read by `loadDkimKeys`. */
  readonly dkim: readonly DkimRule[];
  readonly relay: RelayConfig;
}

/** What holds where there is no file. */
export function defaultConfig(): Config {
  const nothing = new Table({ file: '', text: '' }, {});
  return { policyTable: { rules: [] }, credentials: new Map(), dkim: [], relay: readRelayConfig(nothing) };
}

/** Octets; 10,000 rules fit many times over. */
const MAX_CONFIG_OCTETS = 16 * 1024 * 1024;

/** How programs on this machine reach the relay. */
export interface LocalWays {
  readonly listen: readonly ListenConfig[];
  readonly maildrop: MaildropConfig;
}

/** Nothing else of the file is looked at. @throws (rejects) ConfigError */
export async function readLocalWays(file: string): Promise<LocalWays> {
  const text = await readText(file);
  const { parse, TomlError } = await import('smol-toml');
  try {
    const table = new Table({ file, text }, parse(text));
    return { listen: listenOf(table), maildrop: maildropOf(table) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new ConfigError(`${file}, line ${error.line}: ${firstLine(error.message)}`);
  }
}

/** @throws ConfigError */
async function readText(file: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new ConfigError(`can't read ${file} (${why})`);
  }
  if (text.length > MAX_CONFIG_OCTETS) throw new ConfigError(`${file} is larger than any configuration`);
  return text;
}

/** @throws ConfigError */
export async function readConfig(file: string): Promise<Config> {
  const text = await readText(file);
  // Loaded where there is a file to read: most runs of the command line have none.
  const { parse, TomlError } = await import('smol-toml');
  let table: Table | undefined;
  try {
    table = new Table({ file, text }, parse(text));
    const policyTable = parsePolicyTable(table.raw('policy') ?? []);
    const credentials = await readLogins(file, table.raw('credentials') ?? {});
    const relay = readRelayConfig(table);
    const dkim = parseDkimRules(table.raw('dkim') ?? []);
    table.end();
    for (const { number, credentials: name } of policyTable.rules) {
      if (name === undefined || credentials.has(name)) continue;
      throw new ConfigError(`${file}: policy rule ${number}, credentials: there is no [credentials.${name}]`);
    }
    return { policyTable, credentials, dkim, relay };
  } catch (error) {
    if (error instanceof TomlError)
      throw new ConfigError(`${file}, line ${error.line}: ${firstLine(error.message)}`);
    if (error instanceof DkimConfigError) throw new ConfigError(`${file}: ${error.message}`);
    if (error instanceof PolicyTableError) {
      throw new ConfigError(`${file}${placeOf(text, error)}: ${error.message}`);
    }
    throw error;
  }
}

/** `, line 12`: where the rule stands. */
function placeOf(text: string, { rule, key }: PolicyTableError): string {
  const line = lineOf(text, rule === 0 ? '' : `policy[${rule}]`, rule === 0 ? 'policy' : key);
  return line === undefined ? '' : `, line ${line}`;
}

/** smol-toml draws the place as well; the number of the line says it. */
const firstLine = (text: string): string => text.split('\n', 1)[0] ?? text;

async function readLogins(file: string, tables: unknown): Promise<Map<string, Login>> {
  const logins = new Map<string, Login>();
  if (!isTable(tables)) throw new ConfigError(`${file}: "credentials" must be a table of logins`);
  for (const [name, table] of Object.entries(tables)) {
    logins.set(name, await readLogin(`${file}: [credentials.${name}]`, table));
  }
  return logins;
}

/** The password stands in a file of its own, or, where the configuration is as secret as that, here. */
async function readLogin(where: string, table: unknown): Promise<Login> {
  if (!isTable(table)) throw new ConfigError(`${where} must be a table`);
  const { username, password, password_file: passwordFile, ...others } = table;
  const [other] = Object.keys(others);
  if (other !== undefined) throw new ConfigError(`${where} has no key "${other}"`);
  if (typeof username !== 'string' || username === '') throw new ConfigError(`${where} needs a "username"`);
  if (typeof password === 'string' && passwordFile === undefined) return { username, password };
  if (typeof passwordFile !== 'string' || password !== undefined) {
    throw new ConfigError(`${where} needs either "password_file" or "password"`);
  }
  try {
    return { username, password: (await readFile(passwordFile, 'utf8')).replace(/\r?\n$/u, '') };
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new ConfigError(`${where}: can't read ${passwordFile} (${why})`);
  }
}

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
