/**
 * TLS reports (RFC 8460) on the lab's Internet: the result type of each attack, and reports that go out by
 * mail and by HTTPS and are read again.
 */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createResolver, isAnswered } from '@danelaw/dns';
import { type Internet, SCENARIOS, type Scenario, STS_SCENARIOS, startInternet } from '@danelaw/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keyRecordText } from '../src/dkim/key-record.js';
import { verifyDkim } from '../src/testing/dkim-verifier.js';
import type { DayCounters } from '../src/tlsrpt/counters.js';
import { findReports } from '../src/tlsrpt/report-input.js';
import { readReport } from '../src/tlsrpt/report-reader.js';
import { State } from '../src/tlsrpt/state.js';
import { TlsReports } from '../src/tlsrpt/tls-reports.js';
import { deliverScenarios } from './deliver-scenarios.js';
import { dnsOptions, run } from './program.js';

const KEY = generateKeyPairSync('ed25519').privateKey;
const DAY_MILLISECONDS = 86_400_000;

/** Its TLSA record is of another certificate: reports about it must arrive all the same (section 5.3). */
function broken(domain: string, ...records: string[]): Scenario {
  return {
    domain,
    shows: 'A domain for TLS reports.',
    rule: 'RFC 8460',
    zones: { [domain]: { records: ['@ MX 10 mx', ...records] } },
    hosts: { [`mx.${domain}`]: { tlsa: [{ of: 'stranger', parameters: '3 1 1' }] } },
    expected: { status: 'deferred', because: 'no TLSA record matches' },
  };
}

const MAIL_RECORD = '_smtp._tls TXT "v=TLSRPTv1; rua=mailto:reports@by-mail.example"';
const HTTPS_RECORD = '_smtp._tls TXT "v=TLSRPTv1; rua=https://reports.by-https.example:{webport}/v1?x=1"';
const REPORTED: readonly Scenario[] = [
  broken('by-mail.example', MAIL_RECORD),
  { ...broken('by-https.example', HTTPS_RECORD), reportHosts: ['reports.by-https.example'] },
  broken('by-nobody.example'),
  broken('sender.example', `s1._domainkey TXT "${keyRecordText(KEY)}; s=tlsrpt"`),
];

const TLSA = 'tlsa of mx.';
/** Each domain of the lab that is under attack or broken, and what a report says of it. */
const COUNTED: readonly [string, ...string[]][] = [
  ['good-3-1-1.example', `${TLSA}good-3-1-1.example: ok`],
  ['stripped-starttls.example', `${TLSA}stripped-starttls.example: starttls-not-supported`],
  ['starttls-refused.example', `${TLSA}starttls-refused.example: starttls-not-supported`],
  ['broken-handshake.example', `${TLSA}broken-handshake.example: validation-failure`],
  ['swapped-certificate.example', `${TLSA}swapped-certificate.example: validation-failure`],
  ['ta-expired-issuer.example', `${TLSA}ta-expired-issuer.example: certificate-expired`],
  ['ta-wrong-name.example', `${TLSA}ta-wrong-name.example: certificate-host-mismatch`],
  ['tlsa-bogus.example', `${TLSA}tlsa-bogus.example: dnssec-invalid`],
  ['tlsa-servfail.example', `${TLSA}tlsa-servfail.example: dnssec-invalid`],
  ['address-bogus.example', `${TLSA}address-bogus.example: dnssec-invalid`],
  ['mx-bogus.example', 'tlsa of mx-bogus.example: dnssec-invalid'],
  ['unusable.example', `${TLSA}unusable.example: tlsa-invalid`],
  ['no-tlsa.example', 'no-policy-found of no-tlsa.example: ok'],
  ['no-tlsa-no-starttls.example', 'no-policy-found of no-tlsa-no-starttls.example: starttls-not-supported'],
  ['sts-enforce.unsigned', 'sts of sts-enforce.unsigned: ok'],
  ['sts-self-signed.unsigned', 'sts of sts-self-signed.unsigned: certificate-not-trusted'],
  ['sts-no-starttls.unsigned', 'sts of sts-no-starttls.unsigned: starttls-not-supported'],
  ['sts-testing.unsigned', 'sts of sts-testing.unsigned: certificate-not-trusted'],
  ['sts-other-host.unsigned', 'sts of sts-other-host.unsigned: validation-failure'],
  [
    'sts-broken.unsigned',
    'no-policy-found of sts-broken.unsigned: ok',
    'sts of sts-broken.unsigned: sts-policy-invalid',
  ],
  ['sts-dane-decides.example', `${TLSA}sts-dane-decides.example: ok`],
];

let internet: Internet;
let directory: string;
let options: string[];
let counters: DayCounters;
let today: number;

beforeAll(async () => {
  today = Date.now();
  const names = new Set(COUNTED.map(([domain]) => domain));
  const attacked = [...SCENARIOS, ...STS_SCENARIOS].filter(({ domain }) => names.has(domain));
  internet = await startInternet([...attacked, ...REPORTED]);
  directory = await mkdtemp(join(tmpdir(), 'danelaw-reports-'));
  const anchor = join(directory, 'root.ds');
  await writeFile(anchor, internet.trustAnchors.join('\n'));
  const roots = join(directory, 'roots.pem');
  await writeFile(roots, internet.web?.roots.join('\n') ?? '');
  const key = KEY.export({ type: 'pkcs8', format: 'pem' }).toString();
  await writeFile(join(directory, 's1.pem'), key, { mode: 0o600 });
  const dkim = `[[dkim]]\ndomain = "sender.example"\nselector = "s1"\nkey_file = "${join(directory, 's1.pem')}"\n`;
  await writeFile(join(directory, 'danelaw.toml'), dkim);
  options = [...dnsOptions(internet, anchor), '--smtp-port', String(internet.smtpPort), '--timeout', '5'];
  options.push('--web-roots', roots, '--json');

  const state = join(directory, 'counted');
  const reports = new TlsReports({ state, clock: () => today });
  for (const { delivery } of await deliverScenarios(internet, new AbortController().signal)) {
    reports.count(delivery.attempts, { unrouted: delivery.unrouted });
  }
  await reports.close();
  counters = await new State(state).read(new Date(today).toISOString().slice(0, 10));
});

afterAll(async () => {
  await internet.close();
  await rm(directory, { recursive: true });
});

describe('what is counted (RFC 8460 section 4.3)', () => {
  it.each(COUNTED)('%s', (domain, ...expected) => {
    const cells = counters.cells(domain).map(({ policy, successful, failures }) => {
      const types = new Set(failures.map(({ detail }) => detail.resultType));
      return `${policy.type} of ${policy.domain}: ${[...(successful > 0 ? ['ok'] : []), ...types].join(', ')}`;
    });
    expect(cells.sort()).toEqual(expected);
  });

  it('a host hears of its own TLSA policy', () => {
    expect(counters.cells('mx.ta-expired-issuer.example')).toMatchObject([
      {
        failed: 1,
        policy: { type: 'tlsa', strings: [expect.stringMatching(/^2 \d \d [0-9a-f]+$/)] },
        failures: [
          {
            count: 1,
            detail: {
              sendingMtaIp: expect.stringMatching(/^127\./),
              receivingIp: expect.stringMatching(/^127\.25\./),
              receivingMxHostname: 'mx.ta-expired-issuer.example',
              receivingMxHelo: 'mx.ta-expired-issuer.example',
            },
          },
        ],
      },
    ]);
  });
});

const MESSAGE = 'From: me@home.example\r\nSubject: hello\r\n\r\nworld\r\n';

describe('danelaw tlsrpt', () => {
  const iso = (time: number) => new Date(time).toISOString();
  const state = () => join(directory, 'state');
  const tlsrpt = (...argv: string[]) => run(['tlsrpt', ...argv]);
  const sendReports = (at: number, ...more: string[]) => {
    const who = ['--organization', 'Sender', '--contact', 'tlsrpt@sender.example'];
    const config = ['--config', join(directory, 'danelaw.toml'), '--helo', 'mx.sender.example'];
    return tlsrpt('send', '--state', state(), ...options, ...who, ...config, '--at', iso(at), ...more);
  };
  const mails = () => internet.mailServers.get('mx.by-mail.example')?.received.messages ?? [];
  const posted = () => internet.web?.posted ?? [];

  it('send counts, and reports leave when the day is over - by mail and by HTTPS, once', async () => {
    for (const domain of ['by-mail.example', 'by-https.example', 'by-nobody.example']) {
      const argv = ['send', ...options, '--no-sts', '-f', 'me@home.example', '-t', `you@${domain}`];
      const sent = await run([...argv, '--at', iso(today), '--tlsrpt-state', state()], MESSAGE);
      expect(sent).toMatchObject({ code: 75, err: '' });
    }
    expect(mails()).toEqual([]);

    const early = await sendReports(today, '--now');
    expect({ code: early.code, events: JSON.parse(early.out).events }).toEqual({ code: 0, events: [] });
    const listed = await tlsrpt('list', '--state', state());
    expect(listed.out).toContain('by-mail.example  0 in order, 1 failed; no report begun');

    const tomorrow = Date.parse(iso(today + DAY_MILLISECONDS).slice(0, 10)) + 3_600_000;
    const { code, out, err } = await sendReports(tomorrow, '--now');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const events: { event: string; domain: string }[] = JSON.parse(out).events;
    expect(events.map(({ event, domain }) => `${event} ${domain}`).sort()).toEqual([
      'no-record by-nobody.example',
      'no-record mx.by-https.example',
      'no-record mx.by-mail.example',
      'no-record mx.by-nobody.example',
      'sent by-https.example',
      'sent by-mail.example',
    ]);
    expect(JSON.parse((await sendReports(tomorrow + 7_200_000, '--now')).out).events).toEqual([]);
    expect(mails()).toHaveLength(1);
    expect(posted()).toHaveLength(1);
    const after = await tlsrpt('list', '--state', state(), '--json');
    const days: { domains: { domain: string; report: { status: string } }[] }[] = JSON.parse(after.out).days;
    expect(
      days.flatMap(({ domains }) => domains).find(({ domain }) => domain === 'by-https.example'),
    ).toMatchObject({
      report: { status: 'sent', words: expect.stringContaining('HTTP status 201') },
    });
  });

  it('the mail is signed by a key that the lab’s DNS has, and holds a report that we read', async () => {
    const [mail] = mails();
    expect(mail).toMatchObject({
      from: 'tlsrpt@sender.example',
      recipients: [{ address: 'reports@by-mail.example' }],
    });
    const content = mail?.content ?? new Uint8Array();
    const { address, port } = internet.resolver;
    const { trustAnchors } = internet;
    const resolver = createResolver({ upstream: `${address}#${port}`, trustAnchors });
    const found = await resolver.resolve('s1._domainkey.sender.example', 'TXT');
    await resolver.close();
    const texts = isAnswered(found)
      ? found.records.flatMap(({ data }) =>
          data.type === 'TXT' ? [Buffer.concat(data.strings).toString()] : [],
        )
      : [];
    const verdict = verifyDkim(content, (name) =>
      name === 's1._domainkey.sender.example' ? texts[0] : undefined,
    );
    expect(verdict).toMatchObject({ ok: true, reason: '' });
    const { reports } = await findReports(content);
    expect(reports.map(readReport)).toMatchObject([
      {
        organization: 'Sender',
        contact: 'tlsrpt@sender.example',
        start: `${iso(today).slice(0, 10)}T00:00:00Z`,
        notes: [],
        policies: [
          {
            type: 'tlsa',
            domain: 'mx.by-mail.example',
            mxHosts: ['mx.by-mail.example'],
            successful: 0,
            failed: 1,
            failures: [{ resultType: 'validation-failure', count: 1 }],
          },
        ],
      },
    ]);
  });

  it('what is posted is the same, by its media type (section 5.4)', async () => {
    const [post] = posted();
    expect(post).toMatchObject({
      host: 'reports.by-https.example',
      path: '/v1?x=1',
      contentType: 'application/tlsrpt+gzip',
    });
    const { reports } = await findReports(post?.body ?? new Uint8Array());
    expect(reports.map(readReport)).toMatchObject([
      { policies: [{ domain: 'mx.by-https.example', failed: 1 }] },
    ]);
  });

  it('show says in words what is wrong, from a file, from a mail, and from both together', async () => {
    const file = join(directory, 'report.json.gz');
    await writeFile(file, posted()[0]?.body ?? '');
    const mail = join(directory, 'report.eml');
    await writeFile(mail, mails()[0]?.content ?? '');
    const { code, out, err } = await tlsrpt('show', file, mail);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const words = out.replace(/\s+/gu, ' ');
    for (const domain of ['by-https.example', 'by-mail.example']) {
      expect(words).toContain(`mx.${domain}: 0 sessions in order, 1 session failed, as Sender saw it`);
      expect(words).toContain(`at mx.${domain} [127.25.`);
    }
    expect(words).toContain(
      'A server could not be authenticated: 1 session (validation-failure, by your TLSA records)',
    );
    expect(words).toContain('What to do: Under a TLSA policy: compare the records with the certificate');
    expect(words).toContain('RFC 8460 section 4.3.3');
    const json = await run(['tlsrpt', 'show', '--json', '-'], mails()[0]?.content);
    expect(JSON.parse(json.out)).toMatchObject({
      domains: [
        { domain: 'mx.by-mail.example', failed: 1, problems: [{ resultType: 'validation-failure' }] },
      ],
    });
  });

  it('show prints nothing that a report could drive a terminal with', async () => {
    const policy = { 'policy-type': 'sts\u001b[2J', 'policy-domain': 'a\u0007.example' };
    const details = [
      { 'result-type': 'x\u009b31m', 'failed-session-count': 1, 'failure-reason-code': '\u202e' },
    ];
    const report = {
      'organization-name': '\u001b]0;x\u0007',
      policies: [{ policy, 'failure-details': details }],
    };
    const { code, out } = await run(['tlsrpt', 'show', '-'], JSON.stringify(report));
    expect(code).toBe(0);
    expect(out.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  it.each([
    ['what is no report', ['show', '-'], 'Subject: x\r\n\r\ny\r\n', 65, /neither JSON, nor gzip, nor a mail/],
    ['a file that is not there', ['show', '/no/such/file'], '', 66, /there is no such file/],
    [
      'a contact that is missing',
      ['send', '--state', 'x', '--organization', 'y'],
      '',
      64,
      /--contact is missing/,
    ],
    [
      'a state that is a file',
      ['list', '--state', '/dev/null'],
      '',
      78,
      /--state: the folder .* can't be used/,
    ],
  ] as const)('says what is wrong with %s', async (_, argv, input, code, words) => {
    const ended = await run(['tlsrpt', ...argv], input);
    expect(ended.code).toBe(code);
    expect(ended.err).toMatch(words);
  });

  it('a report that can not be delivered is tried again later, with 75; nothing goes by mail unsigned', async () => {
    const folder = join(directory, 'unsigned');
    const argv = ['send', ...options, '-f', 'me@home.example', '-t', 'you@by-mail.example'];
    await run([...argv, '--at', iso(today), '--tlsrpt-state', folder], MESSAGE);
    const tomorrow = Date.parse(iso(today + DAY_MILLISECONDS).slice(0, 10)) + 3_600_000;
    const who = ['--organization', 'Sender', '--contact', 'tlsrpt@sender.example', '--now'];
    const ended = await tlsrpt('send', '--state', folder, ...options, ...who, '--at', iso(tomorrow));
    expect(JSON.parse(ended.out).events).toContainEqual(
      expect.objectContaining({ event: 'dropped', words: expect.stringContaining('no DKIM key') }),
    );
    expect(mails()).toHaveLength(1);
  });
});
