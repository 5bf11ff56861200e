import { describe, expect, it } from 'vitest';
import { MessageCollector } from './message-collector.js';
import { OctetBudget } from './octet-budget.js';

const MEGA = 1024 * 1024;
const noPatience = () => AbortSignal.abort();

function fill(collector: MessageCollector, octets: number, piece: number): void {
  const chunk = Buffer.alloc(piece, 'x');
  for (let left = octets; left > 0; left -= piece) {
    expect(collector.prepare(piece, noPatience)).toBeUndefined();
    collector.add(chunk, 0, Math.min(piece, left));
  }
}

describe('a message on its way into memory', () => {
  it('is what was added', async () => {
    const collector = new MessageCollector(new OctetBudget(MEGA), MEGA);
    for (const text of ['one ', 'two ', 'three']) {
      const chunk = Buffer.from(`..${text}..`);
      await collector.prepare(chunk.length, noPatience);
      collector.add(chunk, 2, chunk.length - 2);
    }
    expect(Buffer.from(collector.message()).toString()).toBe('one two three');
  });

  it('takes at most twice what has come, however small the pieces, and gives it back', () => {
    const budget = new OctetBudget(4 * MEGA);
    const collector = new MessageCollector(budget, MEGA);
    fill(collector, 100_000, 1);
    expect(collector.length).toBe(100_000);
    expect(budget.taken).toBeLessThanOrEqual(200_000);
    collector.release();
    collector.release();
    expect(budget.taken).toBe(0);
  });

  it('is copied less than twice, however many pieces it comes in', () => {
    const copies = (octets: number): number => {
      const collector = new MessageCollector(new OctetBudget(64 * MEGA), 32 * MEGA);
      let grown = 0;
      let memory: ArrayBufferLike | undefined;
      const chunk = Buffer.alloc(1024);
      for (let done = 0; done < octets; done += chunk.length) {
        collector.prepare(chunk.length, noPatience);
        const { buffer } = collector.message();
        if (memory !== undefined && buffer !== memory) grown += collector.length;
        memory = buffer;
        collector.add(chunk, 0, chunk.length);
      }
      return grown / octets;
    };
    expect(copies(MEGA)).toBeLessThan(2);
    expect(copies(10 * MEGA)).toBeLessThan(2);
  });

  it('gives everything back as soon as it is too large, and takes nothing for the rest', () => {
    const budget = new OctetBudget(4 * MEGA);
    const collector = new MessageCollector(budget, 20_000);
    fill(collector, 20_000, 1000);
    expect(collector.state).toBe('open');
    fill(collector, 50_000, 1000);
    expect(collector.state).toBe('too-large');
    expect(budget.taken).toBe(0);
    expect(collector.message()).toHaveLength(0);
  });

  it('may be exactly as large as the bound', () => {
    const collector = new MessageCollector(new OctetBudget(MEGA), 50_000);
    fill(collector, 50_000, 50_000);
    expect(collector.state).toBe('open');
  });

  it('waits for memory, and goes on when there is some', async () => {
    const budget = new OctetBudget(100_000);
    budget.take(100_000);
    const collector = new MessageCollector(budget, MEGA);
    const waiting = collector.prepare(10, () => new AbortController().signal);
    expect(waiting).toBeInstanceOf(Promise);
    budget.give(50_000);
    await waiting;
    collector.add(Buffer.from('x'), 0, 1);
    expect(collector.message()).toHaveLength(1);
  });

  it('is given up where there is none in time', async () => {
    const budget = new OctetBudget(100_000);
    budget.take(100_000);
    const collector = new MessageCollector(budget, MEGA);
    await collector.prepare(10, noPatience);
    collector.add(Buffer.from('x'), 0, 1);
    expect(collector.state).toBe('no-room');
    expect(collector.message()).toHaveLength(0);
    expect(budget.taken).toBe(100_000);
  });

  it('is given up where the machine has less of it than the budget, and ends nothing else', async () => {
    const budget = new OctetBudget(2 ** 60);
    const collector = new MessageCollector(budget, 2 ** 60);
    expect(collector.prepare(2 ** 55, noPatience)).toBeUndefined();
    expect(collector.state).toBe('no-room');
    expect(budget.taken).toBe(0);
  });

  it('keeps no memory that is granted when its connection has ended', async () => {
    const budget = new OctetBudget(100_000);
    budget.take(100_000);
    const collector = new MessageCollector(budget, MEGA);
    const waiting = collector.prepare(10, () => new AbortController().signal);
    collector.release();
    budget.give(100_000);
    await waiting;
    expect(budget.taken).toBe(0);
  });
});
