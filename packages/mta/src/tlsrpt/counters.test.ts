import { describe, expect, it } from 'vitest';
import { DayCounters, MAX_CHARACTERS, MAX_DETAILS, MAX_DOMAINS, MAX_POLICIES } from './counters.js';
import type { FailureDetail, ReportedPolicy, Tally } from './tally.js';

const policy: ReportedPolicy = { type: 'tlsa', strings: ['3 1 1 00'], domain: 'mx.a.example', mxHosts: [] };
const detail = (more: Partial<FailureDetail> = {}): FailureDetail => ({
  resultType: 'validation-failure',
  sendingMtaIp: null,
  receivingMxHostname: 'mx.a.example',
  receivingMxHelo: null,
  receivingIp: '192.0.2.1',
  reason: 'because',
  ...more,
});
const tally = (failures: readonly FailureDetail[] = [], more: Partial<Tally> = {}): Tally => ({
  reportDomain: 'a.example',
  policy,
  failures,
  ...more,
});

describe('DayCounters', () => {
  it('counts sessions once, and equal failures together', () => {
    const counters = new DayCounters();
    counters.add(tally());
    counters.add(tally([detail()]));
    counters.add(tally([detail()]));
    counters.add(tally([detail({ resultType: 'tlsa-invalid' }), detail({ receivingIp: '192.0.2.2' })]));
    expect(counters.cells()).toMatchObject([
      {
        successful: 1,
        failed: 3,
        failures: [
          { count: 2, detail: { resultType: 'validation-failure', receivingIp: '192.0.2.1' } },
          { count: 1, detail: { receivingIp: '192.0.2.2' } },
          { count: 1, detail: { resultType: 'tlsa-invalid' } },
        ],
      },
    ]);
  });

  it('tells policies apart: records that change during the day are another policy', () => {
    const counters = new DayCounters();
    counters.add(tally());
    counters.add(tally([], { policy: { ...policy, strings: ['3 1 1 ff'] } }));
    expect(counters.cells('a.example')).toHaveLength(2);
    expect(counters.cells('b.example')).toEqual([]);
  });

  it('beyond its bounds the sums stay right: failures by type, policies by type, domains not at all', () => {
    const counters = new DayCounters();
    for (let i = 0; i < MAX_DETAILS + 50; i++) counters.add(tally([detail({ receivingIp: `ip ${i}` })]));
    const [cell] = counters.cells();
    expect(cell?.failures).toHaveLength(MAX_DETAILS + 1);
    expect(cell?.failures.reduce((sum, { count }) => sum + count, 0)).toBe(MAX_DETAILS + 50);
    expect(cell?.failures.at(-1)).toMatchObject({ count: 50, detail: { receivingIp: null } });

    for (let i = 0; i < MAX_POLICIES + 9; i++) {
      counters.add(tally([], { reportDomain: 'b.example', policy: { ...policy, strings: [`${i}`] } }));
    }
    const cells = counters.cells('b.example');
    expect(cells).toHaveLength(MAX_POLICIES + 1);
    expect(cells.at(-1)).toMatchObject({ successful: 9, policy: { type: 'tlsa', strings: [] } });

    for (let i = 2; i < MAX_DOMAINS; i++) counters.add(tally([], { reportDomain: `d${i}.example` }));
    expect(counters.dropped).toBe(0);
    expect(counters.add(tally([], { reportDomain: 'late.example' }))).toBe(false);
    expect(counters.add(tally())).toBe(true);
    expect(counters.domains).toHaveLength(MAX_DOMAINS);
  });

  it('has room for so many characters; then types alone are told apart, and the sums stay right', () => {
    const counters = new DayCounters();
    const strings = ['x'.repeat(1_000_000)];
    for (let i = 0; i < 30; i++) {
      const large = { ...policy, domain: `mx${i}.example`, strings };
      counters.add(
        tally([detail({ receivingIp: `ip ${i}` })], { reportDomain: `d${i}.example`, policy: large }),
      );
    }
    const cells = counters.cells();
    expect(cells.map(({ failed }) => failed)).toEqual(Array.from({ length: 30 }, () => 1));
    expect(cells.filter((cell) => cell.policy.strings.length > 0)).toHaveLength(MAX_CHARACTERS / 1_000_000);
    expect(cells.at(-1)).toMatchObject({
      policy: { type: 'tlsa', strings: [], domain: 'd29.example' },
      failures: [{ count: 1, detail: { resultType: 'validation-failure', receivingIp: null } }],
    });
  });

  it('hands out what changed, once', () => {
    const counters = new DayCounters();
    counters.add(tally());
    expect(counters.takeChanged()).toMatchObject([{ successful: 1 }]);
    expect(counters.takeChanged()).toEqual([]);
    counters.add(tally());
    const changed = counters.takeChanged();
    expect(changed).toMatchObject([{ successful: 2 }]);
    counters.markChanged(changed);
    expect(counters.takeChanged()).toHaveLength(1);
  });
});
