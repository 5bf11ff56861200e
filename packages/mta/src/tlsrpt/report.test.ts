/** A report as it leaves, and as our reader finds it again; signatures checked by a verifier apart. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { checkMessage } from '@danelaw/smtp';
import { describe, expect, it } from 'vitest';
import { Dkim, type DkimKey } from '../dkim/dkim.js';
import { verifyDkim } from '../testing/dkim-verifier.js';
import type { Cell } from './counters.js';
import { buildReport, compress, reportFilename } from './report.js';
import { findReports } from './report-input.js';
import { buildReportMail, isTlsReport } from './report-mail.js';
import { readReport } from './report-reader.js';

const failure = {
  resultType: 'certificate-expired',
  sendingMtaIp: '2001:db8::1',
  receivingMxHostname: 'mx.a.example',
  receivingMxHelo: 'mx.a.example',
  receivingIp: '192.0.2.1',
  reason: 'the certificate expired on 2026-11-01',
} as const;
const nobody = { sendingMtaIp: null, receivingMxHostname: null, receivingMxHelo: null, receivingIp: null };
const CELLS: readonly Cell[] = [
  {
    reportDomain: 'a.example',
    policy: { type: 'tlsa', strings: ['3 1 1 ab'], domain: 'mx.a.example', mxHosts: ['mx.a.example'] },
    successful: 7,
    failed: 2,
    failures: [{ detail: failure, count: 2 }],
  },
  {
    reportDomain: 'a.example',
    policy: {
      type: 'sts',
      strings: ['version: STSv1', 'mx: *.a.example'],
      domain: 'a.example',
      mxHosts: ['*.a.example'],
    },
    successful: 0,
    failed: 1,
    failures: [{ detail: { ...nobody, resultType: 'sts-policy-fetch-error', reason: 'HTTP 404' }, count: 1 }],
  },
  {
    reportDomain: 'a.example',
    policy: { type: 'no-policy-found', strings: [], domain: 'a.example', mxHosts: [] },
    successful: 1,
    failed: 0,
    failures: [],
  },
  {
    reportDomain: 'b.example',
    policy: { type: 'no-policy-found', strings: [], domain: 'b.example', mxHosts: [] },
    successful: 1,
    failed: 0,
    failures: [],
  },
];
const INPUT = {
  organization: 'Example Org',
  contact: 'tlsrpt@sender.example',
  domain: 'a.example',
  day: '2026-11-24',
  reportId: '0123456789abcdef@sender.example',
  cells: CELLS,
};

describe('buildReport (RFC 8460 section 4.4)', () => {
  it('has the fields of the schema, for one domain alone', () => {
    expect(buildReport(INPUT)).toEqual({
      'organization-name': 'Example Org',
      'date-range': { 'start-datetime': '2026-11-24T00:00:00Z', 'end-datetime': '2026-11-24T23:59:59Z' },
      'contact-info': 'tlsrpt@sender.example',
      'report-id': '0123456789abcdef@sender.example',
      policies: [
        {
          policy: {
            'policy-type': 'tlsa',
            'policy-string': ['3 1 1 ab'],
            'policy-domain': 'mx.a.example',
            'mx-host': ['mx.a.example'],
          },
          summary: { 'total-successful-session-count': 7, 'total-failure-session-count': 2 },
          'failure-details': [
            {
              'result-type': 'certificate-expired',
              'sending-mta-ip': '2001:db8::1',
              'receiving-mx-hostname': 'mx.a.example',
              'receiving-mx-helo': 'mx.a.example',
              'receiving-ip': '192.0.2.1',
              'failed-session-count': 2,
              'failure-reason-code': 'the certificate expired on 2026-11-01',
            },
          ],
        },
        {
          policy: {
            'policy-type': 'sts',
            'policy-string': ['version: STSv1', 'mx: *.a.example'],
            'policy-domain': 'a.example',
            'mx-host': ['*.a.example'],
          },
          summary: { 'total-successful-session-count': 0, 'total-failure-session-count': 1 },
          'failure-details': [
            {
              'result-type': 'sts-policy-fetch-error',
              'failed-session-count': 1,
              'failure-reason-code': 'HTTP 404',
            },
          ],
        },
        {
          policy: { 'policy-type': 'no-policy-found', 'policy-domain': 'a.example' },
          summary: { 'total-successful-session-count': 1, 'total-failure-session-count': 0 },
          'failure-details': [],
        },
      ],
    });
  });

  it('is named after both sides and the day (section 5.1)', () => {
    expect(reportFilename(INPUT)).toBe(
      'sender.example!a.example!1795478400!1795564799!0123456789abcdef.json.gz',
    );
    expect(new Date(1795478400_000).toISOString()).toBe('2026-11-24T00:00:00.000Z');
  });

  it('is compressed to the same octets each time, so that a second try sends the same', async () => {
    const compressed = await compress(buildReport(INPUT));
    expect(JSON.parse(gunzipSync(compressed).toString())).toEqual(buildReport(INPUT));
    expect(await compress(buildReport(INPUT))).toEqual(compressed);
  });
});

const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 });
const ed25519 = generateKeyPairSync('ed25519');
const spki = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });
const TXT: Readonly<Record<string, string>> = {
  'r._domainkey.sender.example': `v=DKIM1; k=rsa; s=tlsrpt; p=${spki(rsa.publicKey).toString('base64')}`,
  'e._domainkey.sender.example': `v=DKIM1; k=ed25519; p=${spki(ed25519.publicKey).subarray(-32).toString('base64')}`,
};
const SENDER = { pattern: 'sender.example', domain: 'sender.example' };
const KEYS: Readonly<Record<'rsa' | 'ed25519', DkimKey>> = {
  rsa: { ...SENDER, selector: 'r', algorithm: 'rsa-sha256', key: rsa.privateKey },
  ed25519: { ...SENDER, selector: 'e', algorithm: 'ed25519-sha256', key: ed25519.privateKey },
};
const lookup = (name: string) => TXT[name];

async function build(...keys: (keyof typeof KEYS)[]) {
  const compressed = await compress(buildReport(INPUT));
  const now = Date.parse('2026-11-25T01:02:03Z');
  const dkim = new Dkim(keys.map((key) => KEYS[key]));
  return await buildReportMail({ ...INPUT, to: 'reports@a.example', compressed, dkim, now });
}

async function mail(...keys: (keyof typeof KEYS)[]) {
  const built = await build(...keys);
  if (built === undefined) throw new Error('not signed');
  return built;
}

describe('buildReportMail (RFC 8460 section 5.3)', () => {
  it('has the header fields and parts that the RFC asks for', async () => {
    const { envelope, content } = await mail('rsa');
    expect(envelope).toEqual({ from: 'tlsrpt@sender.example', to: ['reports@a.example'] });
    const text = Buffer.from(content).toString('latin1');
    const header = text
      .slice(0, text.indexOf('\r\n\r\n'))
      .replace(/\r\n[ \t]+/g, ' ')
      .split('\r\n');
    for (const field of [
      'From: tlsrpt@sender.example',
      'To: reports@a.example',
      'Subject: Report Domain: a.example Submitter: sender.example Report-ID: <0123456789abcdef@sender.example>',
      'Date: Wed, 25 Nov 2026 01:02:03 +0000',
      'TLS-Report-Domain: a.example',
      'TLS-Report-Submitter: sender.example',
      'TLS-Required: No',
      'MIME-Version: 1.0',
    ]) {
      expect(header).toContain(field);
    }
    const type = header.find((field) => field.startsWith('Content-Type:'));
    expect(type).toMatch(/^Content-Type: multipart\/report; report-type="?tlsrpt"?; boundary=/);
    expect(text).toContain('Content-Type: application/tlsrpt+gzip');
    expect(text).toMatch(
      /filename="?sender\.example!a\.example!1795478400!1795564799!0123456789abcdef\.json\.gz"?\r\n/,
    );
    const checked = checkMessage(content);
    expect(checked).toMatchObject({ status: 'ok', message: { tlsRequiredNo: true } });
  });

  it('is read again by our own reader, which misses a signature where there is none', async () => {
    const { content } = await mail('ed25519');
    const found = await findReports(content);
    expect(found.notes).toEqual([]);
    expect(found.reports.map((each) => JSON.parse(Buffer.from(each).toString()))).toEqual([
      buildReport(INPUT),
    ]);
    const text = Buffer.from(content).toString('latin1');
    const unsigned = text.replace(/^DKIM-Signature:(?:.*\r\n[ \t])*.*\r\n/, '');
    expect((await findReports(Buffer.from(unsigned, 'latin1'))).notes[0]).toMatch(/no DKIM signature/);
  });

  it.each(['rsa', 'ed25519'] as const)(
    'has a valid DKIM signature, %s, over all that matters (section 3)',
    async (kind) => {
      const { content } = await mail(kind);
      const verdict = verifyDkim(content, lookup);
      expect(verdict).toMatchObject({ ok: true });
      expect(verdict.tags.get('d')).toBe('sender.example');
      const signed = verdict.tags.get('h')?.split(':') ?? [];
      expect(signed).toEqual(
        expect.arrayContaining(['tls-report-domain', 'tls-report-submitter', 'tls-required']),
      );
      for (const field of ['from', 'to', 'subject', 'content-type']) {
        // Once more than it occurs: nobody can add one.
        expect(signed.filter((name) => name === field)).toHaveLength(2);
      }
      const text = Buffer.from(content).toString('latin1');
      for (const changed of [
        text.replace('TLS-Report-Domain: a', 'TLS-Report-Domain: b'),
        text.replace('DKIM-Signature', 'Subject: another\r\nDKIM-Signature'),
        text.replace('aggregate', 'Aggregate'),
        `${text}more\r\n`,
      ]) {
        expect(verifyDkim(Buffer.from(changed, 'latin1'), lookup).ok).toBe(false);
      }
    },
  );

  it('bears two signatures where there are two keys', async () => {
    const { content } = await mail('rsa', 'ed25519');
    const text = Buffer.from(content).toString('latin1');
    expect(text.match(/^DKIM-Signature:/gm)).toHaveLength(2);
    expect(verifyDkim(content, lookup)).toMatchObject({ ok: true });
    expect(verifyDkim(content, lookup).tags.get('a')).toBe('rsa-sha256');
    const without = text.replace(/^DKIM-Signature:(?:.*\r\n[ \t])*.*\r\n/, '');
    expect(verifyDkim(Buffer.from(without, 'latin1'), lookup)).toMatchObject({ ok: true });
  });

  it('does not leave unsigned', async () => {
    expect(await build()).toBeUndefined();
  });

  it.each([
    ['the header field of a report', 'TLS-Report-Domain: a.example\r\n', true],
    [
      'the type of a report',
      'Content-Type: multipart/report;\r\n\tboundary=x; report-type="tlsrpt"\r\n',
      true,
    ],
    ['the type of a report in LF', 'Subject: x\ncontent-type: Multipart/Report; report-type=tlsrpt\n', true],
    ['a bounce', 'Content-Type: multipart/report; report-type=delivery-status\r\n', false],
    ['a mail that speaks of one', 'Subject: TLS-Report-Domain: a.example\r\n', false],
    ['one in its body', 'Subject: x\r\n\r\nTLS-Report-Domain: a.example\r\n', false],
  ])('knows what carries a report: %s', (_, text, expected) => {
    expect(isTlsReport(Buffer.from(`${text}\r\n\r\nbody\r\n`))).toBe(expected);
  });
});

describe('readReport', () => {
  const read = (value: unknown) => readReport(Buffer.from(JSON.stringify(value)));

  it('reads what we write', () => {
    expect(read(buildReport(INPUT))).toMatchObject({
      organization: 'Example Org',
      policies: [
        { type: 'tlsa', domain: 'mx.a.example', successful: 7, failed: 2, failures: [{ count: 2 }] },
        { type: 'sts', failures: [{ resultType: 'sts-policy-fetch-error', receivingIp: null }] },
        { type: 'no-policy-found', strings: [] },
      ],
      notes: [],
    });
  });

  it('reads reports that differ in harmless ways, and says so', () => {
    const report = read({
      policies: [
        {
          policy: { 'policy-type': 'sts', 'policy-domain': 'A.example', 'mx-host': '*.a.example' },
          summary: { 'total-successful-session-count': '5', 'total-failure-session-count': 1.5 },
        },
        'nonsense',
      ],
    });
    expect(report.policies).toMatchObject([
      { domain: 'a.example', mxHosts: ['*.a.example'], successful: 5, failed: 0, failures: [] },
    ]);
    expect(report.notes).toEqual(
      expect.arrayContaining([
        '"organization-name" is missing or no text',
        '"total-successful-session-count" is a text and should be a number',
        'a policy is no object',
      ]),
    );
  });

  it.each([
    ['no JSON', '{'],
    ['no object', '[]'],
    ['no policies', '{"report-id":"x"}'],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
  ])('refuses %s', (_, octets) => {
    expect(() => readReport(Buffer.from(octets))).toThrow(/it (is|has) no/);
  });

  it('a small file that would fill the memory is refused', async () => {
    const { gzipSync } = await import('node:zlib');
    const bomb = gzipSync(Buffer.alloc(60 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(100_000);
    await expect(findReports(bomb)).rejects.toThrow(/when it is decompressed/);
    await expect(findReports(bomb.subarray(0, 1000))).rejects.toThrow(/can't be decompressed/);
  });

  it('a mail without a report is refused', async () => {
    await expect(findReports(Buffer.from('Subject: hello\r\n\r\nworld\r\n'))).rejects.toThrow(/neither JSON/);
    await expect(findReports(new Uint8Array(0))).rejects.toThrow(/neither JSON/);
  });
});
