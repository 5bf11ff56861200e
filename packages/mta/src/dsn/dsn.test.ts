import { isAscii } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import type { NewMessage, QueuedEnvelope } from '../queue/queue.js';
import { type DsnInput, type DsnRecipient, makeDsn, makeDsns } from './dsn.js';

const ARRIVED = Date.UTC(2026, 10, 25, 12, 0, 0);
const HOUR = 3_600_000;

const ENVELOPE: QueuedEnvelope = {
  from: 'ann@a.example',
  requireTls: false,
  smtpUtf8: false,
  eightBit: false,
  utf8Header: false,
  tlsRequiredNo: false,
  arrived: ARRIVED,
  origin: { kind: 'smtp' },
};

const ORIGINAL = 'Message-ID: <1@a.example>\r\nSubject: hello\r\nFrom: ann@a.example\r\n\r\ntext\r\n.\r\n';

const REFUSED: DsnRecipient = {
  recipient: { address: 'bob@b.example' },
  action: 'failed',
  outcome: {
    enhancedStatus: '5.1.1',
    reply: '550 5.1.1 No such mailbox',
    host: 'mx.b.example',
    reason: 'mx.b.example [192.0.2.1]: the server said: 550 5.1.1 No such mailbox',
  },
};

const MISMATCH: DsnRecipient['outcome'] = {
  enhancedStatus: '4.7.5',
  reply: null,
  host: 'mx.c.example',
  reason:
    "mx.c.example [192.0.2.2]: the server's certificate does not match its TLSA records (RFC 7672 section 3.2): the " +
    "server's key is another one",
};

function input(more: Partial<DsnInput> = {}): DsnInput {
  return {
    envelope: ENVELOPE,
    originalId: '01k3v1wr080000000a',
    recipients: [REFUSED],
    body: Buffer.from(ORIGINAL),
    hostname: 'relay.example.net',
    now: ARRIVED + HOUR,
    id: '01k3v5bxk00000000b',
    ...more,
  };
}

function made(more: Partial<DsnInput> = {}): NewMessage & { readonly text: string } {
  const dsn = makeDsn(input(more));
  if (dsn === undefined) throw new Error('no report');
  return { ...dsn, text: Buffer.from(dsn.body).toString('utf8') };
}

/** A reader of multipart/report (RFC 6522) and of the fields of RFC 3464 section 2.1, written from their grammar. */
function parse(text: string) {
  const [, boundary = ''] =
    /^Content-Type: multipart\/report; report-type=delivery-status;\r\n boundary="([^"]+)"\r\n/mu.exec(
      text,
    ) ?? [];
  const sections = text.split(new RegExp(`\r\n--${boundary}(?=(?:--)?\r\n)`, 'u'));
  expect(sections.at(-1)).toBe('--\r\n');
  const parts = sections.slice(1, -1).map((section) => {
    const end = section.indexOf('\r\n\r\n');
    const [, type = ''] = /^Content-Type: (.*)$/mu.exec(section.slice(0, end)) ?? [];
    const [, encoding = ''] = /^Content-Transfer-Encoding: (.*)$/mu.exec(section.slice(0, end)) ?? [];
    return { type: type.trim(), encoding: encoding.trim(), content: section.slice(end + 4) };
  });
  const groups = (parts[1]?.content ?? '').split('\r\n\r\n').map((group) =>
    group
      .replaceAll(/\r\n[ \t]/gu, ' ')
      .split('\r\n')
      .filter((line) => line !== '')
      .map((line) => {
        const field = /^([A-Za-z][A-Za-z-]*): (\S.*)$/u.exec(line);
        if (field === null) throw new Error(`no field: ${line}`);
        return [field[1] ?? '', field[2] ?? ''] as const;
      }),
  );
  return { parts, message: new Map(groups[0]), recipients: groups.slice(1).map((group) => new Map(group)) };
}

describe('a report', () => {
  it('of a refusal, whole', () => {
    expect(made().text).toMatchSnapshot();
  });

  it('of a delay under DANE, whole', () => {
    const delayed = {
      recipient: { address: 'carl@c.example' },
      action: 'delayed',
      outcome: MISMATCH,
      willRetryUntil: ARRIVED + 120 * HOUR,
    } as const;
    expect(made({ recipients: [delayed], now: ARRIVED + 4 * HOUR }).text).toMatchSnapshot();
  });

  it('of what was given up after five days, whole', () => {
    const expired = { ...REFUSED, outcome: MISMATCH, expired: true };
    expect(
      made({ recipients: [expired], now: ARRIVED + 120 * HOUR, body: undefined }).text,
    ).toMatchSnapshot();
  });

  it('of what was handed on to a server without DSN, whole (RFC 3461 section 5.2.2)', () => {
    const relayed: DsnRecipient = {
      recipient: { address: 'bob@b.example', notify: ['success'], orcpt: 'rfc822;Bob@Old.example' },
      action: 'relayed',
      outcome: { enhancedStatus: '2.0.0', reply: '250 2.0.0 queued', host: 'mx.b.example', reason: 'taken' },
    };
    expect(
      made({ recipients: [relayed], envelope: { ...ENVELOPE, envid: 'QQ 314', ret: 'full' } }).text,
    ).toMatchSnapshot();
  });

  it('of a UTF-8 address to an ASCII one is ASCII, whole (RFC 6533 section 3)', () => {
    const utf8: DsnRecipient = {
      recipient: { address: 'jörg+x@b.example', orcpt: 'utf-8;j\\x{F6}rg+x@b.example' },
      action: 'failed',
      outcome: { ...REFUSED.outcome, reply: '550 5.1.1 gibt’s nicht' },
    };
    const body = Buffer.from('Subject: ü\r\n\r\nü\r\n');
    const {
      text,
      body: octets,
      envelope,
    } = made({ recipients: [utf8], body, envelope: { ...ENVELOPE, utf8Header: true, smtpUtf8: true } });
    expect(isAscii(octets)).toBe(true);
    expect(envelope).toMatchObject({ smtpUtf8: false, eightBit: false, utf8Header: false });
    expect(text).toMatchSnapshot();
  });

  it('to a UTF-8 address is UTF-8, whole (RFC 6533 section 4)', () => {
    const utf8: DsnRecipient = {
      ...REFUSED,
      recipient: { address: 'jörg@b.example', orcpt: 'utf-8;j\\x{F6}rg@b.example' },
    };
    const envelope = { ...ENVELOPE, from: 'änn@a.example', utf8Header: true, smtpUtf8: true };
    const dsn = made({ recipients: [utf8], body: Buffer.from('Subject: ü\r\n\r\nü\r\n'), envelope });
    expect(dsn.envelope).toMatchObject({ smtpUtf8: true, eightBit: true, utf8Header: true });
    expect(dsn.text).toMatchSnapshot();
  });

  it('goes to the sender, from nobody, and never causes another (RFC 3461 section 6.1)', () => {
    expect(made()).toMatchObject({
      id: '01k3v5bxk00000000b',
      envelope: { from: '', origin: { kind: 'bounce' }, arrived: ARRIVED + HOUR, tlsRequiredNo: false },
      recipients: [{ address: 'ann@a.example', destination: 'a.example', notify: 'never' }],
    });
    const { envelope } = made();
    expect(envelope.envid).toBeUndefined();
    expect(envelope.ret).toBeUndefined();
  });

  it('has the fields of RFC 3464 section 2, and the conditions of RFC 3461 section 6.3', () => {
    const { message, recipients } = parse(made().text);
    expect([...message]).toEqual([
      ['Reporting-MTA', 'dns; relay.example.net'],
      ['Arrival-Date', 'Wed, 25 Nov 2026 12:00:00 +0000'],
    ]);
    expect(recipients.map((fields) => [...fields])).toEqual([
      [
        ['Final-Recipient', 'rfc822; bob@b.example'],
        ['Action', 'failed'],
        ['Status', '5.1.1'],
        ['Remote-MTA', 'dns; mx.b.example'],
        ['Diagnostic-Code', 'smtp; 550 5.1.1 No such mailbox'],
        ['Last-Attempt-Date', 'Wed, 25 Nov 2026 13:00:00 +0000'],
        ['Final-Log-Id', '01k3v1wr080000000a'],
      ],
    ]);
  });

  it.each<[string, Partial<DsnRecipient>, string]>([
    ['a refusal for good', {}, '5.1.1'],
    ['a failure with a status of another class', { outcome: { ...MISMATCH } }, '5.7.5'],
    ['a failure without a status', { outcome: { ...MISMATCH, enhancedStatus: null } }, '5.0.0'],
    ['what was given up', { outcome: MISMATCH, expired: true }, '4.7.5'],
    [
      'what was given up without a status',
      { outcome: { ...MISMATCH, enhancedStatus: null }, expired: true },
      '4.4.7',
    ],
    ['a delay', { action: 'delayed', outcome: MISMATCH }, '4.7.5'],
    ['a status that is none', { outcome: { ...MISMATCH, enhancedStatus: '5.7.5\r\nX: y' } }, '5.0.0'],
  ])('has the status of %s (RFC 3463)', (_, more, status) => {
    const { recipients } = parse(made({ recipients: [{ ...REFUSED, ...more }] }).text);
    expect(recipients[0]?.get('Status')).toBe(status);
  });

  it('says what the sender called it and the recipient, and only where he did (RFC 3461 section 6.3 (a), (d))', () => {
    const named = { ...REFUSED, recipient: { address: 'bob@b.example', orcpt: 'rfc822;Bob@Old.example' } };
    const { message, recipients } = parse(
      made({ recipients: [named], envelope: { ...ENVELOPE, envid: 'QQ314+x' } }).text,
    );
    expect(message.get('Original-Envelope-Id')).toBe('QQ314+x');
    expect(recipients[0]?.get('Original-Recipient')).toBe('rfc822; Bob@Old.example');
    const bare = parse(made().text);
    expect(bare.message.has('Original-Envelope-Id')).toBe(false);
    expect(bare.recipients[0]?.has('Original-Recipient')).toBe(false);
  });

  it('tells only of recipients that the sender wants to hear of (RFC 3461 section 5.2.8)', () => {
    const quiet = { ...REFUSED, recipient: { address: 'carl@b.example', notify: 'never' } } as const;
    const { text } = made({ recipients: [quiet, REFUSED] });
    expect(text).not.toContain('carl');
    expect(parse(text).recipients).toHaveLength(1);
    expect(makeDsn(input({ recipients: [quiet] }))).toBeUndefined();
    expect(makeDsn(input({ envelope: { ...ENVELOPE, from: '' } }))).toBeUndefined();
  });

  it('refers to the message that it is about, and to nothing that only looks like its Message-ID', () => {
    expect(made().text).toContain('In-Reply-To: <1@a.example>\r\nReferences: <1@a.example>\r\n');
    const forged = Buffer.from('Message-ID: <1@a.example>\r\n\t<x@y>\r\n\r\n');
    expect(made({ body: forged }).text).not.toContain('In-Reply-To');
  });

  const long = Buffer.from(`A: b\r\n\r\n${'text\r\n'.repeat(20_000)}`);
  const huge = Buffer.from(`A: b\r\n\r\n${'text\r\n'.repeat(200_000)}`);
  it.each<[string, Partial<QueuedEnvelope>, Uint8Array, DsnRecipient['action'], string]>([
    ['a short message whole', {}, Buffer.from(ORIGINAL), 'failed', 'message/rfc822'],
    [
      'the header where RET=HDRS was said',
      { ret: 'hdrs' },
      Buffer.from(ORIGINAL),
      'failed',
      'text/rfc822-headers',
    ],
    ['the header of a long message', {}, long, 'failed', 'text/rfc822-headers'],
    ['a long message whole where RET=FULL was said', { ret: 'full' }, long, 'failed', 'message/rfc822'],
    ['the header where it is very long all the same', { ret: 'full' }, huge, 'failed', 'text/rfc822-headers'],
    ['the header with a delay', { ret: 'full' }, Buffer.from(ORIGINAL), 'delayed', 'text/rfc822-headers'],
    [
      'the header of a REQUIRETLS message (RFC 8689 section 5)',
      { ret: 'full', requireTls: true },
      Buffer.from(ORIGINAL),
      'failed',
      'text/rfc822-headers',
    ],
    [
      'a UTF-8 message, encoded (RFC 6533 section 4.5)',
      { utf8Header: true },
      Buffer.from('A: ü\r\n\r\nx\r\n'),
      'failed',
      'message/global',
    ],
    [
      'a UTF-8 header, encoded',
      { utf8Header: true, ret: 'hdrs' },
      Buffer.from('A: ü\r\n\r\nx\r\n'),
      'failed',
      'message/global-headers',
    ],
  ])('returns %s (RFC 3461 section 6.2)', (_, more, body, action, type) => {
    const { text, envelope } = made({
      envelope: { ...ENVELOPE, ...more },
      body,
      recipients: [{ ...REFUSED, action }],
    });
    const { parts } = parse(text);
    const original = Buffer.from(body).toString();
    const header = original.slice(0, original.indexOf('\r\n\r\n') + 2);
    expect(parts.map((part) => part.type)).toEqual([
      'text/plain; charset=us-ascii',
      'message/delivery-status',
      type,
    ]);
    const [, , part] = parts;
    const content =
      part?.encoding === 'base64' ? Buffer.from(part.content, 'base64').toString() : part?.content;
    expect(content).toBe(type === 'message/rfc822' || type === 'message/global' ? original : header);
    expect(envelope.requireTls).toBe(more.requireTls ?? false);
  });

  it('returns 8-bit text as it is, and says so', () => {
    const { text, envelope } = made({ body: Buffer.from('A: b\r\n\r\nü\r\n') });
    expect(parse(text).parts[2]).toMatchObject({ type: 'message/rfc822', encoding: '8bit' });
    expect(envelope).toMatchObject({ eightBit: true, utf8Header: false });
  });

  it('is still made where the message is lost, and says so', () => {
    const { text } = made({ body: undefined });
    expect(parse(text).parts).toHaveLength(2);
    expect(text).toContain('The message itself is lost');
  });

  it('cuts a header without end at the end of a line', () => {
    const body = Buffer.from(`${`B: ${'x'.repeat(500)}\r\n`.repeat(500)}\r\n`);
    const content =
      parse(made({ body, envelope: { ...ENVELOPE, ret: 'hdrs' } }).text).parts[2]?.content ?? '';
    expect(content.length).toBeLessThanOrEqual(64 * 1024);
    expect(content.endsWith('x\r\n')).toBe(true);
  });

  it.each<[string, Partial<DsnRecipient>]>([
    [
      'a reply',
      {
        outcome: { ...REFUSED.outcome, reply: '550 x\r\nAction: delivered\r\n\r\n--=_01k3v5bxk00000000b--' },
      },
    ],
    ['a reason', { outcome: { ...MISMATCH, reason: 'x\r\nAction: delivered\u2028\u202e' } }],
    ['a host', { outcome: { ...REFUSED.outcome, host: 'mx\r\nAction: delivered' } }],
    ['an ORCPT', { recipient: { address: 'b@b.example', orcpt: 'rfc822;x\r\nAction: delivered' } }],
    [
      'a reply of a thousand characters',
      { outcome: { ...REFUSED.outcome, reply: `550 ${'ü'.repeat(1500)}` } },
    ],
  ])('is not broken by %s', (_, more) => {
    const { text } = made({ recipients: [{ ...REFUSED, ...more }] });
    const { recipients } = parse(text);
    expect(recipients).toHaveLength(1);
    expect(recipients[0]?.get('Action')).toBe('failed');
    for (const line of text.split('\r\n')) expect(Buffer.byteLength(line)).toBeLessThanOrEqual(998);
    expect(text).not.toMatch(/[^\r]\n|\r[^\n]/u);
  });

  it('leaves an ORCPT out that is none', () => {
    const { text } = made({
      recipients: [{ ...REFUSED, recipient: { address: 'b@b.example', orcpt: 'nothing' } }],
    });
    expect(text).not.toContain('Original-Recipient');
  });

  it('names itself as RFC 3461 section 6.3 (b) asks where it has no full name', () => {
    expect(parse(made({ hostname: 'relay' }).text).message.get('Reporting-MTA')).toBe(
      'x-local-hostname; relay',
    );
  });
});

describe('makeDsns', () => {
  it('makes one report of each kind that is due', () => {
    let number = 0;
    const dsns = makeDsns(
      input({
        recipients: [
          REFUSED,
          { ...REFUSED, action: 'delayed' },
          { ...REFUSED, recipient: { address: 'c@b.example' } },
          { ...REFUSED, action: 'relayed' },
        ],
      }),
      () => `id${number++}`,
    );
    expect(dsns.map(({ id }) => id)).toEqual(['id0', 'id1']);
    const [failed, delayed] = dsns.map(({ body }) => parse(Buffer.from(body).toString()).recipients);
    expect(failed?.map((fields) => fields.get('Final-Recipient'))).toEqual([
      'rfc822; bob@b.example',
      'rfc822; c@b.example',
    ]);
    expect(delayed?.map((fields) => fields.get('Action'))).toEqual(['delayed']);
  });
});
