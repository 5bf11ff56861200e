import { describe, expect, it } from 'vitest';
import { worstOf } from './exit.js';

describe('worstOf', () => {
  it('is 69 if anything failed, else 75 if anything waits, else 0', () => {
    expect(worstOf([])).toBe(0);
    expect(worstOf(['fine', 'fine'])).toBe(0);
    expect(worstOf(['fine', 'temporary', 'fine'])).toBe(75);
    expect(worstOf(['temporary', 'permanent', 'fine'])).toBe(69);
  });
});
