/**
 * The plugin's configuration, from the files in Haraka's `config` folder:
 *
 * - `danelaw.ini`: the keys below `Settings`, all of them optional;
 * - `danelaw_policy.json`: a list of rules, as `docs/policy.md` has them;
 * - `danelaw_trust_anchors`: DS or DNSKEY records, one a line, instead of the root's.
 *
 * A file that can't be understood stops Haraka from starting: a key or a rule that is silently left out would weaken, or
 * stop, somebody's mail.
 */
import { hostname } from 'node:os';
import type { ResolverOptions } from '@danelaw/dns';
import {
  POLICY_LEVELS,
  type PolicyLevel,
  type PolicyTable,
  parseDomain,
  parsePolicyTable,
} from '@danelaw/smtp';

/** Haraka's configuration, of which only reading is needed. */
export interface ConfigReader {
  get(name: string, typeOrOptions?: string | { readonly booleans: readonly string[] }): unknown;
}

export interface Settings {
  readonly resolver: ResolverOptions;
  readonly level: PolicyLevel;
  readonly policyTable: PolicyTable;
  /** Whether MTA-STS policies are asked for. */
  readonly mtaSts: boolean;
  /** What EHLO says, where the message brings no name of its own. */
  readonly heloName: string;
  /** Of mail servers: 25. */
  readonly port: number;
  /** Domains that Haraka delivers to by itself, without any of this. */
  readonly leave: ReadonlySet<string>;
  /** Haraka's own `local_mx_ok`: whether mail may go to addresses of this machine. */
  readonly localMxOk: boolean;
}

export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

const KEYS = new Set(['resolver', 'trust', 'level', 'mta_sts', 'helo', 'port', 'leave']);

/** @throws SettingsError; PolicyTableError */
export function readSettings(config: ConfigReader): Settings {
  const main = sectionOf(config.get('danelaw.ini', { booleans: ['+main.mta_sts'] }), 'danelaw.ini');
  const unknown = Object.keys(main).find((key) => !KEYS.has(key));
  if (unknown !== undefined) throw new SettingsError(`danelaw.ini: there is no key "${unknown}"`);
  const outbound = sectionOf(config.get('outbound.ini', { booleans: ['-local_mx_ok'] }));
  return {
    resolver: resolverOptions(main, config.get('danelaw_trust_anchors', 'list')),
    level: levelOf(text(main, 'level')),
    policyTable: policyTable(config.get('danelaw_policy.json', 'binary')),
    mtaSts: main['mta_sts'] !== false,
    heloName: heloName(text(main, 'helo') ?? config.get('me')),
    port: portOf(main['port']),
    leave: new Set(list(text(main, 'leave')).map(domainOf)),
    localMxOk: outbound['local_mx_ok'] === true,
  };
}

type Section = Readonly<Record<string, unknown>>;

const isSection = (value: unknown): value is Section => typeof value === 'object' && value !== null;

/** @param strict the file's name, where no other sections may be in it */
function sectionOf(ini: unknown, strict?: string): Section {
  if (!isSection(ini)) return {};
  const other = Object.keys(ini).find((name) => name !== 'main');
  if (strict !== undefined && other !== undefined) {
    throw new SettingsError(`${strict}: there is no section [${other}]`);
  }
  return isSection(ini['main']) ? ini['main'] : {};
}

/** Haraka makes numbers of what looks like one. */
function text(section: Section, key: string): string | undefined {
  const value = section[key];
  return value === undefined || value === null || value === '' ? undefined : String(value);
}

const list = (value: string | undefined): string[] =>
  (value ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

function resolverOptions(main: Section, anchors: unknown): ResolverOptions {
  const trust = text(main, 'trust') ?? 'validate';
  if (trust !== 'validate' && trust !== 'ad') {
    throw new SettingsError(`danelaw.ini: trust is "validate" or "ad", not "${trust}"`);
  }
  const upstream = list(text(main, 'resolver'));
  const [first] = upstream;
  const trustAnchors = Array.isArray(anchors) ? anchors.filter((line) => typeof line === 'string') : [];
  return {
    trust,
    ...(first === undefined ? {} : { upstream: upstream.length === 1 ? first : upstream }),
    ...(trustAnchors.length === 0 ? {} : { trustAnchors }),
  };
}

function levelOf(level = 'dane'): PolicyLevel {
  const found = POLICY_LEVELS.find((each) => each === level);
  if (found !== undefined) return found;
  throw new SettingsError(`danelaw.ini: level is one of ${POLICY_LEVELS.join(', ')}, not "${level}"`);
}

function policyTable(octets: unknown): PolicyTable {
  if (!(octets instanceof Uint8Array)) return { rules: [] };
  let rules: unknown;
  try {
    rules = JSON.parse(Buffer.from(octets).toString('utf8'));
  } catch (error) {
    throw new SettingsError(`danelaw_policy.json: ${error instanceof Error ? error.message : String(error)}`);
  }
  return parsePolicyTable(rules);
}

/** As Haraka does: its configured name, or the machine's. */
function heloName(configured: unknown): string {
  const wanted = typeof configured === 'string' && configured !== '' ? configured : hostname();
  const name = parseDomain(wanted);
  if (name === undefined) throw new SettingsError(`"${wanted}" can't be said with EHLO: it is no host name`);
  return name;
}

function portOf(value: unknown): number {
  if (value === undefined) return 25;
  const port = Number(value);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new SettingsError(`danelaw.ini: port is a number up to 65535, not "${value}"`);
}

function domainOf(item: string): string {
  const domain = parseDomain(item);
  if (domain === undefined) throw new SettingsError(`danelaw.ini: "${item}" is no domain`);
  return domain;
}
