import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openEmbeddedQueue } from './embedded/open.js';
import { exportQueue, ImportError, importQueue } from './export.js';
import { exportLines } from './export-lines.js';
import type { Queue } from './queue.js';
import { collect, message, NOW } from './suite.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'danelaw-queue-'));
});
afterEach(() => rm(directory, { recursive: true }));

const openQueue = (name: string): Promise<Queue> =>
  openEmbeddedQueue({ directory: join(directory, name), minFree: 0 });

async function exported(queue: Queue): Promise<string> {
  const lines: string[] = [];
  await exportQueue(queue, {}, (line) => void lines.push(line));
  return lines.map((line) => `${line}\n`).join('');
}

/** The file in pieces of so many octets. */
async function* cut(text: string, octets: number): AsyncGenerator<Uint8Array> {
  const file = Buffer.from(text);
  for (let at = 0; at < file.length; at += octets) yield file.subarray(at, at + octets);
}

const STATE = {
  held: true,
  due: NOW + 5,
  attempts: 3,
  warned: true,
  last: {
    time: NOW + 1,
    enhancedStatus: '4.2.1',
    reply: '450 4.2.1 a line\u2028and another',
    host: null,
    reason: 'Postfach voll: \u00fc\u2029.',
  },
};
const MESSAGES = [
  message(
    [
      {
        address: 'j\u00f6rg@one.example',
        destination: 'one.example',
        notify: ['success', 'delay'],
        state: STATE,
      },
      { address: 'b@two.example', destination: 'two.example', notify: 'never', orcpt: 'rfc822;x@y.example' },
    ],
    {
      from: 'm\u00fcller@origin.example',
      envid: 'x y',
      ret: 'hdrs',
      smtpUtf8: true,
      origin: { kind: 'smtp', client: '192.0.2.1', helo: 'h', user: 'u', protocol: 'ESMTPSA' },
    },
    new Uint8Array([0, 255, 13, 10, 0xe2, 0x80, 0xa8]),
  ),
  message(['c@three.example'], { from: '' }),
];

describe('an export', () => {
  it.each([1, 7, 65_536])('that comes in pieces of %i octets gives the same queue again', async (octets) => {
    const from = await openQueue('from');
    for (const each of MESSAGES) await from.add(each);
    const file = await exported(from);
    const into = await openQueue('into');
    expect(await importQueue(into, exportLines(cut(file, octets)))).toEqual({ added: 2, present: 0 });
    expect(await collect(into.list({}))).toEqual(await collect(from.list({})));
    for (const { id, body } of MESSAGES) expect(Buffer.compare(await into.body(id), body)).toBe(0);
    expect(await importQueue(into, exportLines(cut(file, octets)))).toEqual({ added: 0, present: 2 });
    await into.close();
    await from.close();
  });
});

describe('an import is refused, and names the line, where', () => {
  const rows: [string, RegExp, (line: string) => string][] = [
    ['a time has a fraction', /line 2: a recipient/u, (line) => line.replace(/"due":[0-9]+/u, '"due":1.5')],
    [
      'a time is larger than any',
      /line 2: a recipient/u,
      (line) => line.replace(/"due":[0-9]+/u, '"due":1e400'),
    ],
    [
      'it arrived at no time',
      /line 2: the envelope/u,
      (line) => line.replace(/"arrived":[0-9]+/u, '"arrived":0.5'),
    ],
    [
      'tries are fewer than none',
      /line 2: a recipient/u,
      (line) => line.replace('"attempts":3', '"attempts":-3'),
    ],
    ['the last try has no reason', /line 2: a recipient/u, (line) => line.replace('"reason"', '"raison"')],
    [
      'the last try was at no time',
      /line 2: a recipient/u,
      (line) => line.replace('{"time":', '{"time":null,"x":'),
    ],
    ['NOTIFY has a word of its own', /line 2: a recipient/u, (line) => line.replace('"delay"', '"deluge"')],
    ['the client is no text', /line 2: the envelope/u, (line) => line.replace('"192.0.2.1"', '192')],
    [
      'a destination is none',
      /line 2: .*destination/u,
      (line) => line.replaceAll('"one.example"', '"one example"'),
    ],
    ['a digit of the body is another', /line 2: the body/u, (line) => line.replace('"body":"A', '"body":"B')],
  ];
  it.each(rows)('%s', async (_, problem, change) => {
    const from = await openQueue('from');
    for (const each of MESSAGES) await from.add(each);
    const file = await exported(from);
    const [head = '', first = '', ...others] = file.split('\n');
    const changed = change(first);
    expect(changed).not.toBe(first);
    const into = await openQueue('into');
    const text = [head, changed, ...others].join('\n');
    const error: unknown = await importQueue(into, exportLines(cut(text, 1000))).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ImportError);
    expect(String(error)).toMatch(problem);
    expect(await into.counts()).toMatchObject({ messages: 0 });
    await into.close();
    await from.close();
  });

  it('the first line does not say what it is, be it behind an empty one', async () => {
    const into = await openQueue('into');
    const text = `\n${JSON.stringify({ id: MESSAGES[0]?.id })}\n`;
    await expect(importQueue(into, exportLines(cut(text, 10)))).rejects.toThrow('no export of a queue');
    await into.close();
  });
});
