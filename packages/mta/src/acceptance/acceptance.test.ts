import { describe, expect, it } from 'vitest';
import { type NewMessage, QueueFullError } from '../queue/queue.js';
import { isQueueId } from '../queue/queue-id.js';
import { type AcceptanceOptions, createAcceptance } from './acceptance.js';
import type { Submission } from './submission.js';

const NOW = Date.UTC(2026, 10, 25, 15, 35, 33);

/** An acceptance over a queue that remembers. */
function setUp(options: Partial<AcceptanceOptions> = {}) {
  const kept: NewMessage[] = [];
  const acceptance = createAcceptance({
    queue: { add: async (message) => void kept.push(message) },
    hostname: 'relay.example.net',
    clock: () => NOW,
    random: (octets) => new Uint8Array(octets),
    ...options,
  });
  return { acceptance, kept };
}

const MESSAGE =
  'Date: Wed, 25 Nov 2026 15:00:00 +0000\r\nMessage-ID: <1@a.example>\r\nFrom: ann@a.example\r\n\r\ntext\r\n';

function submission(text: string | Uint8Array = MESSAGE, more: Partial<Submission> = {}): Submission {
  return {
    origin: { kind: 'smtp', client: '192.0.2.1', helo: 'client.example', protocol: 'ESMTP' },
    from: 'ann@a.example',
    recipients: [{ address: 'bob@b.example' }],
    octets: typeof text === 'string' ? Buffer.from(text) : text,
    requireTls: false,
    smtpUtf8: false,
    complete: false,
    ...more,
  };
}

/** The message as it came into the queue. */
async function accepted(
  more: Partial<Submission> = {},
  text: string = MESSAGE,
  options: Partial<AcceptanceOptions> = {},
) {
  const { acceptance, kept } = setUp(options);
  const result = await acceptance.accept(submission(text, more));
  expect(result).toMatchObject({ status: 'accepted' });
  const [message] = kept;
  if (message === undefined) throw new Error('nothing was kept');
  return { ...message, text: Buffer.from(message.body).toString('utf8') };
}

describe('accept', () => {
  it("puts a Received field on top of another relay's message, and changes nothing else (RFC 5321 section 4.4)", async () => {
    const { text, id, envelope, recipients } = await accepted();
    expect(text).toBe(
      'Received: from client.example ([192.0.2.1])\r\n' +
        `\tby relay.example.net with ESMTP id ${id}\r\n` +
        '\tfor <bob@b.example>;\r\n\tWed, 25 Nov 2026 15:35:33 +0000\r\n' +
        MESSAGE,
    );
    expect(isQueueId(id)).toBe(true);
    expect(envelope).toEqual({
      from: 'ann@a.example',
      envid: undefined,
      ret: undefined,
      requireTls: false,
      smtpUtf8: false,
      eightBit: false,
      utf8Header: false,
      tlsRequiredNo: false,
      arrived: NOW,
      origin: { kind: 'smtp', client: '192.0.2.1', helo: 'client.example', protocol: 'ESMTP' },
    });
    expect(recipients).toEqual([
      { address: 'bob@b.example', destination: 'b.example', notify: undefined, orcpt: undefined },
    ]);
  });

  it('names no recipient in the Received field where there are several (RFC 5321 section 7.6)', async () => {
    const { text } = await accepted({ recipients: [{ address: 'a@b.example' }, { address: 'b@b.example' }] });
    expect(text).not.toContain('for <');
  });

  it('says in the Received field how the session was protected', async () => {
    const origin = { kind: 'smtp', client: '2001:db8::1', helo: 'c.example', protocol: 'ESMTPSA' } as const;
    const { text } = await accepted({
      origin,
      tls: { protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' },
    });
    expect(text).toContain(
      'Received: from c.example ([IPv6:2001:db8::1])\r\n' +
        '\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)\r\n' +
        '\tby relay.example.net with ESMTPSA id ',
    );
  });

  it('names the protocol of RFC 6531 section 4.3 where SMTPUTF8 was said, and no UTF-8 address', async () => {
    const { text, envelope } = await accepted({
      smtpUtf8: true,
      recipients: [{ address: 'jörg@b.example' }],
    });
    expect(text).toContain('with UTF8SMTP id');
    expect(text).not.toContain('jörg');
    expect(envelope).toMatchObject({ smtpUtf8: true, utf8Header: false });
  });

  it.each<[string, string, string]>([
    ['a line end', 'a\r\nX: y', 'from a--X:-y ('],
    ['a comment that would close ours', 'a) by evil (', 'from a--by-evil-- ('],
    ['text beyond ASCII', 'a\u202eb_', 'from a-b- ('],
    ['a domain in UTF-8, as A-labels', 'bücher.example', 'from xn--bcher-kva.example ('],
    ['an address literal', '[192.0.2.7]', 'from [192.0.2.7] ('],
  ])('puts an EHLO name with %s in the field harmlessly', async (_, helo, expected) => {
    const { text } = await accepted({ origin: { kind: 'smtp', client: '192.0.2.1', helo } });
    expect(text.split('\r\n')[0]).toContain(expected);
  });

  describe('completes a submission (RFC 6409 section 8)', () => {
    it('with Date, Message-ID and From', async () => {
      const { text, id } = await accepted({ complete: true }, 'Subject: x\r\n\r\ntext\r\n');
      expect(text).toContain(
        'Date: Wed, 25 Nov 2026 15:35:33 +0000\r\n' +
          `Message-ID: <${id}@relay.example.net>\r\n` +
          'From: ann@a.example\r\n' +
          'Subject: x\r\n\r\ntext\r\n',
      );
    });

    it('and adds nothing that is there, in whatever case', async () => {
      const text = 'dAtE : x\r\nMESSAGE-ID: <a@b>\r\nfrom: c\r\n\r\n';
      expect(
        (await accepted({ complete: true }, text)).text.match(/^(date|message-id|from)/gimu),
      ).toHaveLength(3);
    });

    it('does not take a field in the body for one of the header', async () => {
      const { text } = await accepted({ complete: true }, 'Subject: x\r\n\r\nDate: y\r\n');
      expect(text.match(/^Date:/gmu)).toHaveLength(2);
    });

    it('has no From to add for the null sender', async () => {
      expect((await accepted({ complete: true, from: '' }, 'Subject: x\r\n\r\n')).text).not.toContain(
        'From:',
      );
    });

    it('marks a header that a UTF-8 sender makes UTF-8', async () => {
      const { envelope } = await accepted(
        { complete: true, smtpUtf8: true, from: 'jörg@a.example' },
        'A: b\r\n\r\n',
      );
      expect(envelope).toMatchObject({ utf8Header: true, eightBit: true });
    });

    it.each<[string, string, string]>([
      ['a body alone', 'hello\r\nworld\r\n', '\r\n\r\nhello\r\nworld\r\n'],
      ['a body alone in a Unix file', 'hello\nworld\n', '\r\n\r\nhello\r\nworld\r\n'],
      ['a body after an empty header', '\nhello\n', '\r\n\r\nhello\r\n'],
      ['nothing at all', '', '\r\n\r\n'],
    ])('and gives a header to %s', async (_, octets, end) => {
      const { text } = await accepted({ complete: true }, octets);
      expect(text).toMatch(
        /^Received: (?:[^\r]*\r\n[ \t])*[^\r]*\r\nDate: [^\r]*\r\nMessage-ID: [^\r]*\r\nFrom: /u,
      );
      expect(text.endsWith(`From: ann@a.example${end}`)).toBe(true);
    });
  });

  it('converts a Unix file', async () => {
    expect((await accepted({}, 'A: b\n\nc\n')).text).toContain('\r\nA: b\r\n\r\nc\r\n');
  });

  it('makes bare CR and LF line ends where the administrator asks for it', async () => {
    const { text } = await accepted({}, 'A: b\r\n\r\nc\n.\r\nd\re\r\r\nf', { lineEnds: 'normalise' });
    expect(text.endsWith('A: b\r\n\r\nc\r\n.\r\nd\r\ne\r\n\r\nf\r\n')).toBe(true);
  });

  const received = 'Received: x\r\n';
  it.each<[string, string | Uint8Array, number, string, RegExp]>([
    [
      'a bare LF among CRLF (SMTP smuggling)',
      'A: b\r\n\r\nc\n.\r\nd\r\n',
      554,
      '5.5.2',
      /line ends are mixed/u,
    ],
    ['a bare CR', 'A: b\r\n\r\nc\rd\r\n', 554, '5.5.2', /CR stands alone/u],
    ['a NUL', 'A: b\r\n\r\n\u0000\r\n', 554, '5.6.0', /NUL/u],
    ['a line of 999 octets', `A: b\r\n\r\n${'x'.repeat(999)}\r\n`, 554, '5.6.0', /longer than 998/u],
    ['no header', 'hello world\r\n', 554, '5.6.0', /no header field/u],
    ['nothing at all', '', 554, '5.6.0', /empty/u],
    [
      'a header in neither ASCII nor UTF-8',
      Buffer.from('A: \xe9\r\n\r\n', 'latin1'),
      554,
      '5.6.0',
      /RFC 2047/u,
    ],
    [
      'a header without end',
      `A: b\r\n${`B: ${'x'.repeat(900)}\r\n`.repeat(1200)}`,
      554,
      '5.6.0',
      /header section/u,
    ],
    [
      'more header fields than anybody writes',
      `${'A: b\r\n'.repeat(10_001)}\r\nhello\r\n`,
      554,
      '5.6.0',
      /or 10000 fields/u,
    ],
    ['101 Received fields', `${received.repeat(101)}\r\n`, 554, '5.4.6', /round in circles/u],
    [
      'an octet more than the limit',
      `A: b\r\n\r\n${'x\r\n'.repeat(1000)}`,
      552,
      '5.3.4',
      /3008 octets and 3007/u,
    ],
  ])('refuses a message with %s', async (what, octets, code, enhanced, text) => {
    const limits = what.startsWith('an octet') ? { messageOctets: 3007 } : {};
    const { acceptance, kept } = setUp({ limits });
    expect(await acceptance.accept(submission(octets))).toEqual({
      status: 'refused',
      answer: { code, enhanced, text: expect.stringMatching(text) },
    });
    expect(kept).toEqual([]);
  });

  it('takes 100 Received fields, and those in the body do not count (RFC 5321 section 6.3)', async () => {
    await accepted({}, `${received.repeat(100)}\r\n${received.repeat(10)}`);
  });

  it('refuses too many recipients for now (RFC 5321 section 4.5.3.1.10)', async () => {
    const { acceptance } = setUp({ limits: { recipients: 1 } });
    const recipients = [{ address: 'a@b.example' }, { address: 'b@b.example' }];
    expect(await acceptance.accept(submission(MESSAGE, { recipients }))).toMatchObject({
      answer: { code: 452, enhanced: '4.5.3' },
    });
  });

  it('folds recipients that are the same, and asks for what either asked for', async () => {
    const { recipients } = await accepted({
      recipients: [
        { address: 'a@B.example', notify: ['success'], orcpt: 'rfc822;x@y' },
        { address: 'A@b.example' },
        { address: 'a@b.example', notify: ['failure'] },
        { address: 'a@b.example.', notify: 'never' },
      ],
    });
    expect(recipients).toEqual([
      {
        address: 'a@b.example',
        destination: 'b.example',
        notify: ['success', 'failure'],
        orcpt: 'rfc822;x@y',
      },
      { address: 'A@b.example', destination: 'b.example', notify: undefined, orcpt: undefined },
    ]);
  });

  it('keeps what the sender asked for: ENVID, RET, NOTIFY, ORCPT (RFC 3461), REQUIRETLS (RFC 8689)', async () => {
    const { envelope, recipients } = await accepted({
      envid: 'e+1',
      ret: 'hdrs',
      requireTls: true,
      recipients: [{ address: 'a@b.example', notify: 'never', orcpt: 'rfc822;Ann@Old.example' }],
    });
    expect(envelope).toMatchObject({ envid: 'e+1', ret: 'hdrs', requireTls: true });
    expect(recipients).toMatchObject([{ notify: 'never', orcpt: 'rfc822;Ann@Old.example' }]);
  });

  it.each([
    ['counts where REQUIRETLS was not said', false, true],
    ['is ignored where REQUIRETLS was said', true, false],
  ])('TLS-Required: No %s (RFC 8689 section 4.1)', async (_, requireTls, tlsRequiredNo) => {
    const { envelope, text } = await accepted({ requireTls }, 'TLS-Required: No\r\n\r\n');
    expect(envelope).toMatchObject({ requireTls, tlsRequiredNo });
    expect(text).toContain('TLS-Required: No');
  });

  it('answers 452 4.3.1 with the reason where the queue has no room', async () => {
    const add = () => Promise.reject(new QueueFullError('the disk has 3 MB left'));
    const { acceptance } = setUp({ queue: { add } });
    expect(await acceptance.accept(submission())).toEqual({
      status: 'refused',
      answer: { code: 452, enhanced: '4.3.1', text: 'no room for it: the disk has 3 MB left' },
    });
  });

  it('answers 451 4.3.0 where anything else went wrong, and tells the log and not the client what', async () => {
    const errors: unknown[] = [];
    const fault = new Error('EIO: /var/spool');
    const queue = { add: () => Promise.reject(fault) };
    const { acceptance } = setUp({ queue, onError: (error) => errors.push(error) });
    const result = await acceptance.accept(submission());
    expect(result).toMatchObject({ status: 'refused', answer: { code: 451, enhanced: '4.3.0' } });
    expect(JSON.stringify(result)).not.toContain('EIO');
    expect(errors).toEqual([fault]);
  });

  it('says "accepted" only after the queue has it', async () => {
    let done = (): void => {};
    const added = new Promise<void>((resolve) => (done = resolve));
    const order: string[] = [];
    const { acceptance } = setUp({ queue: { add: () => added } });
    const result = acceptance.accept(submission()).then(() => order.push('accepted'));
    await new Promise((resolve) => setImmediate(resolve));
    order.push('durable');
    done();
    await result;
    expect(order).toEqual(['durable', 'accepted']);
  });

  it('leaves the octets that came alone, and keeps its own', async () => {
    const octets = Buffer.from(MESSAGE);
    const before = Buffer.from(octets);
    const { acceptance, kept } = setUp();
    await acceptance.accept(submission(octets));
    expect(octets.equals(before)).toBe(true);
    octets.fill(0); // the listener may use them again
    expect(
      Buffer.from(kept[0]?.body ?? '')
        .subarray(-before.length)
        .equals(before),
    ).toBe(true);
  });
});

describe('addresses', () => {
  const aliases = { postmaster: 'admin@a.example', root: 'ops@a.example' };
  const { acceptance } = setUp({ aliases, ownDomains: ['relay.example.net', 'Example.NET'] });

  it.each<[string, string, boolean, string, string]>([
    ['an ordinary address', 'Ann@B.example', false, 'Ann@b.example', 'b.example'],
    [
      'a domain in UTF-8, as A-labels, without SMTPUTF8',
      'ann@bücher.example',
      false,
      'ann@xn--bcher-kva.example',
      'xn--bcher-kva.example',
    ],
    [
      'a local part in UTF-8 with SMTPUTF8 (RFC 6531 section 3.4)',
      'jörg@b.example',
      true,
      'jörg@b.example',
      'b.example',
    ],
    ['a quoted local part', '"ann b@c"@b.example', false, '"ann b@c"@b.example', 'b.example'],
    ['an address literal', 'ann@[192.0.2.1]', false, 'ann@[192.0.2.1]', '[192.0.2.1]'],
    ['an IPv6 literal', 'ann@[IPv6:2001:db8::1]', false, 'ann@[IPv6:2001:db8::1]', '[IPv6:2001:db8::1]'],
    [
      'a source route, ignored (RFC 5321 appendix C)',
      '@x.example,@y.example:ann@b.example',
      false,
      'ann@b.example',
      'b.example',
    ],
    [
      'postmaster without a domain (RFC 5321 section 4.5.1)',
      'Postmaster',
      false,
      'admin@a.example',
      'a.example',
    ],
    ['postmaster at our own name', 'POSTMASTER@relay.example.net', false, 'admin@a.example', 'a.example'],
    ['another alias', 'root@example.net', false, 'ops@a.example', 'a.example'],
  ])('takes %s', async (_, address, smtpUtf8, kept, destination) => {
    expect(acceptance.checkRecipient(address, smtpUtf8)).toBeUndefined();
    const message = await accepted({ recipients: [{ address }], smtpUtf8 }, MESSAGE, {
      aliases,
      ownDomains: ['relay.example.net', 'example.net'],
    });
    expect(message.recipients).toMatchObject([{ address: kept, destination }]);
  });

  it('tells reports the address that an alias stands for (RFC 3461 section 5.2.1 (d))', async () => {
    const message = await accepted({ recipients: [{ address: 'root@relay.example.net' }] }, MESSAGE, {
      aliases,
    });
    expect(message.recipients).toMatchObject([
      { address: 'ops@a.example', orcpt: 'rfc822;root@relay.example.net' },
    ]);
  });

  it.each<[string, string, number, string, RegExp]>([
    ['a domain that is none', 'ann@-b.example', 550, '5.1.2', /label "-b"/u],
    ['a non-ASCII domain that IDNA forbids', 'ann@\u00ad.example', 550, '5.1.2', /label "\?"/u],
    ['an address without brackets', 'ann@192.0.2.1', 550, '5.1.2', /write \[192/u],
    ['a literal out of range', 'ann@[256.1.1.1]', 550, '5.1.2', /neither/u],
    ['no domain', 'ann', 501, '5.1.3', /no domain/u],
    ['nothing', '', 501, '5.1.3', /empty/u],
    ['a local part with two dots', 'a..b@b.example', 501, '5.1.3', /local part/u],
    ['a line end', 'a@b.example\r\nRSET', 501, '5.1.3', /control character/u],
    ['UTF-8 without SMTPUTF8', 'jörg@b.example', 553, '5.6.7', /SMTPUTF8 was not said/u],
    ['our own name (a loop)', 'ann@relay.example.net', 550, '5.4.6', /come back to this relay/u],
    ['one of our domains', 'ann@EXAMPLE.net', 550, '5.4.6', /come back/u],
    ['the loopback address', 'ann@[127.1.2.3]', 550, '5.4.6', /come back/u],
    ['the loopback address of IPv6', 'ann@[IPv6:0:0::1]', 550, '5.4.6', /come back/u],
    ['the loopback address in disguise', 'ann@[IPv6:::ffff:127.0.0.1]', 550, '5.4.6', /come back/u],
  ])('refuses a recipient with %s', (_, address, code, enhanced, text) => {
    const said = acceptance.checkRecipient(address, false);
    expect(said).toEqual({ code, enhanced, text: expect.stringMatching(text) });
    expect(said?.text).toMatch(/^[ -~]{1,480}$/u);
  });

  it.each<[string, string, number, string]>([
    ['a domain that is none', 'ann@-b.example', 550, '5.1.8'],
    ['no domain', 'ann', 501, '5.1.7'],
    ['UTF-8 without SMTPUTF8 (RFC 6531 section 3.5)', 'jörg@b.example', 550, '5.6.7'],
  ])('refuses a sender with %s', (_, address, code, enhanced) => {
    expect(acceptance.checkSender(address, false)).toMatchObject({ code, enhanced });
  });

  it('takes the null sender, and our own names as senders', () => {
    expect(acceptance.checkSender('', false)).toBeUndefined();
    expect(acceptance.checkSender('root@relay.example.net', false)).toBeUndefined();
  });

  it('says so where there is no address for the postmaster', () => {
    expect(setUp().acceptance.checkRecipient('postmaster', false)).toMatchObject({
      code: 550,
      enhanced: '5.1.1',
    });
  });

  it('checks once more when the message comes', async () => {
    const { acceptance, kept } = setUp();
    const bad = { recipients: [{ address: 'a@b.example' }, { address: 'ann@-b.example' }] };
    expect(await acceptance.accept(submission(MESSAGE, bad))).toMatchObject({
      answer: { enhanced: '5.1.2' },
    });
    expect(await acceptance.accept(submission(MESSAGE, { from: 'x' }))).toMatchObject({
      answer: { enhanced: '5.1.7' },
    });
    expect(await acceptance.accept(submission(MESSAGE, { recipients: [] }))).toMatchObject({
      answer: { code: 554 },
    });
    expect(kept).toEqual([]);
  });

  it('refuses an alias that leads to no address', () => {
    expect(() => setUp({ aliases: { root: 'ops' } })).toThrow(/"ops" is no mail address/u);
  });
});
