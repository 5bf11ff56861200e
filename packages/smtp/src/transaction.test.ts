import { verifyCertificate } from '@danelaw/dane';
import { afterEach, describe, expect, it } from 'vitest';
import { connectTcp } from './connection.js';
import type { DsnRequest, RecipientDsn } from './delivery-status.js';
import { type Mailbox, parseMailbox } from './mailbox.js';
import { checkMessage, type Message } from './message.js';
import { openSession } from './session.js';
import { type Script, type ScriptedServer, startServer } from './testing/scripted-server.js';
import { DEFAULT_TIMEOUTS, type Stage, type Timeouts } from './timeouts.js';
import { type Transaction, transact } from './transaction.js';

const servers: ScriptedServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const TEXT = 'Subject: x\r\n\r\n.dot\r\n';

function message(text: string): Message {
  const checked = checkMessage(Buffer.from(text));
  if (checked.status !== 'ok') throw new Error(checked.reason);
  return checked.message;
}

function mailbox(text: string): Mailbox {
  const parsed = parseMailbox(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

interface Sent {
  readonly to?: readonly string[];
  readonly from?: string;
  readonly text?: string;
  readonly timeouts?: Partial<Timeouts>;
  readonly deadline?: AbortSignal;
  readonly dsn?: Omit<DsnRequest, 'recipients'> & { readonly to: readonly RecipientDsn[] };
}

async function send(
  script: Script,
  { to = ['b@example.org'], from = 'a@example.net', text = TEXT, timeouts, deadline, dsn }: Sent = {},
) {
  const server = await startServer(script);
  servers.push(server);
  const opened = await openSession({
    target: { address: '127.0.0.1', family: 4, port: server.port },
    policy: { level: 'none', source: 'test' },
    heloName: 'client.example',
    connect: connectTcp,
    verify: verifyCertificate,
    timeouts: { ...DEFAULT_TIMEOUTS, ...timeouts },
    clock: Date.now,
    deadline,
  });
  if (opened.status !== 'open') throw opened.fault;
  const sender = from === '' ? undefined : mailbox(from);
  const recipients = to.map(mailbox);
  const done = await transact(opened.session, {
    from: sender,
    recipients,
    message: message(text),
    dsn: dsn && { ...dsn, recipients: new Map(recipients.map((each, i) => [each, dsn.to[i] ?? {}])) },
  });
  opened.session.connection.destroy();
  const heard = server.connections[0];
  if (heard === undefined) throw new Error('nobody came');
  // A server that does not read never hears that we are gone.
  if (script.deaf !== true) await heard.closed;
  return { done, heard, commands: heard.commands.slice(1) };
}

const statuses = (done: Transaction): string[] => done.verdicts.map(({ verdict }) => verdict.status);
const verdictOf = (done: Transaction) => done.verdicts[0]?.verdict;

const PLAIN = { offers: ['SIZE', '8BITMIME', 'SMTPUTF8'] };

describe.each<[string, Script]>([
  ['with PIPELINING (RFC 2920)', {}],
  ['without PIPELINING', PLAIN],
])('a transaction %s', (_, offers) => {
  it('gives the message to all recipients, dots doubled', async () => {
    const { done, heard, commands } = await send(offers, { to: ['b@example.org', 'c@example.org'] });
    expect(statuses(done)).toEqual(['accepted', 'accepted']);
    expect(done.fault).toBeUndefined();
    expect(commands).toEqual([
      `MAIL FROM:<a@example.net> SIZE=${TEXT.length}`,
      'RCPT TO:<b@example.org>',
      'RCPT TO:<c@example.org>',
      'DATA',
    ]);
    expect(heard.data).toEqual(['Subject: x\r\n\r\n..dot\r\n.\r\n']);
  });

  it('has a verdict for each recipient', async () => {
    const replies = { 'RCPT TO:<b': '550 5.1.1 no', 'RCPT TO:<c': '450 4.2.1 later' };
    const { done } = await send(
      { ...offers, replies },
      { to: ['b@example.org', 'c@example.org', 'd@example.org'] },
    );
    expect(done.verdicts.map(({ recipient, verdict }) => [recipient.address, verdict.status])).toEqual([
      ['b@example.org', 'refused'],
      ['c@example.org', 'later'],
      ['d@example.org', 'accepted'],
    ]);
  });

  it('sends no message where all recipients are refused', async () => {
    const { done, heard } = await send({ ...offers, replies: { RCPT: '550 5.1.1 no', DATA: '554 nobody' } });
    expect(verdictOf(done)).toMatchObject({ status: 'refused', stage: 'rcpt', reply: { enhanced: '5.1.1' } });
    expect(heard.data).toEqual([]);
  });

  it.each<[string, NonNullable<Script['replies']>, string, number]>([
    ['MAIL refused for good', { MAIL: '550 5.7.1 no', RCPT: '503 no', DATA: '503 no' }, 'refused', 550],
    ['MAIL refused for now', { MAIL: '451 4.3.0 no', RCPT: '503 no', DATA: '503 no' }, 'later', 451],
    ['DATA refused for good', { DATA: '554 no' }, 'refused', 554],
    ['DATA refused for now', { DATA: '451 no' }, 'later', 451],
    [
      '552 to RCPT for the size (RFC 1870 section 6.4)',
      { RCPT: '552 5.3.4 too big', DATA: '503 no' },
      'refused',
      552,
    ],
    [
      '552 to RCPT for their number (RFC 5321 section 4.5.3.1.10)',
      { RCPT: '552 5.5.3 too many', DATA: '503 no' },
      'later',
      552,
    ],
    ['421 to MAIL (RFC 5321 section 3.8)', { MAIL: '421 bye', RCPT: null, DATA: null }, 'later', 421],
    ['421 to RCPT', { RCPT: '421 bye', DATA: null }, 'later', 421],
  ])('with %s', async (__, replies, status, code) => {
    expect(verdictOf((await send({ ...offers, replies })).done)).toMatchObject({ status, reply: { code } });
  });

  it.each<[string, string, string]>([
    ['refused for good', '554 5.6.0 no', 'refused'],
    ['refused for now', '451 4.3.0 no', 'later'],
    ['answered with 421', '421 bye', 'later'],
  ])('whose message is %s', async (__, endOfData, status) => {
    const { done } = await send({ ...offers, endOfData });
    expect(verdictOf(done)).toMatchObject({ status, reply: { code: Number(endOfData.slice(0, 3)) } });
  });

  it('is in doubt where the server goes away after the final dot', async () => {
    const { done } = await send({ ...offers, endOfData: 'close' });
    expect(verdictOf(done)).toMatchObject({
      status: 'lost',
      inDoubt: true,
      reason: expect.stringContaining('may arrive twice'),
    });
    expect(done.fault).toBeDefined();
  });

  it('is in doubt where the server is silent after the final dot (RFC 5321 section 4.5.3.2.6)', async () => {
    const { done } = await send({ ...offers, endOfData: null }, { timeouts: { 'data-end': 20 } });
    expect(verdictOf(done)).toMatchObject({ status: 'lost', inDoubt: true });
  });

  it('is not in doubt where the server goes away before', async () => {
    const { done } = await send({ ...offers, replies: { RCPT: 'close', DATA: null } });
    expect(verdictOf(done)).toMatchObject({ status: 'lost', inDoubt: false });
  });

  it('does not take an acceptance where none can be: 250 in answer to DATA', async () => {
    const { done, heard } = await send({ ...offers, replies: { DATA: '250 ok' } });
    expect(verdictOf(done)).toMatchObject({ status: 'lost', fault: { kind: 'protocol' } });
    expect(heard.data).toEqual([]);
  });

  it('uses the null reverse-path (RFC 5321 section 4.5.5)', async () => {
    expect((await send(offers, { from: '' })).commands[0]).toMatch(/^MAIL FROM:<> /);
  });

  it('goes in several where there are more than 100 recipients (RFC 5321 section 4.5.3.1.8)', async () => {
    const to = Array.from({ length: 201 }, (__, index) => `r${index}@example.org`);
    const { done, heard, commands } = await send(offers, { to });
    expect(new Set(statuses(done))).toEqual(new Set(['accepted']));
    expect(done.verdicts.map(({ recipient }) => recipient.address)).toEqual(to);
    expect(heard.data).toHaveLength(3);
    // The end of a message clears all buffers (section 4.1.1.4).
    expect(commands.filter((command) => command === 'RSET')).toEqual([]);
  });

  it('goes in several where the server takes fewer (RFC 5321 section 4.5.3.1.10)', async () => {
    const to = ['b', 'c', 'd', 'e', 'f'].map((name) => `${name}@example.org`);
    const twoAtATime = ({ commands }: { readonly commands: readonly string[] }): string => {
      const last = commands.findLastIndex((line) => line.startsWith('MAIL'));
      return commands.length - last > 3 ? '452 4.5.3 too many recipients' : '250 2.1.5 ok';
    };
    const { done, heard, commands } = await send({ ...offers, replies: { RCPT: twoAtATime } }, { to });
    expect(statuses(done)).toEqual(to.map(() => 'accepted'));
    expect(done.verdicts.map(({ recipient }) => recipient.address)).toEqual(to);
    expect(heard.data).toHaveLength(3);
    expect(commands.filter((line) => line.startsWith('RCPT'))).toHaveLength(5 + 3);
  });

  it.each([
    ['a recipient is refused for now', { 'RCPT TO:<c': '452 4.2.2 full' }, ['accepted', 'later']],
    ['nobody is taken', { RCPT: '452 4.5.3 too many recipients' }, ['later', 'later']],
  ])('is not repeated where %s', async (_, replies, expected) => {
    const { done, commands } = await send({ ...offers, replies }, { to: ['b@example.org', 'c@example.org'] });
    expect(statuses(done)).toEqual(expected);
    expect(commands.filter((line) => line.startsWith('MAIL'))).toHaveLength(1);
  });

  it('is reset before the next where it ended without a message (RFC 5321 section 4.1.1.5)', async () => {
    const to = Array.from({ length: 150 }, (__, index) => `r${index}@example.org`);
    const { done, commands } = await send({ ...offers, replies: { MAIL: '550 no', DATA: '503 no' } }, { to });
    expect(new Set(statuses(done))).toEqual(new Set(['refused']));
    const [mail] = commands;
    expect(commands.filter((command) => !/^(RCPT|DATA)/u.test(command))).toEqual([mail, 'RSET', mail]);
  });
});

describe('PIPELINING (RFC 2920)', () => {
  it('answers 354 with a lone dot where nobody was accepted (section 3.1)', async () => {
    const { done, heard } = await send({
      replies: { RCPT: '550 5.1.1 no' },
      endOfData: '554 no valid recipients',
    });
    expect(heard.data).toEqual(['.\r\n']);
    expect(verdictOf(done)).toMatchObject({ status: 'refused', stage: 'rcpt', reply: { code: 550 } });
    expect(done.fault).toBeUndefined();
  });

  it('does not take a message to nobody for delivered, though the server says 250', async () => {
    const { done } = await send({ replies: { MAIL: '450 later', RCPT: '550 no' }, endOfData: '250 taken' });
    expect(verdictOf(done)).toMatchObject({ status: 'later', stage: 'mail', reply: { code: 450 } });
  });

  it('sends the envelope in one write and the message in another', async () => {
    const { heard } = await send({}, { to: ['b@example.org', 'c@example.org'] });
    expect(heard.pieces).toHaveLength(3);
    expect(heard.pieces[1]).toMatch(/^MAIL .*RCPT .*RCPT .*DATA\r\n$/s);
    expect(heard.pieces[2]).toMatch(/^Subject: .*\r\n\.\r\n$/s);
  });
});

describe('what a server can not carry', () => {
  const eightBit = 'Subject: x\r\n\r\n\u00e9\r\n';
  const utf8Header = 'Subject: \u00e9\r\n\r\nx\r\n';
  it.each<[string, readonly string[], Sent, string]>([
    ['8-bit content without 8BITMIME (RFC 6152)', ['SIZE'], { text: eightBit }, '5.6.3'],
    ['a UTF-8 recipient without SMTPUTF8 (RFC 6531)', ['8BITMIME'], { to: ['\u00e9@example.org'] }, '5.6.7'],
    ['a UTF-8 sender without SMTPUTF8', ['8BITMIME'], { from: '\u00e9@example.org' }, '5.6.7'],
    ['a UTF-8 header without SMTPUTF8', ['8BITMIME'], { text: utf8Header }, '5.6.9'],
    ['a UTF-8 header without either', ['SIZE'], { text: utf8Header }, '5.6.9'],
    ['a message larger than SIZE (RFC 1870)', ['SIZE 10'], {}, '5.3.4'],
  ])('is refused before MAIL: %s', async (_, offers, sent, enhanced) => {
    const { done, commands } = await send({ offers }, sent);
    expect(verdictOf(done)).toMatchObject({ status: 'refused', reply: undefined, enhanced });
    expect(commands).toEqual([]);
  });

  it('is refused for the UTF-8 recipient alone', async () => {
    const { done } = await send({ offers: ['8BITMIME'] }, { to: ['\u00e9@example.org', 'b@example.org'] });
    expect(statuses(done)).toEqual(['refused', 'accepted']);
  });

  it.each<[string, Sent, RegExp]>([
    ['BODY=8BITMIME for 8-bit content', { text: eightBit }, / BODY=8BITMIME$/],
    ['SMTPUTF8 for a UTF-8 address', { to: ['\u00e9@example.org'] }, / SMTPUTF8$/],
    ['SMTPUTF8 for a UTF-8 header', { text: utf8Header }, / BODY=8BITMIME SMTPUTF8$/],
    ['SIZE and nothing else for ASCII', {}, /^MAIL FROM:<a@example\.net> SIZE=[0-9]+$/],
  ])('is not the case: MAIL says %s', async (_, sent, expected) => {
    expect((await send({}, sent)).commands[0]).toMatch(expected);
  });

  it('is not the case where SIZE is 0, no fixed limit (RFC 1870 section 4)', async () => {
    expect(statuses((await send({ offers: ['SIZE 0'] })).done)).toEqual(['accepted']);
  });
});

describe('a large message', () => {
  const line = `${'x'.repeat(98)}\r\n`;
  const large = `Subject: x\r\n\r\n${line.repeat(20_000)}`;

  it('arrives whole', async () => {
    const { done, heard } = await send({}, { text: large });
    expect(statuses(done)).toEqual(['accepted']);
    expect(heard.data[0]).toBe(`${large}.\r\n`);
  });

  it.each<[string, string]>([
    ['552 5.3.4 too big', 'refused'],
    ['451 4.3.1 full', 'later'],
  ])(
    'is answered where the server refuses in the middle of it and hangs up: %s',
    async (duringData, status) => {
      const { done } = await send(
        { offers: ['PIPELINING'], duringData },
        { text: `${large}${line.repeat(100_000)}` },
      );
      expect(verdictOf(done)).toMatchObject({ status, reply: { code: Number(duringData.slice(0, 3)) } });
      expect(done.fault).toBeDefined();
    },
  );

  it('is not delivered by an acceptance that comes before its end', async () => {
    const { done } = await send(
      { offers: ['PIPELINING'], duringData: '250 2.0.0 taken' },
      { text: `${large}${line.repeat(100_000)}` },
    );
    expect(verdictOf(done)).toMatchObject({ status: 'lost', inDoubt: false, fault: { kind: 'protocol' } });
  });
});

describe('the deadline of a delivery', () => {
  it('does not count while the end of the message is being answered (RFC 5321 section 4.5.3.2.6)', async () => {
    const deadline = new AbortController();
    const { done } = await send({ onMessage: () => deadline.abort() }, { deadline: deadline.signal });
    expect(statuses(done)).toEqual(['accepted']);
  });

  it('counts before', async () => {
    const deadline = new AbortController();
    const sending = send({ replies: { DATA: null } }, { deadline: deadline.signal });
    deadline.abort();
    await expect(sending).rejects.toMatchObject({ kind: 'deadline' });
  });
});

describe('time-outs (RFC 5321 section 4.5.3.2)', () => {
  it('are those of the RFC, unless told otherwise', () => {
    const minutes = (stage: Stage): number => DEFAULT_TIMEOUTS[stage] / 60_000;
    const stages: Stage[] = ['greeting', 'mail', 'rcpt', 'data', 'data-block', 'data-end'];
    expect(stages.map(minutes)).toEqual([5, 5, 5, 2, 3, 10]);
  });

  it.each<[Stage, Script]>([
    ['mail', { ...PLAIN, replies: { MAIL: null } }],
    ['rcpt', { ...PLAIN, replies: { RCPT: null } }],
    ['data', { ...PLAIN, replies: { DATA: null } }],
    ['data', { replies: { DATA: null } }],
    ['data-block', { offers: ['PIPELINING'], deaf: true }],
    ['data-end', { endOfData: null }],
  ])('run for each stage: %s', async (stage, script) => {
    const text =
      stage === 'data-block' ? `Subject: x\r\n\r\n${`${'x'.repeat(98)}\r\n`.repeat(300_000)}` : TEXT;
    const { done } = await send(script, { text, timeouts: { [stage]: 30 } });
    expect(verdictOf(done)).toMatchObject({ status: 'lost', fault: { kind: 'timeout', stage } });
  });
});

describe('what the sender wants to hear (RFC 3461)', () => {
  const dsn = {
    envid: 'QQ 3+14',
    ret: 'hdrs',
    to: [
      { notify: ['success', 'failure'], orcpt: 'rfc822;Bob+x=y@Old.example' },
      { notify: 'never' },
      {},
      { orcpt: 'utf-8;j\u00f6rg\\x{2B}=@b.example' },
    ],
  } as const;
  const to = ['b@example.org', 'c@example.org', 'd@example.org', 'e@example.org'];

  it.each([[['PIPELINING', 'DSN']], [['DSN']]])(
    'goes on with the same values where the server offers DSN (section 5.2.1; %s)',
    async (offers) => {
      const { commands } = await send({ offers }, { to, dsn });
      expect(commands.slice(0, 5)).toEqual([
        'MAIL FROM:<a@example.net> RET=HDRS ENVID=QQ+203+2B14',
        'RCPT TO:<b@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob+2Bx+3Dy@Old.example',
        'RCPT TO:<c@example.org> NOTIFY=NEVER',
        'RCPT TO:<d@example.org>',
        // RFC 6533 section 3: the 7-bit form.
        'RCPT TO:<e@example.org> ORCPT=utf-8;j\\x{F6}rg\\x{2B}\\x{3D}@b.example',
      ]);
    },
  );

  it('is not said where the sender said nothing (section 5.2.1)', async () => {
    const { commands } = await send({ offers: ['DSN'] }, { dsn: { to: [] } });
    expect(commands.slice(0, 2)).toEqual(['MAIL FROM:<a@example.net>', 'RCPT TO:<b@example.org>']);
  });

  it('is not said where the server does not offer DSN (section 5.2.2 (a))', async () => {
    const { commands } = await send({ offers: ['PIPELINING'] }, { to, dsn });
    expect(commands.slice(0, 2)).toEqual(['MAIL FROM:<a@example.net>', 'RCPT TO:<b@example.org>']);
  });

  it('can add no command', async () => {
    const { commands } = await send(
      { offers: ['DSN'] },
      { dsn: { envid: 'a\r\nRSET', to: [{ orcpt: 'rfc822;b\r\nRSET' }] } },
    );
    expect(commands.slice(0, 2)).toEqual([
      'MAIL FROM:<a@example.net> ENVID=a+0D+0ARSET',
      'RCPT TO:<b@example.org> ORCPT=rfc822;b+0D+0ARSET',
    ]);
  });
});
