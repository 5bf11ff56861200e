/** `danelaw watch` on the private Internet: once, as Nagios asks, and as a service that tells what is new. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Internet, SCENARIOS, type Scenario, startInternet } from '@danelaw/lab';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from './free-port.js';
import { dnsOptions, run, start } from './program.js';
import { RecordingServer } from './recording-server.js';

const GOOD = 'good-3-1-1.example';
const SWAPPED = 'swapped-certificate.example';
const ANCHORED = 'good-2-0-1.example';
const SILENT = 'a-servfail.example';
const MISMATCHED = 'ds-mismatch.example';
const UNSIGNED = 'unsigned-with-ds.example';
/** Its own zone is right; that of both its servers is not. */
const HOSTED: Scenario = {
  domain: 'hosted.example',
  shows: 'The zone of its mail servers has a DS of another key.',
  rule: 'RFC 4035 section 5.2',
  zones: {
    'hosted.example': { records: ['@ MX 10 mx1.hosting.example.', '@ MX 20 mx2.hosting.example.'] },
    'hosting.example': { records: [], signing: { faults: [{ fault: 'ds-mismatch' }] } },
  },
  hosts: { 'mx1.hosting.example': { tlsa: ['3 1 1'] }, 'mx2.hosting.example': { tlsa: ['3 1 1'] } },
  expected: { status: 'deferred', because: 'the address records are bogus' },
};

let internet: Internet;
let folder: string;
let common: string[];

beforeAll(async () => {
  const wanted = [GOOD, SWAPPED, ANCHORED, SILENT, MISMATCHED, UNSIGNED];
  internet = await startInternet([...SCENARIOS.filter(({ domain }) => wanted.includes(domain)), HOSTED]);
  folder = await mkdtemp(join(tmpdir(), 'danelaw-watch-'));
  const anchor = join(folder, 'root.ds');
  await writeFile(anchor, internet.trustAnchors.join('\n'));
  common = [...dnsOptions(internet, anchor), '--smtp-port', String(internet.smtpPort), '--timeout', '5'];
});
afterAll(async () => {
  await internet.close();
  await rm(folder, { recursive: true });
});

describe('danelaw watch --once', () => {
  it.each<[domain: string, code: number, line: RegExp]>([
    [
      GOOD,
      1,
      /^WARNING - 1 domain, 1 warning: good-3-1-1\.example: nobody is told where to send TLS reports/u,
    ],
    [
      SWAPPED,
      2,
      /^CRITICAL - 1 domain, 1 critical, 1 warning: swapped-certificate\.example mx\.\S+ 127\.\S+: /u,
    ],
    [SILENT, 3, /^UNKNOWN - 1 domain, 1 warning, 1 unknown: a-servfail\.example mx\./u],
  ])('%s ends with %i', async (domain, code, line) => {
    const { code: ended, out } = await run(['watch', '--once', ...common, domain]);
    expect(out).toMatch(line);
    expect(ended).toBe(code);
  });

  it('tells of signatures that end within the time that was given, and when', async () => {
    const { code, out } = await run([
      'watch',
      '--once',
      '--json',
      '--warn-signatures',
      '30d',
      ...common,
      GOOD,
    ]);
    const [{ problems, signaturesEnd, certificatesEnd }] = JSON.parse(out).domains;
    const zones = problems.filter((each: { code: string }) => each.code === 'signature-expires');
    expect(zones.map(({ place }: { place: string }) => place).sort()).toEqual(['.', 'example', GOOD]);
    expect(Date.parse(signaturesEnd)).toBeGreaterThan(Date.now());
    // Under DANE-EE nobody looks at the dates of certificates.
    expect([code, certificatesEnd]).toEqual([1, null]);
  });
});

describe('danelaw watch --once, a DS that does not lead to the keys of its zone', () => {
  const ALGORITHM = 'ECDSAP256SHA256';
  const SETS = `DS \\d+ \\(${ALGORITHM}, SHA-256\\), the zone has keys \\d+ \\(${ALGORITHM}, [KZ]SK\\), \\d+ \\(`;

  it.each<[domain: string, place: string, text: RegExp]>([
    [
      MISMATCHED,
      MISMATCHED,
      new RegExp(
        `^none of the keys of ${MISMATCHED} matches a DS record of its parent: the parent has ${SETS}.*; mail to the domain waits$`,
        'u',
      ),
    ],
    [
      UNSIGNED,
      UNSIGNED,
      /^unsigned-with-ds\.example has DS records at its parent and sends no DNSKEY records: the parent has DS \d+ /u,
    ],
    [
      HOSTED.domain,
      'hosting.example',
      new RegExp(`^none of the keys of hosting\\.example matches a DS record of its parent: .*${SETS}`, 'u'),
    ],
  ])(
    'of %s is told of its zone, %s, once, as critical (RFC 4035 section 5.2)',
    async (domain, place, text) => {
      const { code, out } = await run(['watch', '--once', '--json', ...common, domain]);
      expect(code).toBe(2);
      const { problems } = JSON.parse(out).domains[0];
      const critical = problems.filter(({ level }: { level: string }) => level === 'critical');
      expect(critical).toEqual([
        {
          domain,
          level: 'critical',
          code: 'ds-mismatch',
          place,
          text: expect.stringMatching(text),
          rule: 'RFC 4035 section 5.2',
          remedy: expect.stringMatching(/helps at once.*TTL \(\d+ s\)|TTL \(\d+ s\).*helps at once/u),
        },
      ]);
    },
  );
});

describe('danelaw watch --once, certificates', () => {
  it('are looked at where senders look at their dates: under DANE-TA', async () => {
    const { out } = await run([
      'watch',
      '--once',
      '--json',
      '--warn-certificates',
      '200d',
      ...common,
      ANCHORED,
    ]);
    const [{ problems, certificatesEnd }] = JSON.parse(out).domains;
    expect(Date.parse(certificatesEnd)).toBeGreaterThan(Date.now());
    const found = problems.filter((each: { code: string }) => each.code === 'certificate-expires');
    expect(found).toMatchObject([{ level: 'warning', place: `mx.${ANCHORED}` }]);
  });
});

describe('danelaw watch', () => {
  let hook: Server;
  let posted: { begun: { code: string; level: string }[]; over: unknown[] }[];
  let url: string;
  beforeEach(async () => {
    posted = [];
    hook = createServer((request, response) => {
      let body = '';
      request
        .on('data', (text) => (body += text))
        .on('end', () => {
          posted.push(JSON.parse(body));
          response.end();
        });
    });
    const port = await freePort();
    await new Promise<void>((resolve) => hook.listen(port, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${port}/`;
  });
  afterEach(async () => {
    hook.closeAllConnections();
    await new Promise((resolve) => hook.close(resolve));
  });

  it('tells a problem once, over restarts, to a webhook and by mail, and counts', async () => {
    const mailbox = new RecordingServer();
    const port = await freePort();
    const argv = [
      'watch',
      ...common,
      '--alerts',
      join(folder, 'alerts.json'),
      '--webhook',
      url,
      '--mail-to',
      'ops@names.example',
      '--smtp',
      `127.0.0.1:${await mailbox.listen()}`,
      '--listen',
      `127.0.0.1:${port}`,
      '--interval',
      '1s',
      SWAPPED,
    ];
    const looks = async (count: number, times: () => Promise<void> = async () => {}): Promise<void> => {
      const child = start(...argv);
      const ended = new Promise((resolve) => child.once('close', resolve));
      let out = '';
      child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text));
      while (out.split('\n').length <= count) await new Promise((resolve) => setTimeout(resolve, 20));
      await times();
      child.kill('SIGTERM');
      expect(await ended).toBe(0);
    };
    await looks(2, async () => {
      const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      expect(metrics).toContain(`danelaw_watch_problems{domain="${SWAPPED}",level="critical"} 1`);
      expect(metrics).toContain(`danelaw_watch_problems_by_code{domain="${SWAPPED}",code="no-tlsrpt"} 1`);
      expect(metrics).toContain('danelaw_watch_alerts_total{channel="webhook",outcome="taken"} 1');
      expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
    });
    await looks(2);
    expect(posted.map(({ begun }) => begun.map(({ code }) => code))).toEqual([
      [expect.any(String), 'no-tlsrpt'],
    ]);
    expect(mailbox.texts).toHaveLength(1);
    expect(mailbox.texts[0]).toContain('Subject: danelaw: CRITICAL: swapped-certificate.example');
    await mailbox.close();
  });

  it.each<[what: string, argv: string[], words: string]>([
    ['an address beyond this machine', ['--listen', '0.0.0.0:1'], 'loopback'],
    ['a webhook that is no URL', ['--webhook', 'example.org'], 'https URL'],
    ['an interval that is none', ['--interval', '0'], '90s, 10m'],
  ])('refuses %s', async (_, argv, words) => {
    const { code, err } = await run(['watch', ...common, ...argv, GOOD]);
    expect([code, err]).toEqual([64, expect.stringContaining(words)]);
  });
});
