import { describe, expect, it } from 'vitest';
import { HostLimits } from './host-limits.js';

const A = { address: '192.0.2.1', port: 25 };
const B = { address: '192.0.2.2', port: 25 };
const C = { address: '192.0.2.3', port: 25 };

/** Whether a promise has resolved by the end of this turn of the event loop. */
async function isThere(promise: Promise<unknown>): Promise<boolean> {
  let there = false;
  void promise.then(
    () => {
      there = true;
    },
    () => {},
  );
  await new Promise((resolve) => setImmediate(resolve));
  return there;
}

describe('the limits of connections', () => {
  it('keep one more to a server waiting until one has ended', async () => {
    const limits = new HostLimits({ perHost: 2, total: 10 });
    const first = await limits.acquire(A);
    await limits.acquire(A);
    const third = limits.acquire(A);
    expect(await isThere(third)).toBe(false);
    expect(await isThere(limits.acquire(B))).toBe(true);
    first.release('ok');
    expect(await isThere(third)).toBe(true);
  });

  it('let go at once whom nothing keeps waiting, and keep no place in the line for whoever does not want to wait', async () => {
    const limits = new HostLimits({ perHost: 2, total: 10 });
    const first = limits.acquireNow(A);
    await limits.acquire(A);
    expect([first !== undefined, limits.acquireNow(A), limits.open]).toEqual([true, undefined, 2]);
    const waits = limits.acquire(A);
    first?.release('ok');
    expect(await isThere(waits)).toBe(true);
    (await waits).release('ok');
    await limits.acquire(A);
    void limits.acquire(A);
    expect(limits.acquireNow(A)).toBeUndefined();
    expect(limits.acquireNow(B)).toBeDefined();
  });

  it('let nobody go at once where other nodes are to be asked', async () => {
    const takeSlot = async () => ({ release: () => {} });
    const limits = new HostLimits({ perHost: 2, total: 10, takeSlot });
    expect(limits.acquireNow(A)).toBeUndefined();
    expect(limits.remembered).toBe(0);
    expect(await isThere(limits.acquire(A))).toBe(true);
  });

  it('hold over all servers, and let the one that waited longest at any of them go on', async () => {
    const limits = new HostLimits({ perHost: 5, total: 2 });
    const first = await limits.acquire(A);
    await limits.acquire(A);
    const other = limits.acquire(B);
    expect(await isThere(other)).toBe(false);
    first.release('failed');
    expect(await isThere(other)).toBe(true);
    expect(limits.open).toBe(2);
  });

  it('are halved for a server that is busy, and come back one by one', async () => {
    const limits = new HostLimits({ perHost: 4, total: 10 });
    const permits = await Promise.all([1, 2, 3, 4].map(() => limits.acquire(A)));
    permits[0]?.release('busy'); // four were open, two may be
    const next = limits.acquire(A);
    expect(await isThere(next)).toBe(false);
    permits[1]?.release('failed');
    expect(await isThere(next)).toBe(false);
    permits[2]?.release('failed');
    expect(await isThere(next)).toBe(true);
    const another = limits.acquire(A);
    expect(await isThere(another)).toBe(false);
    permits[3]?.release('ok');
    expect(await isThere(another)).toBe(true);
  });

  it('give what is free to the server that has the fewest, and not to the one that always waits', async () => {
    const limits = new HostLimits({ perHost: 2, total: 3 });
    const [first, second] = [await limits.acquire(A), await limits.acquire(A)];
    await limits.acquire(C);
    const more = limits.acquire(A);
    const other = limits.acquire(B);
    first.release('ok');
    expect([await isThere(more), await isThere(other)]).toEqual([false, true]);
    second.release('ok');
    expect(await isThere(more)).toBe(true);
  });

  it('let servers that have as few take turns', async () => {
    const limits = new HostLimits({ perHost: 1, total: 1 });
    const order: string[] = [];
    const take = async (name: string, server: typeof A): Promise<void> => {
      const permit = await limits.acquire(server);
      order.push(name);
      await new Promise((resolve) => setImmediate(resolve));
      permit.release('ok');
    };
    await Promise.all([take('A', A), take('A', A), take('A', A), take('B', B), take('B', B)]);
    expect(order).toEqual(['A', 'A', 'B', 'A', 'B']);
  });

  it('let those in who wait when they grow', async () => {
    const limits = new HostLimits({ perHost: 1, total: 1 });
    await limits.acquire(A);
    const [again, other] = [limits.acquire(A), limits.acquire(B)];
    limits.configure({ perHost: 1, total: 2 });
    expect([await isThere(again), await isThere(other)]).toEqual([false, true]);
    limits.configure({ perHost: 2, total: 3 });
    expect(await isThere(again)).toBe(true);
  });

  it('are remembered of so many servers that were busy, and not of those that somebody talks to', async () => {
    const limits = new HostLimits({ perHost: 4, total: 100, remembered: 3 });
    const halve = async (server: typeof A): Promise<void> => {
      const permits = await Promise.all([1, 2].map(() => limits.acquire(server)));
      for (const permit of permits) permit.release('busy');
    };
    const mayHave = async (server: typeof A): Promise<number> => {
      const stop = new AbortController();
      const asked = Array.from({ length: 5 }, () => limits.acquire(server, stop.signal));
      const there = await Promise.all(asked.map(isThere));
      stop.abort();
      const given = await Promise.allSettled(asked);
      for (const each of given) if (each.status === 'fulfilled') each.value.release('failed');
      return there.filter((is) => is).length;
    };
    const talking = await limits.acquire(A);
    await halve(A);
    await halve(B);
    expect(limits.remembered).toBe(2);
    for (let i = 10; i < 50; i++) await halve({ address: `192.0.2.${i}`, port: 25 });
    expect(limits.remembered).toBe(3);
    // A was talked to all the time; B, that was forgotten, has all again.
    expect(await mayHave(B)).toBe(4);
    talking.release('failed');
    expect(await mayHave(A)).toBe(1);
  });

  it('count a permit that is given back twice once', async () => {
    const limits = new HostLimits({ perHost: 1, total: 1 });
    const permit = await limits.acquire(A);
    permit.release('ok');
    permit.release('ok');
    expect(limits.open).toBe(0);
  });

  it('leave no trace of whoever gave up waiting', async () => {
    const limits = new HostLimits({ perHost: 1, total: 10 });
    const first = await limits.acquire(A);
    const stop = new AbortController();
    const second = limits.acquire(A, stop.signal);
    stop.abort(new Error('enough'));
    await expect(second).rejects.toThrow('enough');
    first.release('ok');
    expect(limits.open).toBe(0);
    expect(await isThere(limits.acquire(A))).toBe(true);
  });

  it('ask again where the other nodes could not be asked', async () => {
    let calls = 0;
    const takeSlot = async () => {
      if (++calls === 1) throw new Error('the database restarts');
      return { release: () => {} };
    };
    const limits = new HostLimits({ perHost: 1, total: 1, takeSlot, again: 1 });
    const permit = await limits.acquire(A);
    expect(calls).toBe(2);
    permit.release('ok');
    expect(limits.open).toBe(0);
  });

  it('call for room while somebody waits: at that server, or anywhere where all of them are taken', async () => {
    const calls: unknown[] = [];
    const limits = new HostLimits({ perHost: 1, total: 2, onWait: (server) => calls.push(server) });
    const first = await limits.acquire(A);
    const second = limits.acquire(A);
    await limits.acquire(B);
    const third = limits.acquire(C);
    while (calls.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(calls).toContainEqual(A);
    expect(calls).toContain(undefined);
    first.release('ok');
    expect(await isThere(Promise.any([second, third]))).toBe(true);
  });

  it('ask for a slot where nodes share a server, until there is one', async () => {
    let free = false;
    let released = 0;
    const takeSlot = (): Promise<{ release(): void } | undefined> =>
      Promise.resolve(free ? { release: () => void released++ } : undefined);
    const limits = new HostLimits({ perHost: 5, total: 5, takeSlot, again: 1 });
    const permit = limits.acquire(A);
    expect(await isThere(permit)).toBe(false);
    free = true;
    (await permit).release('ok');
    expect(released).toBe(1);
  });
});
