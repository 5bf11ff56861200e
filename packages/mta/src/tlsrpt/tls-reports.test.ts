import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Attempt } from '@danelaw/smtp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Dkim } from '../dkim/dkim.js';
import type { ReportMail } from './report-mail.js';
import type { ReportEvent } from './reporter.js';
import { State } from './state.js';
import { TlsReports } from './tls-reports.js';

let folder: string;
let warnings: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'danelaw-tls-reports-'));
  warnings = [];
});
afterEach(() => rm(folder, { recursive: true }));

const attempt: Attempt = {
  status: 'completed',
  domain: 'a.example',
  host: 'mx.a.example',
  port: 25,
  preference: 10,
  mx: 'insecure',
  address: '192.0.2.1',
  tlsa: null,
  policy: { level: 'may', source: '' },
  connection: 'new',
  handshake: null,
  tls: { protocol: 'TLSv1.3', cipher: '', serverName: null, authenticated: null, reason: '' },
  stage: null,
  reply: null,
  enhancedStatus: null,
  reason: '',
  failureType: null,
  sts: null,
  overlooked: [],
  exceptions: [],
  report: { stsPolicy: null, failures: [], sourceAddress: null, ehloName: null },
  recipients: [],
};

const BEFORE_MIDNIGHT = Date.parse('2026-11-24T23:59:59Z');
const counted = async (day: string) =>
  (await new State(join(folder, 'state')).read(day))
    .cells()
    .map(({ reportDomain, successful }) => [reportDomain, successful]);

describe('TlsReports', () => {
  it('counts for the UTC day on which it is told, and keeps the counts over restarts', async () => {
    let now = BEFORE_MIDNIGHT;
    for (let restart = 0; restart < 3; restart++) {
      now = BEFORE_MIDNIGHT;
      const reports = new TlsReports({ state: join(folder, 'state'), clock: () => now });
      reports.count([attempt, attempt]);
      now += 1_000;
      reports.count([attempt]);
      await reports.close();
      reports.count([attempt]);
      await reports.close();
    }
    expect(await counted('2026-11-24')).toEqual([['a.example', 6]]);
    expect(await counted('2026-11-25')).toEqual([['a.example', 6]]);
  });

  it('has the counts of three days in memory at most, where they can not be written', async () => {
    let now = BEFORE_MIDNIGHT;
    await writeFile(join(folder, 'state'), 'no folder');
    const warn = (words: string): void => void warnings.push(words);
    const reports = new TlsReports({ state: join(folder, 'state'), clock: () => now, warn });
    for (let day = 0; day < 5; day++) {
      reports.count([attempt]);
      await expect(reports.close()).rejects.toThrow();
      now += 86_400_000;
    }
    await rm(join(folder, 'state'));
    await reports.close();
    expect(warnings).toEqual([
      'TLS reports: the counts of 2026-11-24 could not be written, and are given up',
      'TLS reports: the counts of 2026-11-25 could not be written, and are given up',
    ]);
    const days = ['2026-11-24', '2026-11-25', '2026-11-26', '2026-11-27', '2026-11-28'];
    const sessions = (await Promise.all(days.map(counted))).map((cells) => cells.length);
    expect(sessions).toEqual([0, 0, 1, 1, 1]);
  });

  it('does not count what carried a TLS report (RFC 8460 section 3)', async () => {
    const reports = new TlsReports({ state: join(folder, 'state'), clock: () => BEFORE_MIDNIGHT });
    reports.count([attempt], { message: Buffer.from('TLS-Report-Domain: a.example\r\n\r\n') });
    await reports.close();
    expect(await counted('2026-11-24')).toEqual([]);
    reports.count([attempt], { message: Buffer.from('Subject: hello\r\n\r\n') });
    reports.count([], { unrouted: [{ domain: 'b.example', failureType: 'dnssec-invalid', reason: '' }] });
    await reports.close();
    expect(await counted('2026-11-24')).toEqual([
      ['a.example', 1],
      ['b.example', 0],
    ]);
  });

  it('writes at the end of run, and needs no folder before there is something to count', async () => {
    const state = join(folder, 'deep/state');
    const reports = new TlsReports({ state, clock: () => BEFORE_MIDNIGHT });
    await reports.close();
    expect(await readdir(folder)).toEqual([]);
    const stop = new AbortController();
    const run = reports.run(stop.signal);
    reports.count([attempt]);
    stop.abort();
    await run;
    expect((await new State(state).read('2026-11-24')).domains).toEqual(['a.example']);
  });

  it('sends the reports of yesterday beside counting those of today', async () => {
    const state = join(folder, 'state');
    const yesterday = new TlsReports({ state, clock: () => BEFORE_MIDNIGHT });
    yesterday.count([attempt]);
    await yesterday.close();
    const stop = new AbortController();
    const mails: ReportMail[] = [];
    const events: ReportEvent[] = [];
    const key = generateKeyPairSync('ed25519').privateKey;
    const who = { pattern: 'sender.example', domain: 'sender.example', selector: 's' };
    const txt = [Buffer.from('v=TLSRPTv1;rua=mailto:reports@a.example')];
    const record = {
      name: '',
      type: 'TXT',
      ttl: 1,
      data: { type: 'TXT', strings: txt },
      rdata: new Uint8Array(),
    } as const;
    const reports = new TlsReports({
      state,
      clock: () => BEFORE_MIDNIGHT + 6 * 3_600_000,
      log: (event) => {
        events.push(event);
        stop.abort();
      },
      sending: {
        organization: 'Sender',
        contact: 'tlsrpt@sender.example',
        dkim: new Dkim([{ ...who, algorithm: 'ed25519-sha256', key }]),
        resolver: {
          close: async () => {},
          resolve: async (name, type) => {
            const answer = {
              name,
              type,
              chain: [],
              rcode: 'NOERROR',
              aliases: [],
              canonicalName: name,
              ttl: 1,
            } as const;
            return { status: 'secure', ...answer, records: [record] };
          },
        },
        submit: async (mail) => {
          mails.push(mail);
          return { status: 'accepted', words: 'queued' };
        },
      },
    });
    const run = reports.run(stop.signal);
    reports.count([attempt, attempt]);
    await run;
    expect(events).toMatchObject([
      { event: 'sent', day: '2026-11-24', domain: 'a.example', words: 'queued' },
    ]);
    expect(mails.map(({ envelope }) => envelope.to)).toEqual([['reports@a.example']]);
    expect(await counted('2026-11-24')).toEqual([]);
    expect(await counted('2026-11-25')).toEqual([['a.example', 2]]);
  });

  it('keeps counts in memory while they can not be written', async () => {
    await writeFile(join(folder, 'state'), 'in the way');
    const options = { state: join(folder, 'state'), clock: () => BEFORE_MIDNIGHT };
    const reports = new TlsReports({ ...options, warn: (words) => warnings.push(words) });
    reports.count([attempt]);
    await expect(reports.close()).rejects.toThrow(/can't be used/);
    await rm(join(folder, 'state'));
    reports.count([attempt]);
    await reports.close();
    expect(await counted('2026-11-24')).toEqual([['a.example', 2]]);
  });
});
