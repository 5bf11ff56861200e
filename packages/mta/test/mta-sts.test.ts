/**
 * MTA-STS beside DANE on the lab's Internet: by the library for every scenario, and by the compiled program.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Internet, STS_SCENARIOS, startInternet } from '@danelaw/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DeliveredRow, deliverScenarios } from './deliver-scenarios.js';
import { dnsOptions, run } from './program.js';

let internet: Internet;
let directory: string;
let options: string[];
let rows: DeliveredRow[];

beforeAll(async () => {
  internet = await startInternet(STS_SCENARIOS);
  directory = await mkdtemp(join(tmpdir(), 'danelaw-sts-'));
  const anchor = join(directory, 'root.ds');
  await writeFile(anchor, internet.trustAnchors.join('\n'));
  const roots = join(directory, 'roots.pem');
  await writeFile(roots, internet.web?.roots.join('\n') ?? '');
  options = [...dnsOptions(internet, anchor), '--smtp-port', String(internet.smtpPort), '--timeout', '5'];
  options.push('--web-roots', roots, '--sts-port', String(internet.web?.port));
  rows = await deliverScenarios(internet, new AbortController().signal);
});

afterAll(async () => {
  await internet.close();
  await rm(directory, { recursive: true });
});

describe('MTA-STS on the lab', () => {
  it.each(STS_SCENARIOS.map(({ domain, rule, shows }) => [domain, rule, shows] as const))(
    '%s (%s): %s',
    (domain) => {
      const row = rows.find(({ scenario }) => scenario.domain === domain);
      expect(row?.faults, row?.delivery.recipients[0]?.reason).toEqual([]);
    },
  );

  it('the attacker’s host was not even connected to', () => {
    expect(internet.mailServers.get('mx.sts-attacker.example')?.received.connections).toEqual([]);
  });

  it('where DANE decides no web server was asked', () => {
    expect(internet.web?.asked).not.toContain('mta-sts.sts-dane-decides.example');
    expect(internet.web?.asked).toContain('mta-sts.sts-enforce.unsigned');
  });

  it('"testing" is reported', () => {
    const row = rows.find(({ scenario }) => scenario.domain === 'sts-testing.unsigned');
    expect(row?.delivery.attempts).toMatchObject([
      { overlooked: [{ failureType: 'certificate-not-trusted' }] },
    ]);
  });
});

/** Without the line breaks of a screen. */
const unwrapped = (text: string): string => text.replace(/\s+/gu, ' ');

describe('danelaw, with MTA-STS', () => {
  const send = (to: string, ...more: string[]) =>
    run(['send', ...options, '-f', 'me@home.example', '-t', to, ...more], 'Subject: hello\r\n\r\nworld\r\n');

  it('send goes by the policy, unless it is told not to', async () => {
    const trusted = await send('a@sts-enforce.unsigned');
    expect(trusted.code).toBe(0);
    expect(unwrapped(trusted.out)).toContain(
      'authenticated by the root CN=Lab Web CA for the name mx.sts-enforce.unsigned',
    );
    expect(unwrapped(trusted.out)).toContain('which the MTA-STS policy of sts-enforce.unsigned names');
    expect((await send('a@sts-self-signed.unsigned')).code).toBe(75);
    expect((await send('a@sts-self-signed.unsigned', '--no-sts')).code).toBe(0);
  });

  it('send goes by the policy table', async () => {
    const config = join(directory, 'danelaw.toml');
    await writeFile(config, '[[policy]]\ndomain = "sts-self-signed.unsigned"\nlevel = "may"\n');
    expect((await send('a@sts-self-signed.unsigned', '--config', config)).code).toBe(0);
    await writeFile(config, '[[policy]]\ndomain = "*"\nlevel = "dnae"\n');
    const wrong = await send('a@sts-self-signed.unsigned', '--config', config);
    expect(wrong).toMatchObject({
      code: 78,
      err: expect.stringContaining('policy rule 1, level: must be one of'),
    });
  });

  it.each<[domain: string, status: string, words: string]>([
    ['sts-enforce.unsigned', 'fine', 'to all of them'],
    ['sts-testing.unsigned', 'fine', 'mode testing'],
    ['sts-no-starttls.unsigned', 'refused', 'use none of the servers'],
  ])('check says what senders with MTA-STS do: %s', async (domain, status, words) => {
    const { out } = await run(['check', ...options, '--json', domain]);
    expect(JSON.parse(out).domains[0].senders[0]).toMatchObject({
      sender: 'mta-sts',
      status,
      verdict: expect.stringContaining(words),
    });
  });

  it('check shows the policy, and what is wrong with it', async () => {
    const { out } = await run(['check', ...options, 'sts-enforce.unsigned', 'sts-other-host.unsigned']);
    expect(out).toContain('MTA-STS  enforce, for mx.sts-enforce.unsigned (version 20261124, 604800 s)');
    expect(unwrapped(out)).toContain('is none of the hosts in the MTA-STS policy of sts-other-host.unsigned');
    const json = await run(['check', ...options, '--json', 'sts-broken.unsigned', 'sts-testing.unsigned']);
    expect(JSON.parse(json.out).domains).toMatchObject([
      {
        sts: { status: 'none' },
        findings: expect.arrayContaining([expect.objectContaining({ code: 'sts-policy-invalid' })]),
      },
      { sts: { status: 'policy', mode: 'testing', mx: ['mx.sts-testing.unsigned'], id: '20261124' } },
    ]);
  });

  it('policy show says which rule decides', async () => {
    const config = join(directory, 'show.toml');
    await writeFile(config, '[[policy]]\ndomain = ".unsigned"\nlevel = "sts"\nmin_tls = "TLSv1.3"\n');
    const { code, out } = await run(['policy', 'show', '--config', config, 'sts-enforce.unsigned']);
    expect({ code, out }).toEqual({
      code: 0,
      out: 'sts-enforce.unsigned: sts\n  decided by: rule 1 (.unsigned)\n  at least TLSv1.3\n',
    });
    const json = await run(['policy', 'show', '--json', '--config', config, 'example.org']);
    expect(JSON.parse(json.out)).toMatchObject({ level: 'dane', rule: null });
    // Where no rule matches it is the relay's own level.
    await writeFile(config, '[delivery]\nlevel = "dane-only"\n');
    const other = await run(['policy', 'show', '--config', config, 'example.org']);
    expect(other.out).toBe('example.org: dane-only\n  decided by: no rule matches\n');
  });
});
