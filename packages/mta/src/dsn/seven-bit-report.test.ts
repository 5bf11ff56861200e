import { describe, expect, it } from 'vitest';
import type { Claim, NewMessage, QueuedEnvelope } from '../queue/queue.js';
import { makeDsn } from './dsn.js';
import { needsSevenBits, sevenBitReport } from './seven-bit-report.js';

const NOW = Date.UTC(2026, 10, 25, 12);
const ORIGINAL = 'Message-ID: <1@a.example>\r\nSubject: hello\r\n\r\nFrüher\r\n\r\nund später\r\n';
const NEXT = { id: '01k3v5bxk00000000c', now: NOW + 1 };

/** A report about a message, claimed for its delivery. */
function claimOf(original: string, more: Partial<QueuedEnvelope> = {}): Claim & Pick<NewMessage, 'body'> {
  const outcome = { enhancedStatus: '5.6.3', reply: null, host: 'mx.b.example', reason: 'no 8BITMIME' };
  const report = makeDsn({
    envelope: {
      from: 'ann@a.example',
      requireTls: false,
      smtpUtf8: false,
      eightBit: true,
      utf8Header: false,
      tlsRequiredNo: false,
      arrived: NOW,
      origin: { kind: 'smtp' },
      ...more,
    },
    originalId: '01k3v1wr080000000a',
    recipients: [{ recipient: { address: 'bob@b.example' }, action: 'failed', outcome }],
    body: Buffer.from(original),
    hostname: 'relay.example.net',
    now: NOW,
    id: '01k3v5bxk00000000b',
  });
  if (report === undefined) throw new Error('no report');
  const state = { held: false, due: NOW, attempts: 0, warned: false, last: undefined };
  const recipients = report.recipients.map((each, index) => ({ ...each, index, state }));
  const { id, envelope, body } = report;
  return {
    id,
    destination: 'a.example',
    envelope,
    size: body.length,
    recipients,
    fence: 1,
    leaseUntil: undefined,
    body,
  };
}

describe('a report with an 8-bit message', () => {
  it('has its header in place of the whole, and nothing else changed', () => {
    const claim = claimOf(ORIGINAL);
    expect(needsSevenBits(claim, [{ enhancedStatus: '5.6.3' }])).toBe(true);
    const before = Buffer.from(claim.body).toString('latin1');
    const signed = Buffer.from(`DKIM-Signature: v=1;\r\n b=x\r\n${before}`, 'latin1');
    const again = sevenBitReport(claim, signed, NEXT);
    const text = Buffer.from(again?.body ?? []).toString('latin1');
    const third = before.indexOf('Content-Type: message/rfc822');
    expect(text.slice(0, third)).toBe(before.slice(0, third));
    expect(text.slice(third)).toBe(
      'Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: 7bit\r\n\r\n' +
        'Message-ID: <1@a.example>\r\nSubject: hello\r\n\r\n--=_01k3v5bxk00000000b--\r\n',
    );
    expect(again).toMatchObject({
      id: NEXT.id,
      envelope: { from: '', eightBit: false, arrived: NEXT.now, origin: { kind: 'bounce' } },
      recipients: [{ address: 'ann@a.example', destination: 'a.example', notify: 'never' }],
    });
  });

  it.each<[string, Claim, string | null]>([
    ['the report failed for another reason', claimOf(ORIGINAL), '5.1.1'],
    ['it is in 7 bits', claimOf('Subject: hello\r\n\r\nhello\r\n'), '5.6.3'],
    ['it is in UTF-8, as its address is', claimOf(ORIGINAL, { from: 'änn@a.example' }), '5.6.3'],
    [
      'it is none of ours',
      { ...claimOf(ORIGINAL), envelope: { ...claimOf(ORIGINAL).envelope, origin: { kind: 'smtp' } } },
      '5.6.3',
    ],
  ])('stays as it is where %s', (_, claim, enhancedStatus) => {
    expect(needsSevenBits(claim, [{ enhancedStatus }])).toBe(false);
  });

  it('is not made of what we have not written', () => {
    expect(sevenBitReport(claimOf(ORIGINAL), Buffer.from('From: x\r\n\r\nFrüher\r\n'), NEXT)).toBeUndefined();
  });
});
