import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AlertBook } from './alert-book.js';
import type { Look } from './look.js';
import type { Level, Problem } from './problem.js';
import { subjectOf, textOf, webhook } from './tell.js';
import { tellNews, type WatchOptions } from './watch.js';

const NOW = 1_800_000_000_000;
const problem = (code: string, level: Level = 'warning', text = 'something'): Problem => ({
  domain: 'example.org',
  level,
  code,
  place: 'mx.example.org',
  text,
  rule: 'RFC 7672',
  remedy: 'Mend it.',
});
const look = (...problems: Problem[]): Look => ({
  domain: 'example.org',
  problems,
  signaturesEnd: undefined,
  certificatesEnd: undefined,
});
const codes = ({ news: { begun, over } }: AlertBook): [string[], string[]] => [
  begun.map(({ code }) => code),
  over.map(({ code }) => code),
];

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'danelaw-watch-'));
  file = join(folder, 'alerts.json');
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

/** Looks, and what was told after each. */
async function told(...looks: Look[]): Promise<[string[], string[]][]> {
  let book = await AlertBook.open(file);
  const news: [string[], string[]][] = [];
  for (const each of looks) {
    book.add(each, NOW);
    news.push(codes(book));
    await book.told(book.news);
    // A restart changes nothing.
    book = await AlertBook.open(file);
  }
  return news;
}

describe('a problem is told', () => {
  it('once, however long it lasts and whatever its words are', async () => {
    const news = await told(
      look(problem('a')),
      look(problem('a', 'warning', 'else')),
      look(problem('a'), problem('b')),
    );
    expect(news).toEqual([
      [['a'], []],
      [[], []],
      [['b'], []],
    ]);
  });

  it('again when it becomes critical, and not when it becomes less', async () => {
    const news = await told(look(problem('a')), look(problem('a', 'critical')), look(problem('a')));
    expect(news).toEqual([
      [['a'], []],
      [['a'], []],
      [[], []],
    ]);
  });

  it('to be over, once, and anew when it comes back', async () => {
    const news = await told(look(problem('a')), look(), look(), look(problem('a')));
    expect(news).toEqual([
      [['a'], []],
      [[], ['a']],
      [[], []],
      [['a'], []],
    ]);
  });

  it('not for a bad moment of a name server, but when it lasts', async () => {
    const unknown = look(problem('u', 'unknown'));
    expect(await told(unknown, unknown, look(), unknown, unknown, unknown)).toEqual([
      [[], []],
      [[], []],
      [[], []],
      [[], []],
      [[], []],
      [['u'], []],
    ]);
  });

  it('not to be over by a look that could not see it', async () => {
    const news = await told(look(problem('a')), look(problem('u', 'unknown')), look(problem('a')));
    expect(news).toEqual([
      [['a'], []],
      [[], []],
      [[], []],
    ]);
  });

  it('of one domain by looks at that domain', async () => {
    const other = { ...look(), domain: 'other.example' };
    expect(await told(look(problem('a')), other)).toEqual([
      [['a'], []],
      [[], []],
    ]);
  });
});

describe('the file of alerts', () => {
  it('is its owner’s alone', async () => {
    await told(look(problem('a')));
    expect(((await stat(file)).mode & 0o777).toString(8)).toBe('600');
  });

  it.each(['', 'null', '{"version":2,"problems":[]}', '{"version":1,"problems":[{"problem":{}}]}'])(
    'is refused where it holds something else: %j',
    async (text) => {
      await writeFile(file, text);
      await expect(AlertBook.open(file)).rejects.toThrow('these are no alerts');
      expect(await readFile(file, 'utf8')).toBe(text);
    },
  );
});

describe('telling', () => {
  const watching = async (channels: WatchOptions['channels']) => {
    const book = await AlertBook.open(file);
    book.add(look(problem('a', 'critical')), NOW);
    const outcomes: string[] = [];
    const options = {
      book,
      channels,
      onTold: (channel: string, outcome: string, words: string) =>
        void outcomes.push(`${channel} ${outcome} ${words}`),
      warn: () => {},
      signal: new AbortController().signal,
    };
    return { book, outcomes, tell: () => tellNews({ ...NOTHING, ...options }) };
  };
  const NOTHING = {
    domains: [],
    clock: () => NOW,
    look: { warnSignatures: 0, warnCertificates: 0 },
    onLook: () => {},
    // Nobody looks here.
    context: {
      resolver: { resolve: () => Promise.reject(new Error('no')), close: async () => {} },
      heloName: 'x.example',
    },
  } satisfies Partial<WatchOptions>;

  it('is done again after the next look where nobody took the news', async () => {
    let isDown = true;
    const channel = {
      name: 'hook',
      tell: async () => (isDown ? Promise.reject(new Error('down')) : undefined),
    };
    const { book, outcomes, tell } = await watching([channel]);
    await tell();
    expect([outcomes, codes(book)]).toEqual([['hook failed down'], [['a'], []]]);
    isDown = false;
    await tell();
    await tell();
    expect([outcomes, codes(book)]).toEqual([
      ['hook failed down', 'hook taken 1 new, 0 over'],
      [[], []],
    ]);
  });

  it('posts JSON to a webhook, and takes no other answer than 2xx for taken', async () => {
    const bodies: string[] = [];
    const statuses = [200, 500, 302];
    const server = createServer((request, response) => {
      let body = '';
      request
        .on('data', (text) => (body += text))
        .on('end', () => {
          bodies.push(body);
          response.writeHead(statuses[bodies.length - 1] ?? 500, { location: '/elsewhere' }).end();
        });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const { tell } = webhook(new URL(`http://127.0.0.1:${port}/hook`));
    const news = { begun: [problem('a')], over: [] };
    const { signal } = new AbortController();
    await tell(news, signal);
    expect(JSON.parse(bodies[0] ?? '')).toEqual(news);
    await expect(tell(news, signal)).rejects.toThrow('HTTP status 500');
    await expect(tell(news, signal)).rejects.toThrow();
    expect(bodies).toHaveLength(3);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it('writes a mail that says what to do', () => {
    const news = { begun: [problem('a'), problem('b', 'critical')], over: [problem('c')] };
    expect(subjectOf(news)).toBe('danelaw: CRITICAL: example.org');
    expect(subjectOf({ begun: [], over: [problem('c')] })).toBe('danelaw: over: example.org');
    expect(textOf(news)).toBe(`WARNING  example.org  mx.example.org  (a)
something (RFC 7672).
What to do: Mend it.

CRITICAL  example.org  mx.example.org  (b)
something (RFC 7672).
What to do: Mend it.

Over: WARNING  example.org  mx.example.org  (c)
`);
  });
});
