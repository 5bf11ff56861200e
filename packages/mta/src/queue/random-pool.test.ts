import { describe, expect, it } from 'vitest';
import { randomPool } from './random-pool.js';

/** Octets that count up, over all draws, and how often was drawn. */
function counting() {
  const draws: number[] = [];
  let next = 0;
  const draw = (octets: number): Uint8Array => {
    draws.push(octets);
    return Uint8Array.from({ length: octets }, () => next++);
  };
  return { draws, draw };
}

describe('a pool of random octets', () => {
  it('draws once for many portions, and gives no octet twice', () => {
    const { draws, draw } = counting();
    const take = randomPool(draw);
    const portions = Array.from({ length: 200 }, () => [...take(5)]);
    expect(draws).toHaveLength(1);
    expect(portions.flat()).toEqual(Array.from({ length: 1000 }, (_, i) => i % 256));
  });

  it('draws anew where what is left is less than a portion', () => {
    const { draws, draw } = counting();
    const take = randomPool(draw);
    take(4093);
    expect([...take(5)]).toEqual([0, 1, 2, 3, 4]);
    expect(draws).toEqual([4096, 4096]);
  });

  it('gives a portion larger than itself', () => {
    const { draws, draw } = counting();
    expect(randomPool(draw)(5000)).toHaveLength(5000);
    expect(draws).toEqual([5000]);
  });
});
