import { describe, expect, it } from 'vitest';
import { LookupTally } from './lookup-tally.js';

describe('the tally of look-ups', () => {
  it('hands over what came since the last time, by status and by whether the cache had it', () => {
    const tally = new LookupTally();
    expect(tally.isEmpty).toBe(true);
    for (const cached of [false, true, true]) tally.add({ status: 'secure', cached });
    tally.add({ status: 'bogus', cached: false });
    expect(tally.take()).toEqual([
      { status: 'secure', cached: false, count: 1 },
      { status: 'bogus', cached: false, count: 1 },
      { status: 'secure', cached: true, count: 2 },
    ]);
    expect({ isEmpty: tally.isEmpty, left: tally.take() }).toEqual({ isEmpty: true, left: [] });
    tally.add({ status: 'secure', cached: true });
    expect(tally.take()).toEqual([{ status: 'secure', cached: true, count: 1 }]);
  });
});
