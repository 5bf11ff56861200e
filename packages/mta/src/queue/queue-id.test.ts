import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isQueueId, makeQueueId } from './queue-id.js';

describe('a queue id', () => {
  it('sorts by time', () => {
    const times = [0, 1, 31, 32, 1_700_000_000_000, 1_700_000_000_001, 2 ** 45];
    const ids = times.map((time) => makeQueueId(time, () => new Uint8Array(5)));
    expect([...ids].sort()).toEqual(ids);
  });

  it('holds all of its random octets', () => {
    expect(makeQueueId(1_700_000_000_000, () => Uint8Array.of(1, 2, 3, 4, 250))).toBe('01hf7yat000410617t');
  });

  it('differs by chance within a millisecond', () => {
    const ids = new Set(Array.from({ length: 1000 }, () => makeQueueId(1_700_000_000_000, randomBytes)));
    expect(ids.size).toBe(1000);
  });

  it.each([
    ['one that was made', makeQueueId(1_700_000_000_000, randomBytes), true],
    ['a path', '../../../etc/passwd', false],
    ['upper case', '01HF7YAT00ABCDEFGH', false],
    ['a letter that is not used', '01hf7yat00abcdefgi', false],
    ['one that is too short', '01hf7yat00abcdefg', false],
  ])('is recognised: %s', (_, text, expected) => {
    expect(isQueueId(text)).toBe(expected);
  });
});
