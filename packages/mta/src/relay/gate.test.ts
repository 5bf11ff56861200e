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

  it('gives no owner more than its share, and lets others pass who wait for nothing of theirs', async () => {
    const gate = new Gate(10, 4);
    const order: string[] = [];
    await gate.take(3, 'a');
    const more = gate.take(3, 'a').then(() => order.push('a'));
    expect(gate.isWanted).toBe(false);
    await gate.take(3, 'b');
    expect(order).toEqual([]);
    gate.give(3, 'a');
    await more;
    expect(order).toEqual(['a']);
  });

  it('gives an owner who has none what is more than its share', async () => {
    const gate = new Gate(10, 4);
    await gate.take(8, 'a');
    const small = gate.take(1, 'a');
    await gate.take(2, 'b');
    gate.give(8, 'a');
    await small;
  });

  it('is wanted where somebody waits for what others have', async () => {
    const gate = new Gate(10, 10);
    await gate.take(10, 'a');
    const waits = gate.take(1, 'b');
    expect(gate.isWanted).toBe(true);
    gate.give(10, 'a');
    await waits;
    expect(gate.isWanted).toBe(false);
  });

  it('lets nobody overtake whoever waits for much', async () => {
    const gate = new Gate(10, 10);
    const order: string[] = [];
    await gate.take(6, 'a');
    const much = gate.take(9, 'b').then(() => order.push('b'));
    const little = gate.take(1, 'c').then(() => order.push('c'));
    gate.give(6, 'a');
    await Promise.all([much, little]);
    expect(order).toEqual(['b', 'c']);
  });
});
