import fc from 'fast-check';
import { expect, it } from 'vitest';
import { TimeHeap } from './time-heap.js';

it('a heap of times gives names in the order of the times that were said last', () => {
  const said = fc.array(fc.tuple(fc.nat(20), fc.nat(9), fc.boolean()), { maxLength: 60 });
  fc.assert(
    fc.property(said, fc.nat(20), (items, until) => {
      const heap = new TimeHeap();
      const times = new Map<string, number>();
      for (const [time, number, forgotten] of items) {
        const name = `d${number}`;
        if (forgotten) {
          heap.forget(name);
          times.delete(name);
        } else {
          heap.add(time, name);
          times.set(name, time);
        }
      }
      const all = [...times.values()];
      expect(heap.earliest()).toBe(all.length === 0 ? undefined : Math.min(...all));
      const due = [...times].filter(([, time]) => time <= until);
      const taken = heap.takeUntil(until);
      expect([...taken].sort()).toEqual(due.map(([name]) => name).sort());
      const order = taken.map((name) => times.get(name) ?? -1);
      expect(order).toEqual([...order].sort((a, b) => a - b));
      const left = [...times.values()].filter((time) => time > until);
      expect(heap.earliest()).toBe(left.length === 0 ? undefined : Math.min(...left));
    }),
  );
});
