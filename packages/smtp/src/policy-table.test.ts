import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { explainPolicy, type ResolvedPolicy, resolvePolicy } from './policy-table.js';
import { PolicyTableError, parsePolicyTable } from './policy-table-parser.js';

const NOW = Date.parse('2026-06-15T12:00:00Z');
const TOMORROW = '2026-06-16';
const YESTERDAY = '2026-06-14';
const DIGEST = 'ab'.repeat(32);

/** The rule that decides, and its level. */
const decided = (rules: readonly unknown[], domain: string, host?: string): string => {
  const table = parsePolicyTable(rules);
  const { rule, level } = resolvePolicy(table, domain, NOW, host === undefined ? {} : { host });
  return `${rule?.number ?? 'none'} ${level}`;
};

describe('resolvePolicy: the first rule that matches', () => {
  const rules = [
    { domain: 'Example.ORG.', level: 'dane-only' },
    { domain: '.example.org', level: 'encrypt' },
    { mx: 'mx.provider.example', level: 'none' },
    { mx: '.provider.example', level: 'may' },
    { domain: 'b\u00fccher.example', level: 'sts' },
    { domain: '*', level: 'verify' },
  ];

  it.each<[string, string, string | undefined, string]>([
    ['a domain is itself, in whatever case the rule has it', 'example.org', undefined, '1 dane-only'],
    ['a domain below matches the dotted rule', 'a.b.example.org', undefined, '2 encrypt'],
    ['a name that only ends alike is another', 'notexample.org', undefined, '6 verify'],
    ['an internationalised rule is compared as A-labels', 'xn--bcher-kva.example', undefined, '5 sts'],
    ['everything else', 'example.net', undefined, '6 verify'],
    ['a host by its name', 'example.net', 'mx.provider.example', '3 none'],
    ['a host below a name', 'example.net', 'a.provider.example', '4 may'],
    ['a rule for the domain stands before it', 'example.org', 'mx.provider.example', '1 dane-only'],
    ['the parent of the hosts is not below itself', 'example.net', 'provider.example', '6 verify'],
  ])('%s', (_, domain, host, expected) => {
    expect(decided(rules, domain, host)).toBe(expected);
  });

  it('is the default level where there is none', () => {
    expect(resolvePolicy({ rules: [] }, 'example.org', NOW)).toMatchObject({
      level: 'dane',
      rule: undefined,
    });
    expect(resolvePolicy({ rules: [] }, 'example.org', NOW, { level: 'may' }).level).toBe('may');
  });
});

describe('exceptions and audits end', () => {
  const exception = (expires: unknown) => [
    { domain: 'example.org', level: 'encrypt', exception: { reason: 'ticket 4711', expires } },
    { domain: '*', level: 'dane-only' },
  ];

  it('an exception applies until it expires, and says so afterwards', () => {
    expect(decided(exception(TOMORROW), 'example.org')).toBe('1 encrypt');
    expect(decided(exception(YESTERDAY), 'example.org')).toBe('2 dane-only');
    const resolved = resolvePolicy(parsePolicyTable(exception(YESTERDAY)), 'example.org', NOW);
    expect(resolved.notes).toEqual([
      'rule 1 (example.org) is an exception that expired on 2026-06-14 and does not apply',
    ]);
  });

  it('expires at the moment that is named', () => {
    expect(decided(exception('2026-06-15T12:00:00Z'), 'example.org')).toBe('2 dane-only');
    expect(decided(exception('2026-06-15T14:00:01+02:00'), 'example.org')).toBe('1 encrypt');
    expect(decided(exception(new Date(NOW + 1)), 'example.org')).toBe('1 encrypt');
  });

  it('after an audit its level binds (RFC 7672 section 9.1)', () => {
    const audited = (expires: string): ResolvedPolicy =>
      resolvePolicy(
        parsePolicyTable([{ domain: '*', level: 'dane', audit: { reason: 'new', expires } }]),
        'example.org',
        NOW,
      );
    expect(audited(TOMORROW)).toMatchObject({ level: 'dane', audit: { reason: 'new' } });
    expect(audited(YESTERDAY)).toMatchObject({ level: 'dane', audit: undefined });
    expect(audited(YESTERDAY).notes).toEqual(['the audit of rule 1 (*) ended on 2026-06-14: "dane" binds']);
  });
});

describe('parsePolicyTable', () => {
  it('reads everything that a rule can say', () => {
    const { rules } = parsePolicyTable([
      { domain: 'a.example', level: 'verify', names: ['MX.a.example'], min_tls: 'TLSv1.3' },
      { domain: 'b.example', level: 'fingerprint', fingerprints: [DIGEST.replace(/..(?=.)/gu, '$&:')] },
      { domain: 'c.example', level: 'dane', insecure_mx: 'encrypt' },
      { domain: '*', level: 'encrypt', relay: '[Relay.example.net]:587', credentials: 'smarthost' },
      { domain: 'd.example', level: 'dane', relay: 'example.net' },
      { domain: 'e.example', level: 'dane', hosts: ['mx1.e.example', 'mx2.e.example:2525', '192.0.2.1'] },
      { domain: '[192.0.2.1]', level: 'may', relay: '[2001:db8::1]' },
    ]);
    expect(rules).toMatchObject([
      { names: ['mx.a.example'], minTls: 'TLSv1.3' },
      { fingerprints: [DIGEST] },
      { insecureMx: 'encrypt' },
      { nextHop: { kind: 'relay', host: 'relay.example.net', port: 587 }, credentials: 'smarthost' },
      { nextHop: { kind: 'domain', domain: 'example.net', port: undefined } },
      {
        nextHop: { kind: 'hosts', hosts: [{ host: 'mx1.e.example' }, { port: 2525 }, { host: '192.0.2.1' }] },
      },
      { match: { kind: 'domain', name: '[192.0.2.1]' }, nextHop: { kind: 'relay', host: '2001:db8::1' } },
    ]);
  });

  const rule = (more: object): object => ({ domain: 'example.org', level: 'dane', ...more });
  it.each<[string, unknown, string]>([
    ['a rule that is none', 'dane', ''],
    ['a rule without a match', { level: 'dane' }, ''],
    ['two matches', rule({ mx: 'mx.example.org' }), ''],
    ['no level', { domain: 'example.org' }, 'level'],
    ['a level that is none', rule({ level: 'secure' }), 'level'],
    ['a domain that is none', rule({ domain: 'a b' }), 'domain'],
    ['a bare dot', rule({ domain: '.' }), 'domain'],
    ['a star in a name', rule({ domain: '*.example.org' }), 'domain'],
    ['a host star', { mx: '*', level: 'dane' }, 'mx'],
    ['an unknown key', rule({ 'min-tls': 'TLSv1.2' }), 'min-tls'],
    ['a key twice', rule({ min_tls: 'TLSv1.2', minTls: 'TLSv1.3' }), 'minTls'],
    ['a version that TLS does not have', rule({ min_tls: 'TLSv1.1' }), 'min_tls'],
    ['names without "verify"', rule({ names: ['mx.example.org'] }), 'names'],
    ['a name that is none', rule({ level: 'verify', names: ['*.example.org'] }), 'names'],
    ['an empty list of names', rule({ level: 'verify', names: [] }), 'names'],
    ['"fingerprint" without any', rule({ level: 'fingerprint' }), 'fingerprints'],
    ['a fingerprint that is none', rule({ level: 'fingerprint', fingerprints: ['ab'] }), 'fingerprints'],
    ['fingerprints without "fingerprint"', rule({ fingerprints: [DIGEST] }), 'fingerprints'],
    ['insecure_mx without "dane"', rule({ level: 'dane-only', insecure_mx: 'may' }), 'insecure_mx'],
    ['a relay that is none', rule({ relay: '[relay.example.net' }), 'relay'],
    ['a relay with a port that is none', rule({ relay: '[relay.example.net]:70000' }), 'relay'],
    ['a relay and hosts', rule({ relay: 'example.net', hosts: ['mx.example.net'] }), 'hosts'],
    ['a relay in a rule for hosts', { mx: 'mx.example.org', level: 'dane', relay: 'example.net' }, 'relay'],
    ['credentials without a relay', rule({ credentials: 'smarthost' }), 'credentials'],
    ['credentials in clear', rule({ level: 'none', relay: '[r.example]', credentials: 'x' }), 'credentials'],
    ['an audit of nothing', rule({ level: 'may', audit: { reason: 'x', expires: TOMORROW } }), 'audit'],
    ['an exception without a reason', rule({ exception: { expires: TOMORROW } }), 'exception'],
    ['an exception for ever', rule({ exception: { reason: 'broken' } }), 'exception'],
    ['a day that is none', rule({ exception: { reason: 'x', expires: '2026-13-01' } }), 'exception'],
    [
      'a day that the month does not have',
      rule({ exception: { reason: 'x', expires: '2026-11-31' } }),
      'exception',
    ],
    ['a day in words', rule({ exception: { reason: 'x', expires: 'tomorrow' } }), 'exception'],
    [
      'an exception with another key',
      rule({ exception: { reason: 'x', expires: TOMORROW, until: 1 } }),
      'exception',
    ],
  ])('refuses %s, and says where', (_, input, key) => {
    const parse = (): unknown => parsePolicyTable([rule({}), input]);
    expect(parse).toThrow(PolicyTableError);
    expect(parse).toThrow(expect.objectContaining({ rule: 2, key }));
    expect(parse).toThrow(/^policy rule 2/u);
  });

  it('throws nothing but its own error, whatever it is given', () => {
    const keys = ['domain', 'mx', 'level', 'names', 'min_tls', 'relay', 'hosts', 'audit', 'exception', 'x'];
    const values = fc.oneof(
      fc.anything(),
      fc.constantFrom('dane', 'verify', 'example.org', '*', '.a', '[a]:1'),
    );
    const input = fc.array(fc.dictionary(fc.constantFrom(...keys), values));
    fc.assert(
      fc.property(input, (rules) => {
        try {
          return parsePolicyTable(rules).rules.length === rules.length;
        } catch (error) {
          return error instanceof PolicyTableError && error.rule <= rules.length;
        }
      }),
    );
  });

  it('refuses a table that is no list', () => {
    expect(() => parsePolicyTable({})).toThrow(expect.objectContaining({ rule: 0, key: '' }));
  });
});

describe('explainPolicy', () => {
  it('says which rule, why, and what does not count', () => {
    const table = parsePolicyTable([
      { mx: '.provider.example', level: 'may' },
      { domain: 'example.org', level: 'may', exception: { reason: 'old', expires: YESTERDAY } },
      {
        domain: 'example.org',
        level: 'dane',
        insecure_mx: 'encrypt',
        min_tls: 'TLSv1.3',
        relay: '[relay.example.net]:587',
        credentials: 'smarthost',
        audit: { reason: 'try it first', expires: TOMORROW },
      },
    ]);
    expect(explainPolicy('example.org', resolvePolicy(table, 'example.org', NOW))).toEqual([
      'example.org: dane',
      'decided by: rule 3 (example.org), audit only (RFC 7672 section 9.1) until 2026-06-16: try it first',
      'at least TLSv1.3',
      'TLSA records at hosts of unsigned MX records are worth: encrypt',
      'goes to: [relay.example.net]:587',
      'logs in with: smarthost',
      'note: rule 1 (mx .provider.example) comes first for such hosts',
      'note: rule 2 (example.org) is an exception that expired on 2026-06-14 and does not apply',
    ]);
  });
});
