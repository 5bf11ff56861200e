import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Together } from './together.js';

describe('what is told together', () => {
  it('is all of one moment, in order, and each piece once', async () => {
    const told: (readonly string[])[] = [];
    const together = new Together<string>((pieces) => told.push(pieces), queueMicrotask);
    together.add('first');
    together.add('second');
    expect(told).toEqual([]);
    await Promise.resolve();
    expect(told).toEqual([['first', 'second']]);
    together.add('later');
    await turn();
    expect(told).toEqual([['first', 'second'], ['later']]);
  });

  it('takes what comes up in the telling to the next time', async () => {
    const told: (readonly string[])[] = [];
    const together: Together<string> = new Together((pieces) => {
      told.push(pieces);
      if (told.length === 1) together.add('another');
    }, setImmediate);
    together.add('first');
    await turn();
    await turn();
    expect(told).toEqual([['first'], ['another']]);
  });
});
