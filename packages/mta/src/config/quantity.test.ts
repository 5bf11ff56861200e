import { describe, expect, it } from 'vitest';
import { parseDuration, parseSize } from './quantity.js';

describe('parseDuration', () => {
  it.each<[string, number | undefined]>([
    ['90s', 90_000],
    ['5m', 300_000],
    ['4h', 14_400_000],
    ['5d', 432_000_000],
    ['250ms', 250],
    ['5', undefined],
    ['-5m', undefined],
    ['5 m', undefined],
    ['1w', undefined],
    ['', undefined],
  ])('%s', (text, expected) => {
    expect(parseDuration(text)).toBe(expected);
  });
});

describe('parseSize', () => {
  it.each<[string, number | undefined]>([
    ['500', 500],
    ['500KiB', 512_000],
    ['25MiB', 26_214_400],
    ['1GiB', 1_073_741_824],
    ['1GB', undefined],
    ['1.5MiB', undefined],
    ['', undefined],
  ])('%s', (text, expected) => {
    expect(parseSize(text)).toBe(expected);
  });
});
