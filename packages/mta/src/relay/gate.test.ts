import { describe, expect, it } from 'vitest';
import { Gate } from './gate.js';

describe('a gate', () => {
  it('gives out what it has, in the order in which it was asked', async () => {
    const gate = new Gate(10);
    const order: string[] = [];
    await gate.take(6);
    const large = gate.take(8).then(() => order.push('large'));
    const small = gate.take(1).then(() => order.push('small'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(order).toEqual([]);
    gate.give(6);
    await Promise.all([large, small]);
    expect(order).toEqual(['large', 'small']);
  });

  it('lets more than it has through alone', async () => {
    const gate = new Gate(10);
    await gate.take(100);
    const next = gate.take(1);
    gate.give(100);
    await next;
  });
});
