/** The threads as the main thread sees them. What runs in them here is a few lines of the test; the real ones run in `survey.test.ts`. */
import { setMaxListeners } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import type { SurveyResult } from './survey-result.js';
import { SurveyThreads } from './survey-threads.js';

/** Answers with the name of its thread; domains say what else it does, or that it waits until the next is asked about. */
const ACTOR = `
  import { parentPort, threadId } from 'node:worker_threads';
  let late = [];
  parentPort.on('message', (questions) => {
    const answers = [];
    for (const { number, domain } of questions) {
      if (domain === 'deadly.example') throw new Error('I die of this');
      if (domain === 'last.example') process.exit(0);
      if (domain === 'told.example') parentPort.postMessage({ kind: 'notice', text: 'another way is used' });
      const answer = { number, result: { domain, thread: threadId } };
      if (domain === 'late.example') late.push(answer);
      else answers.push(answer);
    }
    if (answers.length > 0) parentPort.postMessage({ kind: 'answers', answers: [...answers, ...late] });
  });
`;
const ENTRY = new URL(`data:text/javascript,${encodeURIComponent(ACTOR)}`);

const heard: string[] = [];
let threads: SurveyThreads;
const open = (most: number): void => {
  const settings = { threads: most, resolver: {}, at: undefined, probe: { heloName: 'x.example' } };
  threads = new SurveyThreads(settings, (text) => heard.push(text), ENTRY);
};
const never = new AbortController().signal;
setMaxListeners(0, never); // as whoever runs a survey does
const ask = (domain: string, signal = never): Promise<SurveyResult> => threads.survey(domain, signal);
const threadOf = async (answer: Promise<SurveyResult>): Promise<unknown> =>
  (await (answer as Promise<SurveyResult & { thread: number }>)).thread;

afterEach(async () => {
  await threads.close();
  heard.length = 0;
});

describe('threads of a survey', () => {
  it('are as many as have enough to do, and no more than are wanted', async () => {
    open(2);
    const used = async (count: number): Promise<number> =>
      new Set(await Promise.all(Array.from({ length: count }, (_, i) => threadOf(ask(`d${i}.example`)))))
        .size;
    expect([await used(8), await used(9), await used(100)]).toEqual([1, 2, 2]);
  });

  it('answer for the domain that was asked about, in whatever order', async () => {
    open(1);
    const answers = await Promise.all([ask('late.example'), ask('a.example'), ask('b.example')]);
    expect(answers.map(({ domain }) => domain)).toEqual(['late.example', 'a.example', 'b.example']);
  });

  it('say what they noticed, once for all', async () => {
    open(2);
    await Promise.all(Array.from({ length: 20 }, () => ask('told.example')));
    expect(heard).toEqual(['another way is used']);
  });

  it('are not waited for by whoever gave up, and answer the others', async () => {
    open(1);
    const stop = new AbortController();
    const late = ask('late.example', stop.signal);
    stop.abort(new Error('enough'));
    await expect(late).rejects.toThrow('enough');
    await expect(ask('a.example', stop.signal)).rejects.toThrow('enough');
    expect(await ask('a.example')).toMatchObject({ domain: 'a.example' });
  });

  it.each([
    ['deadly.example', 'I die of this'],
    ['last.example', 'a thread of the survey ended'],
  ])('that die fail what they were asked, and all after it: %s', async (domain, words) => {
    open(1);
    const late = ask('late.example');
    late.catch(() => {});
    await expect(ask(domain)).rejects.toThrow(words);
    await expect(late).rejects.toThrow(words);
    await expect(ask('a.example')).rejects.toThrow(words);
  });
});
