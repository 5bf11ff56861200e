import { describe, expect, it } from 'vitest';
import { clockFrom, parseTime } from './time.js';

describe('parseTime', () => {
  const rows: [text: string, iso: string | undefined][] = [
    ['1764000000', '2025-11-24T16:00:00.000Z'],
    ['0', '1970-01-01T00:00:00.000Z'],
    ['2026-11-24', '2026-11-24T00:00:00.000Z'],
    ['2026-11-24T12:30:00Z', '2026-11-24T12:30:00.000Z'],
    ['2026-11-24T12:30:00.5z', '2026-11-24T12:30:00.500Z'],
    ['2026-11-24 12:30', '2026-11-24T12:30:00.000Z'],
    ['2026-11-24T12:30:00+02:00', '2026-11-24T10:30:00.000Z'],
    ['2024-02-29', '2024-02-29T00:00:00.000Z'],
    ['2026-02-29', undefined],
    ['2026-13-01', undefined],
    ['2026-11-24T25:00Z', undefined],
    ['-5', undefined],
    ['1e9', undefined],
    ['yesterday', undefined],
    ['', undefined],
    ['24.11.2026', undefined],
  ];
  it.each(rows)('reads "%s" as %s', (text, iso) => {
    const time = parseTime(text);
    expect(time === undefined ? undefined : new Date(time).toISOString()).toBe(iso);
  });
});

describe('clockFrom', () => {
  it('starts at the given time and never goes back', () => {
    const clock = clockFrom(1_000_000);
    const first = clock();
    expect(first).toBeGreaterThanOrEqual(1_000_000);
    expect(clock()).toBeGreaterThanOrEqual(first);
  });

  it("is the system's without one", () => {
    expect(clockFrom(undefined)).toBe(Date.now);
  });
});
