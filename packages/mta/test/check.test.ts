import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Internet, SCENARIOS, startInternet } from '@danelaw/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dnsOptions, run } from './program.js';

let internet: Internet;
let directory: string;
let options: string[];

beforeAll(async () => {
  internet = await startInternet(SCENARIOS);
  directory = await mkdtemp(join(tmpdir(), 'danelaw-test-'));
  const anchor = join(directory, 'root.ds');
  await writeFile(anchor, internet.trustAnchors.join('\n'));
  options = [...dnsOptions(internet, anchor), '--smtp-port', String(internet.smtpPort), '--timeout', '5'];
});

afterAll(async () => {
  await internet.close();
  await rm(directory, { recursive: true });
});

async function checkJson(...domains: string[]) {
  const { code, out, err } = await run(['check', ...options, '--json', ...domains]);
  expect(err).toBe('');
  return { code, domains: JSON.parse(out).domains };
}

describe('danelaw check', () => {
  const rows: [domain: string, code: number, findings: string[], verdict: RegExp][] = [
    ['good-3-1-1.example', 0, [], /to servers that DNSSEC names and DANE authenticates/],
    ['hosted.unsigned', 0, ['mx-insecure'], /that these are the servers of the domain is not proved/],
    ['no-tlsa.example', 0, ['no-tlsa'], /under TLS, without proof of whose server it is/],
    ['no-tlsa-no-starttls.example', 0, ['no-tlsa', 'clear-text'], /in clear text where there is no TLS/],
    ['unusable.example', 0, ['tlsa-unusable', 'tlsa-set-aside'], /under TLS, without proof/],
    ['swapped-certificate.example', 69, ['tlsa-mismatch'], /use none of the servers/],
    ['ta-wrong-name.example', 69, ['certificate-host-mismatch'], /use none of the servers/],
    ['ta-expired-leaf.example', 69, ['certificate-expired'], /use none of the servers/],
    ['stripped-starttls.example', 69, ['starttls-missing'], /use none of the servers/],
    ['broken-handshake.example', 69, ['handshake'], /use none of the servers/],
    ['tlsa-bogus.example', 69, ['host-bogus'], /use none of the servers/],
    ['tlsa-servfail.example', 75, ['host-indeterminate'], /No server could be asked/],
    ['expired.example', 69, ['signature-expired'], /keep mail to this domain back/],
    ['ds-mismatch.example', 69, ['ds-mismatch'], /keep mail to this domain back/],
    ['dnskey-missing.example', 69, ['ds-mismatch'], /keep mail to this domain back/],
    ['wrong-key.example', 69, ['mx-bogus'], /keep mail to this domain back/],
    ['mx-servfail.example', 75, ['mx-indeterminate'], /keep mail to this domain back/],
    ['null-mx.example', 69, ['null-mx'], /returns mail to this domain as undeliverable/],
    ['nonexistent.example', 69, ['no-such-domain'], /returns mail to this domain as undeliverable/],
  ];
  it.each(rows)('%s ends with %i', async (domain, code, findings, verdict) => {
    const checked = await checkJson(domain);
    expect(checked.domains.map((each: { domain: string }) => each.domain)).toEqual([domain]);
    const [result] = checked.domains;
    expect([...new Set(result.findings.map((each: { code: string }) => each.code))]).toEqual(findings);
    expect(result.verdict).toMatch(verdict);
    expect(checked.code).toBe(code);
    for (const each of result.findings) {
      expect(each.rule).toMatch(/^RFC \d+ section \d/);
      expect(each.remedy).toMatch(/\.$/);
    }
  });

  it('ends with the worst of several domains, and keeps their order', async () => {
    const domains = ['tlsa-servfail.example', 'good-3-1-1.example', 'stripped-starttls.example'];
    const checked = await checkJson(...domains);
    expect(checked.code).toBe(69);
    expect(checked.domains.map((each: { status: string }) => each.status)).toEqual([
      'unclear',
      'fine',
      'refused',
    ]);
  });

  it('says which zone is at fault where it is known', async () => {
    const { domains } = await checkJson('ds-mismatch.example', 'expired.example', 'wrong-signer.example');
    const found = domains.map(({ findings: [first] }: { findings: object[] }) => first);
    expect(found).toMatchObject([
      { code: 'ds-mismatch', host: null, zone: 'ds-mismatch.example' },
      { code: 'signature-expired', host: null, zone: 'expired.example' },
      { code: 'mx-bogus', host: null, zone: null },
    ]);
  });

  it('prints one object with --json, of exactly this shape', async () => {
    const { domains } = await checkJson('good-3-1-1.example');
    const host = 'mx.good-3-1-1.example';
    const record = expect.stringMatching(/^3 1 1 [0-9a-f]{64}$/);
    expect(domains).toEqual([
      {
        domain: 'good-3-1-1.example',
        status: 'fine',
        verdict: expect.any(String),
        senders: [
          { sender: 'mta-sts', status: 'fine', verdict: expect.stringContaining('find no policy') },
          { sender: 'opportunistic', status: 'fine', verdict: expect.stringContaining('under TLS') },
        ],
        route: { status: 'hosts', via: 'mx', mx: 'secure', reason: null },
        sts: { status: 'none', reason: 'good-3-1-1.example has no MTA-STS record' },
        hosts: [
          {
            host,
            port: internet.smtpPort,
            preference: expect.any(Number),
            mx: 'secure',
            expandedHost: host,
            tlsa: { status: 'usable', baseDomain: host, records: [{ record, setAside: null }], reason: null },
            action: 'connect',
            reason: null,
            addresses: [
              {
                address: expect.stringMatching(/^127\./),
                policy: { level: 'dane', source: expect.any(String) },
                ok: true,
                tls: {
                  protocol: 'TLSv1.3',
                  cipher: expect.stringMatching(/^TLS_/),
                  serverName: host,
                  authenticated: { by: 'dane', usage: 3, record, baseDomain: host, name: null },
                  reason: expect.any(String),
                },
                chain: [{ subject: '', issuer: '', notAfter: expect.any(Number) }],
                capabilities: expect.arrayContaining(['PIPELINING', '8BITMIME']),
                reply: null,
                enhancedStatus: null,
                reason: expect.any(String),
                failureType: null,
                overlooked: [],
              },
            ],
          },
        ],
        findings: [],
      },
    ]);
  });

  it.each<[domain: string, sender: string, status: string, words: string]>([
    ['swapped-certificate.example', 'opportunistic', 'fine', 'under TLS, to whoever answers'],
    ['stripped-starttls.example', 'opportunistic', 'fine', 'in clear text'],
    ['wrong-signer.example', 'opportunistic', 'refused', 'whose resolver validates keep the mail back'],
  ])('%s: says what senders of the kind %s do', async (domain, sender, status, words) => {
    const { domains } = await checkJson(domain);
    const view = domains[0].senders.find((each: { sender: string }) => each.sender === sender);
    expect(view).toMatchObject({ status, verdict: expect.stringContaining(words) });
  });

  it('writes a page that needs nothing else, with the chain of trust and the servers', async () => {
    const page = join(directory, 'check.html');
    const { code } = await run(['check', ...options, '--html', page, 'swapped-certificate.example']);
    const text = await readFile(page, 'utf8');
    expect(code).toBe(69);
    expect(text.match(/<(?:script|link|img|iframe)|url\(|@import| (?:src|href)="(?!#)/gu)).toBeNull();
    for (const words of [
      '. (the root)',
      'DS ',
      'A of mx.swapped-certificate.example: signed',
      'certificate does not match',
    ]) {
      expect(text).toContain(words);
    }
  });

  it.each<[domain: string, what: string, visits: number]>([
    ['no-tlsa.example', 'one where no sender asks for proof', 1],
    ['good-3-1-1.example', 'and one more for senders with DANE', 2],
  ])('visits each address of %s once for all that want the same: %s', async (domain, _, visits) => {
    const { received } = internet.mailServers.get(`mx.${domain}`) ?? {};
    const before = received?.connections.length ?? 0;
    await run(['check', ...options, domain]);
    expect((received?.connections.length ?? 0) - before).toBe(visits);
  });

  it('sends no mail: no server ever sees MAIL FROM', async () => {
    for (const { received } of internet.mailServers.values()) {
      const lines = received.connections.flatMap(({ commands }) => commands.map(({ line }) => line));
      expect(lines.filter((line) => /^(?:MAIL|RCPT|DATA)\b/i.test(line))).toEqual([]);
    }
  });

  it('tells a person what is wrong, by which rule, and the remedy', async () => {
    const { code, out, err } = await run(['check', ...options, 'stripped-starttls.example']);
    expect({ code, err }).toEqual({ code: 69, err: '' });
    const text = out.replace(/\s+/g, ' ');
    expect(text).toContain('error mx.stripped-starttls.example 127.');
    expect(text).toContain('(RFC 7672 section 2.2) Let the server offer STARTTLS to every client');
    expect(out.split('\n').filter((line) => line.length > 100)).toEqual([]);
  });
});
