/** What others publish and send us: whatever it is, it is read, or refused with an error of its own. */
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { summarize } from './causes.js';
import { readTlsRptRecord } from './record.js';
import { findReports } from './report-input.js';
import { ReportError, readReport } from './report-reader.js';

const long = Number(process.env['DANELAW_FUZZ'] ?? 0);
/** The short mode is the same each time; the long one is new each time, and prints its seed where it fails. */
const runs = long > 0 ? { numRuns: long } : { numRuns: 400, seed: 8460 };
const timeout = long > 0 ? long * 5 : 30_000;

const KEYS = [
  'policies',
  'policy',
  'summary',
  'failure-details',
  'result-type',
  'failed-session-count',
  'policy-type',
  'policy-string',
  'mx-host',
  'date-range',
  '__proto__',
];

const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constant(null),
    fc.integer(),
    fc.string(),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...KEYS), tie('value'), { maxKeys: 6 }),
  ),
})).value;

function read(octets: Uint8Array): void {
  try {
    const report = readReport(octets);
    for (const { sessions } of summarize([report]).flatMap(({ problems }) => problems)) {
      expect(Number.isSafeInteger(sessions)).toBe(true);
    }
  } catch (error) {
    expect(error).toBeInstanceOf(ReportError);
  }
}

describe('reports of others, under fuzz', () => {
  it('JSON of any shape', { timeout }, () => {
    fc.assert(
      fc.property(json, fc.boolean(), (value, asPolicies) => {
        read(Buffer.from(JSON.stringify(asPolicies ? { policies: [value, { policy: value }] } : value)));
      }),
      runs,
    );
  });

  it('octets, gzip of octets, and mails around them', { timeout }, async () => {
    const around = fc.constantFrom('', '{', 'Content-Type: application/tlsrpt+gzip\r\n\r\n', 'A: b\r\n\r\n');
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), around, fc.boolean(), async (octets, head, zip) => {
        const whole = Buffer.concat([Buffer.from(head), zip ? gzipSync(octets) : octets]);
        try {
          for (const report of (await findReports(whole)).reports) read(report);
        } catch (error) {
          expect(error).toBeInstanceOf(ReportError);
        }
      }),
      runs,
    );
  });
});

describe('TLSRPT records, under fuzz', () => {
  it('give plain mailboxes and https URLs, or nothing', { timeout }, () => {
    const words = fc.constantFrom(
      ';',
      '=',
      ',',
      'rua',
      'rua=',
      'mailto:',
      'https://',
      '%',
      '@',
      ' ',
      'a.example',
    );
    const part = fc.oneof(words, fc.string());
    fc.assert(
      fc.property(fc.array(part, { maxLength: 20 }), (parts) => {
        const read = readTlsRptRecord([`v=TLSRPTv1;${parts.join('')}`]);
        if (read.status !== 'record') return;
        for (const each of read.destinations) {
          if (each.kind === 'mailto') expect(each.mailbox).toMatch(/^[\x21-\x7e]+@[a-z0-9._-]+$/u);
          else expect(each.url.protocol).toBe('https:');
        }
      }),
      runs,
    );
  });
});
