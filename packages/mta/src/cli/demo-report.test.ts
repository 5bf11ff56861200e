import type { Expected, Scenario } from '@danelaw/lab';
import { describe, expect, it } from 'vitest';
import type { Came } from './demo-judge.js';
import { describeDemo } from './demo-report.js';
import type { DemoRow } from './demo-run.js';
import { paletteFor } from './terminal.js';

const PLAIN = paletteFor({ isTTY: false, write: () => true }, {});
const came: Came = {
  status: 'delivered',
  host: 'mx.a.example',
  address: '127.25.0.1',
  mx: 'secure',
  tls: { by: '3 1 1', baseDomain: 'mx.a.example' },
  enhancedStatus: '2.0.0',
  failure: null,
  stage: null,
};
const shouldDeliver: Expected = { status: 'delivered', host: 'mx.a.example', mx: 'secure', tls: 'none' };
const shouldDefer: Expected = { status: 'deferred', because: 'the zone is bogus' };

interface Case {
  readonly domain?: string;
  readonly event?: string;
  readonly came?: Partial<Came>;
  readonly expected?: Expected;
  readonly local?: Scenario['local'];
  readonly policy?: string;
  readonly faults?: readonly string[];
}

function row({
  domain = 'a.example',
  event = 'delivered',
  expected = shouldDeliver,
  faults = [],
  ...rest
}: Case): DemoRow {
  const { local, policy = 'may' } = rest;
  return {
    scenario: {
      domain,
      shows: '',
      rule: 'RFC 4035 section 4.3',
      zones: {},
      expected,
      ...(local && { local }),
    },
    recipient: `you@${domain}`,
    expected,
    story: {
      id: '1',
      steps: [{ event: 'tls', policy, reason: 'as it was said' }],
      outcome: { event, reason: 'what was\u001b[31m said' },
    },
    came: { ...came, ...rest.came },
    faults,
  };
}

const table = (rows: readonly DemoRow[], verbose = false): string[] =>
  describeDemo({ rows, seconds: 4.21, verbose }, PLAIN, 100);

describe('the table of the demonstration', () => {
  it.each<[words: string, given: Case]>([
    ['DANE-EE 3 1 1, signed MX', {}],
    ['DANE-TA 2 0 1, signed MX', { came: { tls: { by: '2 0 1', baseDomain: 'b' } } }],
    ['DANE-EE 3 1 1, but unsigned MX: the host, not the domain', { came: { mx: 'insecure' } }],
    ['authenticated by a public authority, as MTA-STS asks', { came: { tls: 'trusted' } }],
    ['TLS, not authenticated: no secure TLSA records', { came: { tls: 'unauthenticated' } }],
    [
      'TLS, not authenticated: only unusable TLSA records',
      { came: { tls: 'unauthenticated' }, policy: 'encrypt' },
    ],
    [
      'TLS, not authenticated: local policy only audits',
      { came: { tls: 'unauthenticated' }, local: { audit: 'x' } },
    ],
    [
      'TLS, not authenticated: local policy asks for no more',
      { came: { tls: 'unauthenticated' }, local: { level: 'may' } },
    ],
    ['clear text: no secure TLSA records, and no TLS', { came: { tls: 'none' } }],
    [
      'the zone is bogus (RFC 4035 §4.3)',
      { event: 'deferred', came: { status: 'deferred' }, expected: shouldDefer },
    ],
  ])('says "%s"', (words, given) => {
    const [, , line] = table([row(given)]);
    expect(line).toBe(`  a.example  ${(given.event ?? 'delivered').padEnd(9)}  ${words}`);
  });

  it('ends with counts, and says that all is well where it is', () => {
    const rows = ['delivered', 'delivered', 'deferred', 'bounced', 'refused'].map((event) => row({ event }));
    expect(table(rows).slice(-2).join(' ')).toBe(
      '2 delivered, 1 deferred, 1 bounced, 1 refused: all as RFC 7672 asks, and the mail servers agree (4.2 s).',
    );
  });

  it('marks what is not as it should be, with the words of the relay, made harmless', () => {
    const lines = table([row({}), row({ domain: 'b.example', faults: ['it arrived 2 times'] })]);
    const at = lines.findIndex((line) => line.startsWith('! b.example'));
    expect(lines.slice(at + 1, at + 4).map((line) => line.trim())).toEqual([
      'tls: as it was said',
      expect.stringMatching(/^delivered: what was.+said$/u),
      'WRONG: it arrived 2 times',
    ]);
    expect(lines.join('')).not.toContain('\u001b');
    expect(lines.at(-1)).toContain('1 of 2 not as they should be');
  });

  it('gives these words for each domain where somebody wants them', () => {
    expect(table([row({})], true).join('\n')).toContain('tls: as it was said');
    expect(table([row({})]).join('\n')).not.toContain('tls: as it was said');
  });

  it('shows what nothing became of', () => {
    const nothing = { ...row({ faults: ['nothing became of it'] }), story: undefined, came: undefined };
    expect(table([nothing])[2]).toBe('! a.example  nothing    see below');
  });

  it('fits 100 columns', () => {
    const domain = `${'long.'.repeat(6)}example`;
    const because = 'words '.repeat(30).trim();
    const lines = table([
      row({
        domain,
        event: 'deferred',
        came: { status: 'deferred' },
        expected: { status: 'deferred', because },
      }),
    ]);
    expect(lines.filter((line) => line.length > 100)).toEqual([]);
  });
});
