/**
 * A policy table as a configuration file has it, brought to the form that `policy-table.ts` works with.
 *
 * Whatever is wrong is an error that names the rule and the key: a rule that is silently left out would
 * weaken - or stop - the mail of a domain that somebody cared about. Unknown keys are errors too (`min-tls`
 * for `min_tls`). Keys may be written as in TOML (`min_tls`) or as in JavaScript (`minTls`).
 */
import { isIP } from 'node:net';
import { parseFingerprint } from '@danelaw/dane';
import type { SourceAddresses } from './connect-from.js';
import { parseDomain } from './mailbox.js';
import type { Audit, InsecureMx, MinTls, PolicyLevel } from './policy.js';
import { POLICY_LEVELS } from './policy.js';
import {
  canonicalHost,
  type Exception,
  MAX_RULES,
  type PolicyRule,
  type PolicyTable,
  type RuleMatch,
} from './policy-table.js';
import type { NextHop } from './route.js';

export class PolicyTableError extends Error {
  override readonly name = 'PolicyTableError';
  /** The rule's place in the table, from 1; 0 where the table itself is wrong. */
  readonly rule: number;
  /** The key as it was written; empty where the rule itself is wrong. */
  readonly key: string;

  constructor(rule: number, key: string, problem: string) {
    super(
      `${rule === 0 ? 'the policy table' : `policy rule ${rule}`}${key === '' ? '' : `, ${key}`}: ${problem}`,
    );
    this.rule = rule;
    this.key = key;
  }
}

/** @param input an array of rules. @throws PolicyTableError */
export function parsePolicyTable(input: unknown): PolicyTable {
  if (!Array.isArray(input)) throw new PolicyTableError(0, '', 'must be a list of rules');
  if (input.length > MAX_RULES) {
    throw new PolicyTableError(0, '', `has ${input.length} rules, more than ${MAX_RULES}`);
  }
  return { rules: input.map((rule: unknown, index) => parseRule(rule, index + 1)) };
}

function parseRule(input: unknown, number: number): PolicyRule {
  const fields = new Fields(input, number);
  const match = matchOf(fields);
  const level = fields.oneOf('level', POLICY_LEVELS);
  if (level === undefined) throw fields.fault('level', `is missing: one of ${POLICY_LEVELS.join(', ')}`);
  const nextHop = nextHopOf(fields, match);
  const rule: PolicyRule = {
    number,
    match,
    level,
    names: namesOf(fields, level),
    fingerprints: fingerprintsOf(fields, level),
    minTls: minTlsOf(fields, level),
    insecureMx: insecureMxOf(fields, level),
    nextHop,
    credentials: credentialsOf(fields, level, nextHop),
    source: sourceOf(fields, match),
    audit: auditOf(fields, level),
    exception: fields.untilWithReason('exception'),
  };
  fields.end();
  return rule;
}

function matchOf(fields: Fields): RuleMatch {
  const domain = fields.text('domain');
  const mx = fields.text('mx');
  if ((domain === undefined) === (mx === undefined)) {
    throw fields.fault('', 'must have one of the keys "domain" and "mx", which say what it matches');
  }
  if (domain === '*') return { kind: 'all' };
  const [key, text] = domain === undefined ? ['mx', mx ?? ''] : ['domain', domain];
  const isBelow = text.startsWith('.');
  const parsed = parseDomain(isBelow ? text.slice(1) : text);
  if (parsed === undefined || (parsed.startsWith('[') && (key === 'mx' || isBelow))) {
    const star = key === 'domain' ? ', nor "*"' : '';
    throw fields.fault(key, `"${text}" is no name, no ".name" for all names below it${star}`);
  }
  if (key === 'mx') return { kind: isBelow ? 'hosts-below' : 'host', name: parsed };
  return { kind: isBelow ? 'below' : 'domain', name: parsed };
}

function namesOf(fields: Fields, level: PolicyLevel): readonly string[] | undefined {
  const names = fields.texts('names');
  if (names === undefined) return undefined;
  if (level !== 'verify') throw fields.fault('names', `belongs to the level "verify", not to "${level}"`);
  return names.map((name) => {
    const parsed = parseDomain(name);
    if (parsed === undefined || parsed.startsWith('['))
      throw fields.fault('names', `"${name}" is no host name`);
    return parsed;
  });
}

function fingerprintsOf(fields: Fields, level: PolicyLevel): readonly string[] {
  const fingerprints = fields.texts('fingerprints');
  if (level === 'fingerprint' && fingerprints === undefined) {
    throw fields.fault('fingerprints', 'is missing: the level "fingerprint" needs SHA2-256 digests to match');
  }
  if (fingerprints === undefined) return [];
  if (level !== 'fingerprint') {
    throw fields.fault('fingerprints', `belongs to the level "fingerprint", not to "${level}"`);
  }
  return fingerprints.map((text) => {
    const parsed = parseFingerprint(text);
    if (parsed !== undefined) return parsed;
    throw fields.fault('fingerprints', `"${text}" is no SHA2-256 digest: 64 hexadecimal digits`);
  });
}

function minTlsOf(fields: Fields, level: PolicyLevel): MinTls | undefined {
  const minTls = fields.oneOf('minTls', ['TLSv1.2', 'TLSv1.3']);
  if (minTls !== undefined && level === 'none') throw fields.fault('minTls', 'makes no sense without TLS');
  return minTls;
}

function insecureMxOf(fields: Fields, level: PolicyLevel): InsecureMx {
  const insecureMx = fields.oneOf('insecureMx', ['dane', 'encrypt', 'may']);
  if (insecureMx !== undefined && level !== 'dane') {
    throw fields.fault('insecureMx', `belongs to the level "dane", not to "${level}"`);
  }
  return insecureMx ?? 'dane';
}

function auditOf(fields: Fields, level: PolicyLevel): Audit | undefined {
  const audit = fields.untilWithReason('audit');
  if (audit !== undefined && (level === 'none' || level === 'may')) {
    throw fields.fault('audit', `"${level}" refuses nothing, so there is nothing to audit`);
  }
  return audit;
}

function nextHopOf(fields: Fields, match: RuleMatch): NextHop | undefined {
  const relay = fields.text('relay');
  const hosts = fields.texts('hosts');
  const key = relay === undefined ? 'hosts' : 'relay';
  if (relay === undefined && hosts === undefined) return undefined;
  if (relay !== undefined && hosts !== undefined)
    throw fields.fault('hosts', 'stands beside "relay"; use one');
  if (match.kind === 'host' || match.kind === 'hosts-below') {
    throw fields.fault(key, 'a rule for mail hosts can’t say where mail goes: make it a rule for a domain');
  }
  if (relay !== undefined) {
    const { bracketed, host, port } = endpointOf(fields, 'relay', relay);
    return bracketed ? { kind: 'relay', host, port } : { kind: 'domain', domain: host, port };
  }
  return {
    kind: 'hosts',
    hosts: (hosts ?? []).map((text) => {
      const { host, port } = endpointOf(fields, 'hosts', text);
      return { host, port };
    }),
  };
}

const ENDPOINT = /^(?:\[([^\]]+)\]|([^[\]:]+))(?::([0-9]{1,5}))?$/u;

/** `[host]:port`, `host:port`; brackets as in Postfix: the host itself, and no MX look-up of it. */
function endpointOf(fields: Fields, key: string, text: string) {
  const [, inside, plain, digits] = ENDPOINT.exec(text) ?? [];
  const given = (inside ?? plain ?? '').replace(/^IPv6:/iu, '');
  const host = isIP(given) === 0 ? canonicalHost(given) : given;
  if (host === undefined || (plain !== undefined && isIP(plain) !== 0 && key === 'relay')) {
    throw fields.fault(key, `"${text}" is neither [host]:port nor domain:port`);
  }
  const port = digits === undefined ? undefined : Number(digits);
  if (port !== undefined && (port < 1 || port > 65_535)) throw fields.fault(key, `there is no port ${port}`);
  return { bracketed: inside !== undefined, host, port };
}

function credentialsOf(fields: Fields, level: PolicyLevel, nextHop: NextHop | undefined): string | undefined {
  const credentials = fields.text('credentials');
  if (credentials === undefined) return undefined;
  if (nextHop?.kind !== 'relay') throw fields.fault('credentials', 'are for a relay: "[host]:port"');
  // RFC 4954 section 4: PLAIN and LOGIN say the password as it is.
  if (level === 'none') throw fields.fault('credentials', 'are said under TLS only, and the level is "none"');
  return credentials;
}

function sourceOf(fields: Fields, match: RuleMatch): SourceAddresses | undefined {
  const [ipv4, ipv6] = [fields.text('sourceIpv4'), fields.text('sourceIpv6')];
  if (ipv4 === undefined && ipv6 === undefined) return undefined;
  const key = ipv4 === undefined ? 'sourceIpv6' : 'sourceIpv4';
  if (match.kind === 'host' || match.kind === 'hosts-below') {
    throw fields.fault(
      key,
      'a rule for mail hosts can’t say where mail comes from: make it a rule for a domain',
    );
  }
  if (ipv4 !== undefined && isIP(ipv4) !== 4)
    throw fields.fault('sourceIpv4', `"${ipv4}" is no IPv4 address`);
  if (ipv6 !== undefined && isIP(ipv6) !== 6)
    throw fields.fault('sourceIpv6', `"${ipv6}" is no IPv6 address`);
  return { ipv4, ipv6 };
}

/** The keys of one rule, each of which is taken once. */
class Fields {
  readonly #number: number;
  /** By the name in JavaScript: how it was written, and its value. */
  readonly #left = new Map<string, { readonly written: string; readonly value: unknown }>();
  readonly #written = new Map<string, string>();

  constructor(input: unknown, number: number) {
    this.#number = number;
    if (typeof input !== 'object' || input === null || Array.isArray(input)) {
      throw this.fault('', 'must be a table of keys and values');
    }
    for (const [written, value] of Object.entries(input)) {
      const key = written.replace(/_([a-z])/gu, (_, letter: string) => letter.toUpperCase());
      if (this.#left.has(key)) throw new PolicyTableError(number, written, 'is there twice');
      this.#left.set(key, { written, value });
      this.#written.set(key, written);
    }
  }

  fault(key: string, problem: string): PolicyTableError {
    return new PolicyTableError(this.#number, this.#written.get(key) ?? key, problem);
  }

  #take(key: string): unknown {
    const field = this.#left.get(key);
    this.#left.delete(key);
    return field?.value;
  }

  text(key: string): string | undefined {
    const value = this.#take(key);
    if (value === undefined) return undefined;
    if (typeof value !== 'string' || value === '') throw this.fault(key, 'must be a text');
    return value;
  }

  texts(key: string): readonly string[] | undefined {
    const value = this.#take(key);
    if (value === undefined) return undefined;
    const isTexts = (list: unknown[]): list is string[] => list.every((each) => typeof each === 'string');
    if (!Array.isArray(value) || value.length === 0 || !isTexts(value)) {
      throw this.fault(key, 'must be a list of texts, and not empty');
    }
    return value;
  }

  oneOf<const T extends string>(key: string, allowed: readonly T[]): T | undefined {
    const value = this.#take(key);
    if (value === undefined) return undefined;
    const found = allowed.find((each) => each === value);
    if (found === undefined) throw this.fault(key, `must be one of ${allowed.join(', ')}`);
    return found;
  }

  /** `{ reason = "...", expires = 2026-12-01 }` */
  untilWithReason(key: string): Exception | undefined {
    const value = this.#take(key);
    if (value === undefined) return undefined;
    if (typeof value !== 'object' || value === null) {
      throw this.fault(key, 'must be a table with the keys "reason" and "expires"');
    }
    const { reason, expires, ...others }: { reason?: unknown; expires?: unknown } = value;
    const [other] = Object.keys(others);
    if (other !== undefined) throw this.fault(key, `has no key "${other}"`);
    if (typeof reason !== 'string' || reason.trim() === '') throw this.fault(key, 'must say its reason');
    const time = timeOf(expires);
    if (time === undefined) {
      throw this.fault(key, 'must say when it expires: a date (2026-12-01) or a time (2026-12-01T12:00:00Z)');
    }
    return { reason, expires: time };
  }

  /** @throws PolicyTableError for a key that nobody took */
  end(): void {
    for (const { written } of this.#left.values()) {
      throw new PolicyTableError(this.#number, written, 'there is no such key');
    }
  }
}

/** A date of TOML, or an ISO 8601 date or time with its offset; a date means its first moment in UTC. */
function timeOf(value: unknown): number | undefined {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? undefined : value.getTime();
  const form = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2}))?$/u;
  if (typeof value !== 'string' || !form.test(value)) return undefined;
  // Date.parse carries 31 November over into December; a day that is not in the calendar is an error.
  const midnight = Date.parse(value.slice(0, 10));
  const time = Date.parse(value);
  if (Number.isNaN(midnight) || Number.isNaN(time)) return undefined;
  return new Date(midnight).toISOString().startsWith(value.slice(0, 10)) ? time : undefined;
}
