import { describe, expect, it } from 'vitest';
import { OctetBudget } from './octet-budget.js';

const never = new AbortController().signal;

describe('memory for messages', () => {
  it('is granted as far as it goes, and again when it came back', () => {
    const budget = new OctetBudget(100);
    expect([budget.take(60), budget.take(41), budget.take(40)]).toEqual([true, false, true]);
    budget.give(40);
    expect(budget.hasRoom(40)).toBe(true);
    expect(budget.hasRoom(41)).toBe(false);
  });

  it('goes to those who wait in their order, a large wish before a later small one', async () => {
    const budget = new OctetBudget(100);
    budget.take(100);
    const order: string[] = [];
    const large = budget.wait(80, never).then(() => order.push('large'));
    const small = budget.wait(10, never).then(() => order.push('small'));
    budget.give(50);
    expect(budget.take(10)).toBe(false);
    budget.give(50);
    await Promise.all([large, small]);
    expect(order).toEqual(['large', 'small']);
    expect(budget.taken).toBe(90);
  });

  it('is not kept for one who has given up waiting', async () => {
    const budget = new OctetBudget(100);
    budget.take(100);
    const patience = new AbortController();
    const waiting = budget.wait(50, patience.signal);
    patience.abort();
    expect(await waiting).toBe(false);
    expect(await budget.wait(1, patience.signal)).toBe(false);
    budget.give(100);
    expect(budget.taken).toBe(0);
    expect(budget.take(100)).toBe(true);
  });

  it('may shrink: nothing is granted until enough came back', () => {
    const budget = new OctetBudget(100);
    budget.take(80);
    budget.limit = 50;
    budget.give(40);
    expect(budget.take(11)).toBe(false);
    expect(budget.take(10)).toBe(true);
  });
});
