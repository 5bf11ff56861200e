import { describe, expect, it } from 'vitest';
import { closeAll } from './close-all.js';

describe('what was opened', () => {
  it('is closed, the last first, though some of it can not be', async () => {
    const heard: unknown[] = [];
    const closes = (name: string) => async () => void heard.push(name);
    const opened = [
      closes('queue'),
      () => Promise.reject(new Error('the disk is full')),
      closes('threads'),
      () => {
        throw new Error('it was never open');
      },
      closes('listener'),
    ];
    const tell = (error: unknown) => void heard.push(error instanceof Error ? error.message : error);
    await closeAll(opened, tell);
    expect(heard).toEqual(['listener', 'it was never open', 'threads', 'the disk is full', 'queue']);
  });

  it('is closed one after the other', async () => {
    const order: string[] = [];
    const slow = async (): Promise<void> => {
      order.push('begins');
      await new Promise((resolve) => setImmediate(resolve));
      order.push('ends');
    };
    await closeAll([slow, slow], () => {});
    expect(order).toEqual(['begins', 'ends', 'begins', 'ends']);
  });
});
