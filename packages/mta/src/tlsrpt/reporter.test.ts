/** The Reporter against a clock, a resolver and servers of the test's making. */

import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Lookup, Resolver } from '@danelaw/dns';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Dkim } from '../dkim/dkim.js';
import { DayCounters } from './counters.js';
import { appendLines } from './journal.js';
import { Outbox } from './outbox.js';
import type { Sent } from './post.js';
import { findReports } from './report-input.js';
import type { ReportMail } from './report-mail.js';
import { isTlsReport } from './report-mail.js';
import { readReport } from './report-reader.js';
import {
  MAX_DELAY,
  RETRY_TIME,
  type ReportEvent,
  Reporter,
  type ReporterOptions,
  SETTLE_TIME,
} from './reporter.js';
import { CountWriter, State } from './state.js';

const DAY = '2026-11-24';
const END = Date.parse('2026-11-25T00:00:00Z');
const HOUR = 3_600_000;

const { privateKey } = generateKeyPairSync('ed25519');
const SENDER = { pattern: 'sender.example', domain: 'sender.example', selector: 's' };
const DKIM = new Dkim([{ ...SENDER, algorithm: 'ed25519-sha256', key: privateKey }]);

let folder: string;
let now: number;
let state: State;
let events: ReportEvent[];
let mails: ReportMail[];
let replies: Sent[];
let records: Record<string, string | 'bogus'>;
const running = new AbortController();

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'danelaw-reporter-'));
  state = new State(folder);
  now = END - HOUR;
  events = [];
  mails = [];
  replies = [];
  records = { '_smtp._tls.a.example': 'v=TLSRPTv1;rua=mailto:reports@a.example' };
});
afterEach(() => rm(folder, { recursive: true }));

const ACCEPTED: Sent = { status: 'accepted', words: '250 ok' };
const LATER: Sent = { status: 'failed', permanent: false, words: '451 later' };
const NEVER: Sent = { status: 'failed', permanent: true, words: '550 no' };

/** Knows TXT records alone. */
const resolver: Resolver = {
  close: async () => {},
  resolve: async (name, type): Promise<Lookup> => {
    const text = records[name];
    if (text === 'bogus') return { status: 'bogus', name, type, chain: [], reason: 'the test says so' };
    const data = { type: 'TXT', strings: [Buffer.from(text ?? '')] } as const;
    const found = text === undefined ? [] : [{ name, type, ttl: 1, data, rdata: new Uint8Array() }];
    const answer = {
      name,
      type,
      chain: [],
      rcode: 'NOERROR',
      aliases: [],
      canonicalName: name,
      ttl: 1,
    } as const;
    return { status: 'secure', ...answer, records: found };
  },
};

/** As after a restart: it knows what is in the folder and nothing else. */
function reporter(more: Partial<ReporterOptions> = {}): Reporter {
  return new Reporter({
    state: new State(folder),
    organization: 'Sender',
    contact: 'tlsrpt@sender.example',
    dkim: DKIM,
    resolver,
    clock: () => now,
    random: () => 0.5,
    log: (event) => events.push(event),
    submit: async (mail) => {
      mails.push(mail);
      return replies.shift() ?? ACCEPTED;
    },
    ...more,
  });
}

const step = (more: Partial<ReporterOptions> = {}) => reporter(more).step(running.signal);
const kinds = () => events.map(({ event, domain }) => `${event} ${domain}`);

async function count(...domains: string[]): Promise<void> {
  const counters = new DayCounters();
  for (const domain of domains) {
    const policy = { type: 'no-policy-found', strings: [], domain, mxHosts: [] } as const;
    counters.add({ reportDomain: domain, policy, failures: [] });
  }
  await new CountWriter(state, true).write(DAY, counters.takeChanged(), counters);
}

const middle = END + SETTLE_TIME + (MAX_DELAY - SETTLE_TIME) / 2;

describe('Reporter', () => {
  it('waits for the day’s end, then for a random moment within four hours (RFC 8460 section 4.1)', async () => {
    await count('a.example');
    expect(await step()).toBe(END + SETTLE_TIME);
    now = END + SETTLE_TIME - 1;
    expect(await step()).toBe(END + SETTLE_TIME);
    now = END + SETTLE_TIME;
    expect(await step()).toBe(middle);
    now = middle - 1;
    await step();
    expect(mails).toEqual([]);
    now = middle;
    expect(await step()).toBe(END + 24 * HOUR + SETTLE_TIME);
    expect(mails).toHaveLength(1);
    expect(kinds()).toEqual(['sent a.example']);
  });

  it('sends the day’s counts in a mail that is a report', async () => {
    await count('a.example', 'a.example');
    now = END + SETTLE_TIME;
    await step({ immediately: true });
    const [mail] = mails;
    expect(mail?.envelope).toEqual({ from: 'tlsrpt@sender.example', to: ['reports@a.example'] });
    expect(isTlsReport(mail?.content ?? new Uint8Array())).toBe(true);
    const { reports } = await findReports(mail?.content ?? new Uint8Array());
    expect(readReport(reports[0] ?? new Uint8Array())).toMatchObject({
      organization: 'Sender',
      start: '2026-11-24T00:00:00Z',
      policies: [{ type: 'no-policy-found', successful: 2 }],
      notes: [],
    });
  });

  it('never sends one report twice, and clears the counts of a day that is done', async () => {
    await count('a.example');
    now = middle;
    for (let restart = 0; restart < 5; restart++, now += HOUR) await step();
    expect(mails).toHaveLength(1);
    expect(await state.days()).toEqual([]);
    // Counts that somebody writes too late begin no second report.
    await count('a.example');
    now += HOUR;
    await step({ immediately: true });
    expect(mails).toHaveLength(1);
    expect(await state.days()).toEqual([]);
  });

  it('does after a restart what was missed, and drops what is too late', async () => {
    await count('a.example');
    now = END + MAX_DELAY + RETRY_TIME - 1;
    await step();
    expect(kinds()).toEqual(['sent a.example']);
  });

  it('drops a day that nobody looked at in time', async () => {
    await count('a.example');
    now = END + MAX_DELAY + RETRY_TIME + 1;
    await step();
    expect(kinds()).toEqual(['day-dropped null']);
    expect(await state.days()).toEqual([]);
  });

  it('drops a report that was planned and never tried in time', async () => {
    await count('a.example');
    now = END + SETTLE_TIME;
    await step();
    now = END + MAX_DELAY + RETRY_TIME + 1;
    await step();
    expect(kinds()).toEqual(['dropped a.example']);
    expect(mails).toEqual([]);
  });

  it('tries again for 24 hours, with longer and longer pauses (section 5.5), then drops it', async () => {
    await count('a.example');
    now = middle;
    const pauses: number[] = [];
    replies = Array.from({ length: 50 }, () => LATER);
    for (let last = now; !kinds().includes('dropped a.example'); last = now) {
      const next = await step();
      pauses.push((next - last) / 60_000);
      now = next;
    }
    expect(pauses.slice(0, 7)).toEqual([10, 20, 40, 80, 160, 240, 240]);
    expect(mails.length).toBe(events.length);
    expect(events.length).toBeGreaterThan(8);
    expect(now - middle).toBeLessThan(RETRY_TIME + MAX_DELAY);
    const ids = mails.map(({ content }) => /Report-ID: <(\S+)>/.exec(Buffer.from(content).toString())?.[1]);
    expect(new Set(ids).size).toBe(1);
  });

  it('does not try again what is refused for good', async () => {
    await count('a.example');
    now = middle;
    replies = [NEVER];
    await step();
    expect(events).toMatchObject([{ event: 'dropped', words: '550 no' }]);
  });

  it('is content when one of several addresses takes it, and tries all when none does (section 3)', async () => {
    records['_smtp._tls.a.example'] = 'v=TLSRPTv1;rua=mailto:x@a.example,mailto:y@a.example';
    await count('a.example');
    now = middle;
    replies = [NEVER, LATER, LATER, ACCEPTED];
    now = await step();
    await step();
    expect(mails.map(({ envelope }) => envelope.to[0])).toEqual([
      'x@a.example',
      'y@a.example',
      'x@a.example',
      'y@a.example',
    ]);
    expect(kinds()).toEqual(['retry a.example', 'sent a.example']);
  });

  it('asks for the record when the report is due; without one there is none to send', async () => {
    await count('a.example', 'b.example', 'c.example');
    records['_smtp._tls.c.example'] = 'bogus';
    now = middle;
    await step();
    expect(kinds().sort()).toEqual(['no-record b.example', 'retry c.example', 'sent a.example']);
    records['_smtp._tls.c.example'] = 'v=TLSRPTv1;rua=mailto:r@c.example';
    now += HOUR;
    await step();
    expect(mails.map(({ envelope }) => envelope.to[0])).toEqual(['reports@a.example', 'r@c.example']);
  });

  it('without a key nothing goes by mail (section 3: MUST contain a valid DKIM signature)', async () => {
    await count('a.example');
    now = middle;
    await step({ dkim: new Dkim([]) });
    expect(mails).toEqual([]);
    expect(events).toMatchObject([{ event: 'dropped', words: expect.stringContaining('no DKIM key') }]);
  });

  it('what was being sent when the process was killed is not sent again', async () => {
    await count('a.example', 'b.example');
    records['_smtp._tls.b.example'] = 'v=TLSRPTv1;rua=mailto:r@b.example';
    now = middle;
    const killed = new Error('killed');
    const dying = reporter({
      submit: async (mail) => {
        mails.push(mail);
        if (mail.envelope.to[0] === 'reports@a.example') throw killed;
        return ACCEPTED;
      },
    });
    await expect(dying.step(running.signal)).rejects.toThrow(killed);
    await step();
    await step();
    expect(mails.map(({ envelope }) => envelope.to[0]).sort()).toEqual(['r@b.example', 'reports@a.example']);
    expect(kinds().sort()).toEqual(['in-doubt a.example', 'sent b.example']);
  });

  it('a damaged outbox is set aside, and its day not begun again', async () => {
    await count('a.example');
    now = middle;
    await step();
    const { writeFile } = await import('node:fs/promises');
    await writeFile(state.outboxFile(DAY), 'garbage');
    await count('a.example');
    await step();
    await step();
    expect(mails).toHaveLength(1);
    expect(await readdir(join(folder, 'outbox'))).toEqual([`${DAY}.log.damaged`]);
  });

  it('lines of an outbox that make no sense are passed over', async () => {
    await count('a.example');
    now = END + SETTLE_TIME;
    await step();
    await appendLines(state.outboxFile(DAY), [
      null,
      1,
      {},
      { domain: 'x y', status: 'waiting' },
      { domain: 'a.example', status: 'gone' },
    ]);
    const outbox = await Outbox.open(state, DAY);
    expect(outbox.entries).toMatchObject([{ domain: 'a.example', status: 'waiting', due: middle }]);
  });

  it('forgets what became of reports after two weeks', async () => {
    await count('a.example');
    now = middle;
    await step();
    now += 13 * 24 * HOUR;
    await step();
    expect(await state.outboxDays()).toEqual([DAY]);
    now += 2 * 24 * HOUR;
    await step();
    expect(await state.outboxDays()).toEqual([]);
  });

  it('run sends, gives the lock back while it sleeps, and ends with its signal', async () => {
    await count('a.example');
    now = middle;
    const stop = new AbortController();
    const sent = new Promise<void>((resolve) => {
      const run = reporter({ log: () => resolve() }).run(stop.signal);
      void run.then(() => ended.push(true));
    });
    const ended: boolean[] = [];
    await sent;
    await expect.poll(() => state.lock()).toBeDefined();
    stop.abort();
    await expect.poll(() => ended).toEqual([true]);
  });
});
