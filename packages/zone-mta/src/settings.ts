/**
 * The plugin's section of ZoneMTA's configuration. All keys are optional:
 *
 *     [plugins."modules/@danelaw/zone-mta"]
 *     enabled = "sender"
 *     resolver = "system"
 *     level = "dane"
 *     [[plugins."modules/@danelaw/zone-mta".policy]]
 *     domain = "example.org"
 *     level = "encrypt"
 */
import type { ResolverOptions } from '@danelaw/dns';
import { POLICY_LEVELS, type PolicyLevel, type PolicyTable, parsePolicyTable } from '@danelaw/smtp';

export interface Settings {
  readonly resolver: ResolverOptions;
  readonly level: PolicyLevel;
  readonly policyTable: PolicyTable;
  readonly mtaSts: boolean;
  /** Of mail servers: 25. */
  readonly port: number;
}

export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

/** ZoneMTA's own, in every plugin's section. */
const ZONE_MTA_KEYS = ['enabled', 'ordering'];

/** @throws SettingsError, PolicyTableError */
export function readSettings(config: unknown): Settings {
  const section: Readonly<Record<string, unknown>> =
    typeof config === 'object' && config !== null ? { ...config } : {};
  const { resolver, trust, trustAnchors, level, policy, mtaSts, port, ...others } = section;
  const [other] = Object.keys(others).filter((key) => !ZONE_MTA_KEYS.includes(key));
  if (other !== undefined) throw new SettingsError(`there is no key "${other}"`);
  if (mtaSts !== undefined && typeof mtaSts !== 'boolean') throw new SettingsError('mtaSts is true or false');
  return {
    resolver: {
      ...(resolver === undefined ? {} : { upstream: textOrTexts('resolver', resolver) }),
      ...(trust === undefined ? {} : { trust: trustOf(trust) }),
      ...(trustAnchors === undefined
        ? {}
        : { trustAnchors: [textOrTexts('trustAnchors', trustAnchors)].flat() }),
    },
    level: levelOf(level),
    policyTable: parsePolicyTable(policy ?? []),
    mtaSts: mtaSts ?? true,
    port: portOf(port),
  };
}

function textOrTexts(key: string, value: unknown): string | string[] {
  if (typeof value === 'string') return value;
  if (Array.isArray(value) && value.every((each): each is string => typeof each === 'string')) return value;
  throw new SettingsError(`${key} is text, or a list of texts`);
}

function trustOf(value: unknown): 'validate' | 'ad' {
  if (value === 'validate' || value === 'ad') return value;
  throw new SettingsError('trust is "validate" or "ad"');
}

function levelOf(value: unknown = 'dane'): PolicyLevel {
  const level = POLICY_LEVELS.find((each) => each === value);
  if (level !== undefined) return level;
  throw new SettingsError(`level is one of ${POLICY_LEVELS.join(', ')}`);
}

function portOf(value: unknown = 25): number {
  const port = Number(value);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new SettingsError('port is a number up to 65535');
}
