import { describe, expect, it } from 'vitest';
import type { CheckContext } from '../cli/check-domain.js';
import { Checker } from './checker.js';

/** Look-ups that never end but by the signal. */
const silent: CheckContext = {
  heloName: 'relay.example',
  resolver: {
    resolve: (_name, _type, options) =>
      new Promise((_, reject) => {
        const end = (): void => reject(new Error('aborted'));
        if (options?.signal?.aborted === true) end();
        options?.signal?.addEventListener('abort', end, { once: true });
      }),
    close: () => Promise.resolve(),
  },
};
const context = (): CheckContext => silent;
const never = new AbortController().signal;

describe('the checker', () => {
  it.each([
    ['nothing', ''],
    ['an address', 'me@example.org'],
    ['markup', '<script>'],
    ['a text that is longer than any domain', 'a.'.repeat(200)],
  ])('takes no %s', async (_, text) => {
    expect(await new Checker({ context }).check(text, never)).toMatchObject({ status: 'invalid' });
  });

  it('runs two at a time, and sends others away', async () => {
    const checker = new Checker({ context });
    const leaving = new AbortController();
    const running = [1, 2].map((i) => checker.check(`${i}.example`, leaving.signal).catch(() => 'left'));
    expect(await checker.check('3.example', never)).toMatchObject({ status: 'busy' });
    leaving.abort();
    expect(await Promise.all(running)).toEqual(['left', 'left']);
    const next = new AbortController();
    next.abort();
    await expect(checker.check('3.example', next.signal)).rejects.toThrow();
  });

  it('ends in time, and says what has more patience', async () => {
    const found = await new Checker({ context, time: 1 }).check('slow.example', never);
    expect(found).toMatchObject({
      status: 'too-late',
      reason: expect.stringContaining('danelaw check slow.example'),
    });
  });
});
