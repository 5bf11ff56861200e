/**
 * TLS reports (RFC 8460) of a relay that runs: what it counted on one day it sends on the next, by mail and by HTTPS.
 * The night between them is a clock that is ahead.
 */
import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Internet, type Scenario, startInternet } from '@danelaw/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keyRecordText } from '../src/dkim/key-record.js';
import { verifyDkim } from '../src/testing/dkim-verifier.js';
import { findReports } from '../src/tlsrpt/report-input.js';
import { readReport } from '../src/tlsrpt/report-reader.js';
import { LabRelay, textOf } from './lab-relay.js';
import { run } from './program.js';
import { RelayProcess } from './relay-process.js';

const KEY = generateKeyPairSync('ed25519').privateKey;
const KEY_RECORD = `${keyRecordText(KEY)}; s=tlsrpt`;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

function domain(name: string, of: 'leaf' | 'stranger', ...records: string[]): Scenario {
  return {
    domain: name,
    shows: 'A domain that wants to hear how it is met.',
    rule: 'RFC 8460',
    zones: { [name]: { records: ['@ MX 10 mx', ...records] } },
    hosts: { [`mx.${name}`]: { tlsa: [{ of, parameters: '3 1 1' }] } },
    expected: { status: 'deferred', because: 'each test says its own' },
  };
}

const BY_HTTPS = '_smtp._tls TXT "v=TLSRPTv1; rua=https://reports.by-https.example:{webport}/v1"';
const SCENARIOS: readonly Scenario[] = [
  // Its TLSA record is of another certificate: the report arrives all the same (section 5.3).
  domain('by-mail.example', 'stranger', '_smtp._tls TXT "v=TLSRPTv1; rua=mailto:reports@by-mail.example"'),
  { ...domain('by-https.example', 'leaf', BY_HTTPS), reportHosts: ['reports.by-https.example'] },
  domain('sender.example', 'leaf', `s1._domainkey TXT "${KEY_RECORD}"`),
];

let ahead = 0;
let internet: Internet;
let relay: LabRelay;
let toml: string;

beforeAll(async () => {
  internet = await startInternet(SCENARIOS, { clock: () => Date.now() + ahead });
  relay = await LabRelay.make(internet);
  const key = join(relay.folder, 's1.pem');
  await writeFile(key, KEY.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  toml = `${relay.toml}
[tls_reports]
enabled = true
organization = "Sender"
contact = "tlsrpt@sender.example"
[[dkim]]
domain = "sender.example"
selector = "s1"
key_file = "${key}"
`;
  relay.process.configure(toml);
});
afterAll(async () => {
  await relay.close();
  await internet.close();
});

/** The latest day on which sessions were counted, and the domains. */
async function counted(): Promise<{ day: string; domains: string[] }> {
  const { out } = await run([
    'tlsrpt',
    'list',
    '--json',
    '--state',
    join(relay.folder, 'state', 'tls-reports'),
  ]);
  const days: { day: string; domains: { domain: string }[] }[] = JSON.parse(out).days;
  const last = days.at(-1);
  return { day: last?.day ?? '', domains: (last?.domains ?? []).map(({ domain: name }) => name).sort() };
}

describe('a relay that runs', () => {
  it('sends the reports of a day when it is over, each once (RFC 8460 section 4.1)', async () => {
    await relay.process.start();
    const mail = '<ann@sender.example>';
    const failed = await relay.send({ mail, rcpt: ['<you@by-mail.example>'] });
    const fine = await relay.send({ mail, rcpt: ['<you@by-https.example>'] });
    expect(await relay.outcome(failed.id)).toMatchObject({ event: 'deferred' });
    expect(await relay.outcome(fine.id)).toMatchObject({ event: 'delivered', authenticated: 'dane' });
    await relay.process.end('SIGTERM');
    const { day, domains } = await counted();
    expect(domains).toEqual(expect.arrayContaining(['by-https.example', 'by-mail.example']));

    // By then every report is due: they leave within four hours after midnight.
    ahead = Date.parse(day) + DAY + 4.1 * HOUR - Date.now();
    const next = new RelayProcess(relay.config, toml, {
      NODE_OPTIONS: `--import=${new URL('clock-ahead.js', import.meta.url).href}`,
      DANELAW_TEST_AHEAD: String(ahead),
    });
    try {
      await next.start();
      const sent = (name: string) =>
        next.event(
          ({ event, domain: of, status }) => event === 'tls-report' && of === name && status === 'sent',
        );
      expect(await sent('by-mail.example')).toMatchObject({
        day,
        report: expect.stringMatching(/@sender\.example$/u),
      });
      expect(await sent('by-https.example')).toMatchObject({
        day,
        reason: expect.stringContaining('HTTP status 201'),
      });
    } finally {
      await next.end('SIGTERM');
    }

    const mails = relay.at('mx.by-mail.example').filter((each) => textOf(each).includes('TLS-Report-Domain'));
    expect(mails).toHaveLength(1);
    const [report] = mails;
    expect(report).toMatchObject({
      from: 'tlsrpt@sender.example',
      recipients: [{ address: 'reports@by-mail.example' }],
    });
    const content = report?.content ?? new Uint8Array();
    const published = new Map([['s1._domainkey.sender.example', KEY_RECORD]]);
    expect(verifyDkim(Buffer.from(content), (name) => published.get(name))).toMatchObject({ ok: true });
    expect(await policiesOf(content)).toMatchObject([
      { domain: 'mx.by-mail.example', successful: 0, failed: 1 },
    ]);
    expect(internet.web?.posted).toHaveLength(1);
    expect(await policiesOf(internet.web?.posted[0]?.body ?? new Uint8Array())).toMatchObject([
      { domain: 'mx.by-https.example', successful: 1, failed: 0 },
    ]);
  });
});

async function policiesOf(octets: Uint8Array) {
  const { reports } = await findReports(octets);
  return reports.flatMap((report) => readReport(report).policies);
}
