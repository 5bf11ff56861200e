/** A name server's line: on a clock of the test's, so that nothing is waited for. */
import { setMaxListeners } from 'node:events';
import { TransportError, type TurnEnd } from '@danelaw/dns';
import { beforeEach, describe, expect, it } from 'vitest';
import { ServerLine, SILENT_FOR_MS } from './server-line.js';

const AT_ONCE = 5;
/** Milliseconds that are given to a server for each answer. */
const PATIENCE = 4_000;

let now: number;
let line: ServerLine;
let turns: ((end: TurnEnd) => void)[];
let failed: unknown[];
const never = new AbortController().signal;
setMaxListeners(0, never); // a hundred wait on it

beforeEach(() => {
  now = 1_000;
  line = new ServerLine('192.0.2.1', AT_ONCE, () => now);
  turns = [];
  failed = [];
});

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** So many come into the line. */
async function come(count: number, signal = never): Promise<void> {
  for (let i = 0; i < count; i++) {
    line.take(signal).then(
      (end) => turns.push(end),
      (error: unknown) => failed.push(error),
    );
  }
  await settled();
}

/** All whose turn it is wait for an answer, and this comes of it. */
async function endAll(end: TurnEnd, after = PATIENCE): Promise<number> {
  now += after;
  const ended = turns.splice(0);
  for (const each of ended) each(end);
  await settled();
  return ended.length;
}

/** Ten questions without an answer, in eight seconds. */
async function goSilent(): Promise<void> {
  await come(AT_ONCE);
  await endAll('silent');
  await come(AT_ONCE);
  await endAll('silent');
}

describe('the line of a server that keeps silent', () => {
  it('fails at once, and so does who comes for a while: as a time-out of that server', async () => {
    await come(100);
    await endAll('silent');
    await endAll('silent');
    // Four more had their turn before the tenth silence.
    expect([turns.length, failed.length]).toEqual([4, 86]);
    now += SILENT_FOR_MS - 1;
    await come(1);
    expect(failed).toHaveLength(87);
    for (const error of failed) expect(error).toMatchObject({ name: 'TransportError', failure: 'silent' });
    expect(failed[86]).toBeInstanceOf(TransportError);
  });

  it('gets one question after that, and nothing again for a while where that is not answered either', async () => {
    await goSilent();
    now += SILENT_FOR_MS;
    await come(3);
    expect([turns.length, failed.length]).toEqual([1, 0]);
    await endAll('silent');
    await come(1);
    expect([turns.length, failed.length]).toEqual([0, 3]);
  });

  it('goes on as ever when one question is answered', async () => {
    await goSilent();
    now += SILENT_FOR_MS;
    await come(AT_ONCE + 2);
    expect(await endAll('answered')).toBe(1);
    expect([turns.length, failed.length, line.isBlank]).toEqual([AT_ONCE, 0, true]);
  });

  it('gives the next one the turn where the one question was given up', async () => {
    await goSilent();
    now += SILENT_FOR_MS;
    await come(2);
    await endAll('undecided');
    expect([turns.length, failed.length]).toEqual([1, 0]);
  });

  it('opens when a question from before is answered late', async () => {
    await come(AT_ONCE);
    const late = turns.pop();
    for (let round = 0; round < 3; round++) {
      await endAll('silent');
      await come(AT_ONCE - 1);
    }
    expect(failed).not.toHaveLength(0);
    late?.('answered');
    await come(1);
    expect(turns).toHaveLength(1);
  });
});

describe('the line of a server that is not silent', () => {
  it.each<[what: string, act: () => Promise<void>]>([
    [
      'loses most of the packets',
      async () => {
        for (let round = 0; round < 20; round++) {
          await come(AT_ONCE);
          turns.pop()?.('answered');
          await endAll('silent');
        }
      },
    ],
    [
      'has too little time for many at once, until there is more',
      async () => {
        await come(AT_ONCE * 4);
        for (let round = 0; round < 3; round++) await endAll('silent', 1_200);
      },
    ],
    [
      'is asked little, and lets a few pass over hours',
      async () => {
        for (let round = 0; round < 9; round++) {
          await come(1);
          await endAll('silent', 3_600_000);
        }
      },
    ],
    [
      'is given up by those who ask',
      async () => {
        for (let round = 0; round < 9; round++) {
          await come(AT_ONCE);
          await endAll('undecided');
        }
      },
    ],
  ])('stays open where it %s', async (_, act) => {
    await act();
    await come(1);
    expect([turns.length > 0, failed]).toEqual([true, []]);
  });

  it('lets nobody wait in vain: who gives up leaves it, and the turn is the next one’s', async () => {
    const stop = new AbortController();
    await come(AT_ONCE);
    await come(1, stop.signal);
    await come(1);
    stop.abort(new Error('enough'));
    await settled();
    expect(failed).toEqual([new Error('enough')]);
    turns.shift()?.('answered');
    await settled();
    expect(turns).toHaveLength(AT_ONCE);
  });
});
