import type { TurnEnd } from '@danelaw/dns';
import type { AddressProbe } from '@danelaw/smtp';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { ProgressBar } from '../cli/progress-bar.js';
import { politeTransport } from './polite-transport.js';
import { runSurvey } from './run-survey.js';
import { ServersTurn } from './servers-turn.js';
import { parseResult, type SurveyResult } from './survey-result.js';
import { SummaryCounter } from './survey-summary.js';
import { readWorkList } from './work-list.js';

const GOOD: SurveyResult = {
  domain: 'good.example',
  status: 'dane',
  reasons: [],
  mx: 'secure',
  hosts: [{ host: 'mx1.Provider.example', tlsa: 'usable', records: ['3 1 1 aa', '3 1 1 bb', '2 1 1 cc'] }],
  sts: true,
  tlsrpt: null,
};
const BROKEN: SurveyResult = {
  ...GOOD,
  domain: 'broken.example',
  status: 'broken',
  reasons: ['host-bogus', 'no-tlsa'],
  hosts: [
    { host: 'mx2.provider.example', tlsa: 'failed', records: [] },
    { host: '[192.0.2.1]', tlsa: 'none', records: [], asked: 1, authenticated: 0 },
  ],
};

const settled = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
};

describe('a line of results', () => {
  it.each([GOOD, BROKEN])('is read as it was written: $domain', (result) => {
    expect(parseResult(JSON.stringify(result))).toEqual(result);
  });

  it('is none where anything in it is wrong', () => {
    const wrong = [
      '',
      '{"domain":"x"',
      'null',
      JSON.stringify({ ...GOOD, status: 'great' }),
      JSON.stringify({ ...GOOD, reasons: ['toString'] }),
      JSON.stringify({ ...GOOD, hosts: [{ host: 'x' }] }),
      JSON.stringify({ ...GOOD, mx: true }),
    ];
    expect(wrong.map(parseResult)).toEqual(wrong.map(() => undefined));
    fc.assert(fc.property(fc.json(), (text) => parseResult(text) === undefined));
  });
});

describe('a list of domains', () => {
  const read = (text: string) =>
    readWorkList(
      (async function* () {
        for (const part of text.match(/[\s\S]{1,7}/gu) ?? []) yield Buffer.from(part);
      })(),
    );

  it('has each domain once, in A-labels, from the first column that is one', async () => {
    const text =
      '\n# all\r\n1,Good.example,x\r\nbücher.example # ours\ngood.example.\n12;[192.0.2.1]\n  b.example\tc.example';
    expect(await read(text)).toEqual({
      domains: ['good.example', 'xn--bcher-kva.example', 'b.example'],
      malformed: ['12;[192.0.2.1]'],
      malformedCount: 1,
    });
  });

  it('shows a few of the lines that have none, and counts all', async () => {
    const { malformed, malformedCount } = await read(
      Array.from({ length: 9 }, (_, i) => `line ${i}`).join('\n'),
    );
    expect([malformed.length, malformedCount]).toEqual([5, 9]);
  });
});

describe('a summary', () => {
  it('counts domains once for each reason, kind of record and provider', () => {
    const counter = new SummaryCounter();
    for (const each of [GOOD, BROKEN]) counter.add(each);
    expect(counter.summary).toEqual({
      domains: 2,
      status: { dane: 1, partial: 0, none: 0, broken: 1, 'no-mail': 0, unclear: 0 },
      reasons: [
        { reason: 'host-bogus', domains: 1 },
        { reason: 'no-tlsa', domains: 1 },
      ],
      records: [
        { parameters: '2 1 1', domains: 1 },
        { parameters: '3 1 1', domains: 1 },
      ],
      providers: [
        { provider: 'provider.example', domains: 2, dane: 1, broken: 1 },
        { provider: '[192.0.2.1]', domains: 1, dane: 0, broken: 1 },
      ],
      sts: 2,
      tlsrpt: 0,
    });
  });
});

describe('a run', () => {
  it('asks about so many at a time, and about all', async () => {
    let underWay = 0;
    let most = 0;
    const results: string[] = [];
    const domains = Array.from({ length: 20 }, (_, i) => `d${i}.example`);
    await runSurvey({
      domains,
      atOnce: 4,
      survey: async (domain) => {
        most = Math.max(most, ++underWay);
        await new Promise((resolve) => setImmediate(resolve));
        underWay -= 1;
        return { ...GOOD, domain };
      },
      onResult: ({ domain }) => void results.push(domain),
      signal: new AbortController().signal,
    });
    expect([most, results.sort()]).toEqual([4, domains.sort()]);
  });

  it('asks once more about what was unclear, at the end and with more calm', async () => {
    const asked: string[] = [];
    const results: string[] = [];
    await runSurvey({
      domains: ['slow.example', 'dead.example', 'good.example'],
      atOnce: 1,
      survey: async (domain) => {
        const again = asked.includes(domain);
        asked.push(domain);
        const isUnclear = domain === 'dead.example' || (domain === 'slow.example' && !again);
        return { ...GOOD, domain, status: isUnclear ? 'unclear' : 'dane' };
      },
      onResult: ({ domain, status }) => void results.push(`${domain} ${status}`),
      signal: new AbortController().signal,
    });
    expect(results).toEqual(['good.example dane', 'slow.example dane', 'dead.example unclear']);
    expect(asked).toHaveLength(5);
  });

  it('rests before that, and only then', async () => {
    const said: string[] = [];
    const run = (domains: readonly string[], status: SurveyResult['status']) =>
      runSurvey({
        domains,
        atOnce: 1,
        survey: async (domain) => {
          said.push(domain);
          return { ...GOOD, domain, status };
        },
        onResult: () => {},
        rest: async () => void said.push('rest'),
        signal: new AbortController().signal,
      });
    await run(['a.example', 'b.example'], 'unclear');
    await run(['good.example'], 'dane');
    expect(said).toEqual(['a.example', 'b.example', 'rest', 'a.example', 'b.example', 'good.example']);
  });

  it('ends with the first error, and not with those of an abort', async () => {
    const stop = new AbortController();
    const run = (signal: AbortSignal) =>
      runSurvey({
        domains: ['a.example', 'b.example'],
        atOnce: 1,
        survey: () => Promise.resolve(GOOD),
        onResult: () => {
          stop.abort();
          throw new Error('disk full');
        },
        signal,
      });
    await expect(run(new AbortController().signal)).rejects.toThrow('disk full');
    await expect(run(stop.signal)).resolves.toBeUndefined();
  });
});

describe('mail servers', () => {
  const server = { host: 'mx.example', address: '192.0.2.1', port: 25, level: 'dane' } as const;
  const probe = (failureType: AddressProbe['failureType']): AddressProbe => ({
    address: server.address,
    policy: { level: 'dane', source: '' },
    ok: failureType === null,
    tls: null,
    chain: [],
    capabilities: [],
    reply: null,
    enhancedStatus: null,
    reason: '',
    failureType,
    overlooked: [],
  });

  it.each<[what: string, name: string | null, sessions: number]>([
    ['by a key alone: once for all its domains', null, 1],
    ["by the host's own name: once for all its domains", 'MX.example', 1],
    ["by a domain's name: for each domain", 'domain.example', 2],
  ])('are proved %s', async (_, name, sessions) => {
    const { turn } = new ServersTurn({ atOnce: 1, pause: 1 });
    const authenticated = {
      by: 'dane',
      usage: 2,
      record: '2 1 1 aa',
      baseDomain: 'mx.example',
      name,
    } as const;
    const tls = { protocol: 'TLSv1.3', cipher: 'x', serverName: 'mx.example', authenticated, reason: '' };
    let opened = 0;
    const open = async (): Promise<AddressProbe> => {
      opened += 1;
      return { ...probe(null), tls };
    };
    await turn(server, open);
    await turn(server, open);
    expect(opened).toBe(sessions);
  });

  it('have their turn over all machines, where several share a survey, and keep the pause from all', async () => {
    vi.useFakeTimers();
    try {
      const said: string[] = [];
      const take = async (key: string): Promise<() => void> => {
        said.push(`taken: ${key}`);
        return () => said.push('given back');
      };
      const { turn } = new ServersTurn({ atOnce: 1, pause: 1000, take });
      await turn(server, async () => {
        said.push('asked');
        return probe(null);
      });
      await vi.advanceTimersByTimeAsync(999);
      expect(said).toEqual(['taken: mx.example 192.0.2.1 25 dane', 'asked']);
      await vi.advanceTimersByTimeAsync(1);
      expect(said[2]).toBe('given back');
    } finally {
      vi.useRealTimers();
    }
  });

  it('are asked again where nothing was learned of them', async () => {
    const { turn } = new ServersTurn({ atOnce: 1, pause: 1 });
    let opened = 0;
    const open = async (): Promise<AddressProbe> => {
      opened += 1;
      return { ...probe(null), ok: opened > 1 };
    };
    expect((await turn(server, open)).ok).toBe(false);
    expect((await turn(server, open)).ok).toBe(true);
  });

  it.each<[what: string, failureType: AddressProbe['failureType'], sessions: number]>([
    ['are asked once for all their domains', null, 1],
    ['are asked once though they fail', 'certificate-not-trusted', 1],
    ['are asked for each domain whose name is not in the certificate', 'certificate-host-mismatch', 3],
  ])('%s, one after the other', async (_, failureType, sessions) => {
    const { turn } = new ServersTurn({ atOnce: 1, pause: 1 });
    let [opened, underWay, most] = [0, 0, 0];
    const open = async (): Promise<AddressProbe> => {
      opened += 1;
      most = Math.max(most, ++underWay);
      await settled();
      underWay -= 1;
      return probe(failureType);
    };
    const found = await Promise.all([turn(server, open), turn(server, open), turn(server, open)]);
    expect([opened, most, found.map(({ ok }) => ok)]).toEqual([
      sessions,
      1,
      found.map(() => failureType === null),
    ]);
  });
});

describe('name servers', () => {
  it('get so many questions at a time, and none that was given up', async () => {
    const polite = politeTransport(2, { exchange: async (query) => query, close: async () => {} });
    const at = (address: string) => ({ protocol: 'udp', address, port: 53 }) as const;
    const givenUp = new AbortController();
    const never = new AbortController().signal;
    const turns: { readonly number: number; readonly end: (end: TurnEnd) => void }[] = [];
    const take = async (number: number, address: string, signal = never): Promise<void> => {
      const end = await polite.turn?.(at(address), signal);
      if (end !== undefined) turns.push({ number, end });
    };
    const [, , third] = [0, 1, 2, 3].map((number) =>
      take(number, '192.0.2.1', number === 2 ? givenUp.signal : never),
    );
    void take(9, '192.0.2.2');
    await settled();
    const having = (): readonly number[] => turns.map(({ number }) => number);
    expect(having()).toEqual([0, 1, 9]);
    givenUp.abort(new Error('enough'));
    await expect(third).rejects.toThrow('enough');
    turns[0]?.end('answered');
    await settled();
    expect(having()).toEqual([0, 1, 9, 3]);
    for (const { end } of turns.slice(1)) end('answered');
    await take(4, '192.0.2.1');
    await take(5, '192.0.2.1');
    expect(having()).toEqual([0, 1, 9, 3, 4, 5]);
  });
});

describe('the progress', () => {
  it('says how much, how fast and how long', () => {
    let now = 0;
    let written = '';
    const stderr = { write: (text: string) => (written += text), isTTY: true, columns: 100 };
    const io = {
      stderr,
      stdout: stderr,
      stdin: (async function* () {})(),
      env: {},
      signal: new AbortController().signal,
    };
    const bar = new ProgressBar(io, 1200, 'domains', () => now);
    for (let i = 0; i < 300; i++) {
      now += 10;
      bar.advance();
    }
    expect(written).toContain('[######..................] 25 %  300 of 1,200 domains, 100/s, 9 s left');
    expect(bar.end()).toBe('300 domains in 3 s (100/s)');
  });

  it('is that of all machines, and leaves out of the rate what was there before', () => {
    let now = 0;
    let written = '';
    const stderr = { write: (text: string) => (written += text), isTTY: true, columns: 100 };
    const stdin = (async function* () {})();
    const { signal } = new AbortController();
    const bar = new ProgressBar(
      { stderr, stdout: stderr, stdin, env: {}, signal },
      1000,
      'domains',
      () => now,
      500,
    );
    now += 2000;
    bar.advanceTo(700, ', 2 machines');
    expect(written).toContain('70 %  700 of 1,000 domains, 100/s, 3 s left, 2 machines');
    expect(bar.end()).toBe('200 domains in 2 s (100/s)');
  });
});
