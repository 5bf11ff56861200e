import { describe, expect, it } from 'vitest';
import type { LastTry, QueueEntry } from '../queue/queue.js';
import { type SurveyedQueue, surveyor, surveyQueue } from './queue-survey.js';

const BUSY: LastTry = {
  time: 1,
  enhancedStatus: '4.7.1',
  reply: '450 4.7.1 busy',
  host: 'mx',
  reason: 'it is busy',
};
const LOST: LastTry = { time: 1, enhancedStatus: '4.4.3', reply: null, host: null, reason: 'SERVFAIL' };

function entry(
  id: string,
  arrived: number,
  destinations: readonly string[],
  last: LastTry | undefined,
): QueueEntry {
  const envelope = { from: '', requireTls: false, smtpUtf8: false, eightBit: false, utf8Header: false };
  const state = { held: false, due: 0, attempts: 1, warned: false, last };
  return {
    id,
    envelope: { ...envelope, tlsRequiredNo: false, arrived, origin: { kind: 'smtp' } },
    size: 1,
    recipients: destinations.map((destination, index) => ({
      address: `a@${destination}`,
      destination,
      index,
      state,
    })),
  };
}

async function* each<T>(values: readonly T[]): AsyncGenerator<T> {
  yield* values;
}

function queueOf(...entries: readonly QueueEntry[]): SurveyedQueue & { asked: number } {
  const queue = {
    asked: 0,
    counts: () => {
      queue.asked += 1;
      return Promise.resolve({ messages: entries.length, recipients: 9, held: 0, octets: 9 });
    },
    destinations: () =>
      each([
        { destination: 'down.example', notBefore: 200, failures: 2, reason: 'x' },
        { destination: 'was-down.example', notBefore: 50, failures: 0, reason: 'x' },
      ]),
    list: () => each(entries),
  };
  return queue;
}

describe('a survey of the queue', () => {
  it('groups what waits by cause and destination, and leaves out what was not tried', async () => {
    const queue = queueOf(
      entry('new', 10, ['a.example'], undefined),
      entry('one', 20, ['a.example', 'b.example'], BUSY),
      entry('two', 30, ['b.example'], BUSY),
      entry('three', 40, ['c.example'], LOST),
    );
    const survey = await surveyQueue(queue, () => 100);
    expect(survey).toMatchObject({ oldest: 10, isPart: false, read: 4 });
    expect(survey.down.map(({ destination }) => destination)).toEqual(['down.example']);
    expect(survey.deferrals).toEqual([
      {
        cause: 'server-busy',
        recipients: 3,
        oldest: 20,
        destinations: [
          { destination: 'b.example', recipients: 2, reason: 'it is busy', id: 'one' },
          { destination: 'a.example', recipients: 1, reason: 'it is busy', id: 'one' },
        ],
        moreDestinations: 0,
      },
      {
        cause: 'look-up',
        recipients: 1,
        oldest: 40,
        destinations: [{ destination: 'c.example', recipients: 1, reason: 'SERVFAIL', id: 'three' }],
        moreDestinations: 0,
      },
    ]);
  });

  it('reads so many messages and no more, and says so', async () => {
    const entries = Array.from({ length: 10 }, (_, i) => entry(`${i}`, i, [`${i}.example`], BUSY));
    const survey = await surveyQueue(queueOf(...entries), () => 100, 4);
    expect(survey).toMatchObject({ read: 4, isPart: true });
  });

  it('names so many destinations of a group and counts the others', async () => {
    const entries = Array.from({ length: 30 }, (_, i) => entry(`${i}`, i, [`${i}.example`], BUSY));
    const [group] = (await surveyQueue(queueOf(...entries), () => 100)).deferrals;
    expect({ named: group?.destinations.length, more: group?.moreDestinations }).toEqual({
      named: 20,
      more: 10,
    });
  });

  it('serves all who ask within some seconds', async () => {
    let now = 0;
    const queue = queueOf();
    const survey = surveyor(queue, () => now);
    await Promise.all([survey(), survey()]);
    now = 4000;
    await survey();
    expect(queue.asked).toBe(1);
    now = 6000;
    await survey();
    expect(queue.asked).toBe(2);
  });

  it('serves for longer where it took long', async () => {
    let now = 0;
    const queue = queueOf();
    const counts = (): ReturnType<SurveyedQueue['counts']> => {
      now += 1000;
      return queue.counts();
    };
    const survey = surveyor({ ...queue, counts }, () => now);
    await survey();
    now = 19_000;
    await survey();
    expect(queue.asked).toBe(1);
    now = 22_000;
    await survey();
    expect(queue.asked).toBe(2);
  });

  it('is made anew after one that failed', async () => {
    const queue = queueOf();
    let isBroken = true;
    const counts = (): ReturnType<SurveyedQueue['counts']> => {
      return isBroken ? Promise.reject(new Error('gone')) : queue.counts();
    };
    const survey = surveyor({ ...queue, counts }, () => 0);
    await expect(survey()).rejects.toThrow('gone');
    isBroken = false;
    expect((await survey()).read).toBe(0);
  });
});
