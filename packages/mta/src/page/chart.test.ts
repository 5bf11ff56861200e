import { describe, expect, it } from 'vitest';
import { barChart, shareBar, tallyWords } from './chart.js';
import { EMPTY } from './protection-history.js';

const step = (tally: object) => ({ mark: '', title: 'then', tally: { ...EMPTY, ...tally } });
const heights = (svg: string): number[] =>
  [...svg.matchAll(/class="of-[a-z]+"[^>]*height="([0-9.]+)"/gu)].map((match) => Number(match[1]));

describe('the chart', () => {
  const chart = String(
    barChart([step({ dane: 30, clear: 10 }), step({}), step({ dane: 20 })], { label: 'a <b>', width: 312 }),
  );

  it('draws pieces in proportion, and nothing where nothing was delivered', () => {
    const [dane = 0, clear = 0, later = 0, ...others] = heights(chart);
    expect(dane / clear).toBeCloseTo(3, 1);
    expect(later / clear).toBeCloseTo(2, 1);
    expect(others).toEqual([]);
  });

  it('says in words what it draws, to those who do not see it too', () => {
    expect(chart).toContain('role="img" aria-label="a &lt;b&gt;"');
    expect(chart).toContain('<title>then: 30 DANE, 10 in clear</title>');
    expect(chart).toContain('<title>then: nothing delivered</title>');
  });

  it('stays within its width', () => {
    const right = [...chart.matchAll(/ x="([0-9.]+)"[^>]* width="([0-9.]+)"/gu)].map(
      ([, x, width]) => Number(x) + Number(width),
    );
    expect(Math.max(...right)).toBeLessThanOrEqual(312.1);
  });

  it('is whole without any mail', () => {
    expect(String(barChart([], { label: '', width: 312 }))).toContain('</svg>');
  });

  it('shares a bar out', () => {
    expect(String(shareBar({ ...EMPTY, dane: 3, encrypted: 1 }))).toMatch(
      /of-dane" x="0" y="0" width="75".*of-encrypted" x="75" y="0" width="25"/u,
    );
    expect(tallyWords({ ...EMPTY, sts: 2, deferred: 9 })).toBe('2 MTA-STS');
  });
});
