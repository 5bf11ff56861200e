/**
 * Every reply on the wire: its code, and its one enhanced status code of the code's class (RFC 2034, RFC
 * 3463); none in the greeting, in replies to EHLO and HELO, and in 3yz replies.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashPassword } from '../src/listener/password.js';
import { CertificateOnDisk, type Running, SMTPS, startListener, type WireClient } from './listener-lab.js';

const disk = new CertificateOnDisk();
let running: Running;
/** The network of clients is another one: nobody relays without a login. */
let closed: Running;
const plain = (user: string, password: string) => Buffer.from(`\0${user}\0${password}`).toString('base64');
const base64 = (text: string) => Buffer.from(text).toString('base64');

beforeAll(async () => {
  const users = new Map([['me', await hashPassword('secret')]]);
  const addresses = [{ protocol: 'smtp', host: '127.0.0.1', port: 0 } as const, SMTPS];
  const options = {
    users,
    addresses,
    certificate: disk.files,
    limits: { messageOctets: 100_000, recipients: 100 },
  };
  running = await startListener(options);
  closed = await startListener({ ...options, networks: ['192.0.2.0/24'] });
});

afterAll(async () => {
  await running.end();
  await closed.end();
  disk.remove();
});

/** Code and enhanced status codes of a reply's line, however many it has. */
function codes(line: string): string {
  const code = line.slice(0, 3);
  const enhanced = line.slice(4).match(/\b[245]\.[0-9]{1,3}\.[0-9]{1,3}\b/g) ?? [];
  return [code, ...enhanced].join(' ');
}

/** Asks one thing after the other; gives the codes of each reply, and checks what holds for all of them. */
async function converse(client: WireClient, commands: readonly (string | Uint8Array)[]): Promise<string[]> {
  const replies: string[] = [];
  for (const command of commands) {
    const line = await client.ask(command);
    replies.push(codes(line));
  }
  client.close();
  return replies;
}

const HELLO = 'EHLO client.example';
const MAIL = 'MAIL FROM:<me@example.net>';
const RCPT = 'RCPT TO:<you@example.org>';

describe('replies in clear', () => {
  it.each<[string, (string | Uint8Array)[], string]>([
    ['EHLO', [HELLO], '250'],
    ['HELO', ['HELO client.example'], '250'],
    ['EHLO without a name', ['EHLO'], '501'],
    ['EHLO with two names', ['EHLO a b'], '501'],
    ['HELO with what would be a comment in Received', ['HELO a(b)'], '501'],
    ['EHLO with a name that is too long', [`EHLO ${'a'.repeat(256)}`], '501'],
    ['MAIL', [HELLO, MAIL], '250 2.1.0'],
    ['MAIL before EHLO', [MAIL], '503 5.5.1'],
    ['MAIL behind HELO', ['HELO a', MAIL], '250 2.1.0'],
    ['MAIL within a transaction', [HELLO, MAIL, MAIL], '503 5.5.1'],
    ['MAIL without an address', [HELLO, 'MAIL'], '501 5.5.4'],
    ['MAIL with a bad address', [HELLO, 'MAIL FROM:me'], '501 5.1.7'],
    [
      'MAIL that is no UTF-8',
      [HELLO, Buffer.from('MAIL FROM:<\xff@example.org> SMTPUTF8\r\n', 'latin1')],
      '501 5.1.7',
    ],
    ['MAIL with an unknown parameter', [HELLO, `${MAIL} XYZZY=1`], '555 5.5.4'],
    ['MAIL with a bad parameter', [HELLO, `${MAIL} RET=ALL`], '501 5.5.4'],
    ['MAIL with too large a SIZE (RFC 1870 section 6.1)', [HELLO, `${MAIL} SIZE=100001`], '552 5.3.4'],
    ['MAIL with SIZE at the bound', [HELLO, `${MAIL} SIZE=100000`], '250 2.1.0'],
    ['MAIL with UTF-8 and without SMTPUTF8', [HELLO, 'MAIL FROM:<ü@example.org>'], '553 5.6.7'],
    ['MAIL with REQUIRETLS, without TLS (RFC 8689)', [HELLO, `${MAIL} REQUIRETLS`], '530 5.7.10'],
    ['RCPT', [HELLO, MAIL, RCPT], '250 2.1.5'],
    ['RCPT before MAIL', [HELLO, RCPT], '503 5.5.1'],
    ['RCPT with a bad address', [HELLO, MAIL, 'RCPT TO:<>'], '501 5.1.3'],
    ['RCPT with a bad parameter', [HELLO, MAIL, `${RCPT} NOTIFY=ALWAYS`], '501 5.5.4'],
    ['RCPT with an unknown parameter', [HELLO, MAIL, `${RCPT} RRVS=1`], '555 5.5.4'],
    ['RCPT with UTF-8 and without SMTPUTF8', [HELLO, MAIL, 'RCPT TO:<ü@example.org>'], '553 5.6.7'],
    [
      'RCPT beyond the bound (RFC 5321 section 4.5.3.1.10)',
      [HELLO, MAIL, ...Array(101).fill(RCPT)],
      '452 4.5.3',
    ],
    ['DATA', [HELLO, MAIL, RCPT, 'DATA'], '354'],
    ['DATA with an argument', [HELLO, MAIL, RCPT, 'DATA 1'], '501 5.5.4'],
    ['DATA before MAIL', [HELLO, 'DATA'], '503 5.5.1'],
    ['DATA before RCPT', [HELLO, MAIL, 'DATA'], '503 5.5.1'],
    ['DATA when all recipients were refused', [HELLO, MAIL, 'RCPT TO:<>', 'DATA'], '554 5.5.1'],
    ['a message', [HELLO, MAIL, RCPT, 'DATA', 'a\r\n.'], '250 2.0.0'],
    ['a message that is too large', [HELLO, MAIL, RCPT, 'DATA', `${'x'.repeat(100_000)}\r\n.`], '552 5.3.4'],
    ['RSET', ['RSET'], '250 2.0.0'],
    ['RSET with an argument', ['RSET now'], '501 5.5.4'],
    ['NOOP', ['NOOP'], '250 2.0.0'],
    ['NOOP with an argument (RFC 5321 section 4.1.1.9)', ['NOOP 5.1.1 x'], '250 2.0.0'],
    ['VRFY (RFC 5321 section 3.5.3)', ['VRFY you'], '252 2.0.0'],
    ['VRFY without an argument', ['VRFY'], '501 5.5.4'],
    ['EXPN', ['EXPN list'], '502 5.5.1'],
    ['HELP', ['HELP'], '214 2.0.0'],
    ['QUIT', ['QUIT'], '221 2.0.0'],
    ['QUIT with an argument', ['QUIT now'], '501 5.5.4'],
    ['TURN', ['TURN'], '502 5.5.1'],
    ['ETRN', ['ETRN example.org'], '502 5.5.1'],
    ['BDAT, which is not offered', ['BDAT 3 LAST'], '502 5.5.1'],
    ['XCLIENT', ['XCLIENT ADDR=192.0.2.1'], '500 5.5.2'],
    ['XFORWARD', ['XFORWARD NAME=a'], '500 5.5.2'],
    ['LHLO', ['LHLO a'], '500 5.5.2'],
    ['PROXY', ['PROXY TCP4 192.0.2.1 192.0.2.2 1 2'], '500 5.5.2'],
    ['WIZ, SHELL and KILL', ['WIZ x', 'SHELL', 'KILL'], '500 5.5.2'],
    ['an empty line', [''], '500 5.5.2'],
    ['octets of no kind', [Buffer.from([0xff, 0xfe, 0x00, 0x0d, 0x0a])], '500 5.5.2'],
    ['a line that is too long', [`NOOP ${'x'.repeat(5000)}`], '500 5.5.2'],
    ['a bare LF', [Buffer.from('NOOP\n')], '500 5.5.2'],
    ['a bare CR', ['NO\rOP'], '500 5.5.2'],
    ['an HTTP request', ['POST / HTTP/1.1'], '421 4.7.0'],
    ['AUTH without TLS (RFC 4954 section 4)', [HELLO, 'AUTH PLAIN'], '530 5.7.0'],
    ['STARTTLS', [HELLO, 'STARTTLS'], '220 2.0.0'],
    ['STARTTLS with an argument (RFC 3207 section 4)', [HELLO, 'STARTTLS now'], '501 5.5.4'],
    ['wrong commands without an end', Array(21).fill('XYZZY'), '421 4.7.0'],
  ])('%s', async (_, commands, expected) => {
    const replies = await converse(await running.client(), commands);
    expect(replies.at(-1)).toBe(expected);
    for (const reply of replies) expect(reply).toMatch(/^(?:[0-9]{3}|([245])[0-9]{2} \1\.[0-9]+\.[0-9]+)$/);
  });

  it.each<[string, (client: Running) => void, string[], string]>([
    [
      'a sender that the acceptance refuses',
      ({ acceptance }) => {
        acceptance.sender = { code: 550, enhanced: '5.1.8', text: 'Who?' };
      },
      [HELLO, MAIL],
      '550 5.1.8',
    ],
    [
      'a recipient that the acceptance refuses',
      ({ acceptance }) => {
        acceptance.recipient = { code: 550, enhanced: '5.1.2', text: 'No such 5.1.1 domain\r\n250 ok' };
      },
      [HELLO, MAIL, RCPT],
      '550 5.1.2 5.1.1',
    ],
    [
      'a message that the acceptance refuses',
      ({ acceptance }) => {
        acceptance.answer = async () => ({
          status: 'refused',
          answer: { code: 452, enhanced: '4.3.1', text: 'Disk full' },
        });
      },
      [HELLO, MAIL, RCPT, 'DATA', '.'],
      '452 4.3.1',
    ],
    [
      'an acceptance that fails, though it must not',
      ({ acceptance }) => {
        acceptance.answer = () => Promise.reject(new Error('fault'));
      },
      [HELLO, MAIL, RCPT, 'DATA', '.'],
      '451 4.3.0',
    ],
  ])('%s', async (_, arrange, commands, expected) => {
    const other = await startListener();
    arrange(other);
    const client = await other.client();
    expect((await converse(client, commands)).at(-1)).toBe(expected);
    await other.end();
  });

  it('has no line end or other control character of anybody in a reply', async () => {
    const other = await startListener();
    other.acceptance.recipient = { code: 550, enhanced: '5.1.2', text: 'a\r\n250 2.0.0 b\u0000ü' };
    const client = await other.client();
    await client.ask(HELLO);
    await client.ask(MAIL);
    expect(await client.ask(RCPT)).toBe('550 5.1.2 a??250 2.0.0 b??');
    client.close();
    await other.end();
  });

  it('has no enhanced status code in the greeting (RFC 2034 section 4)', async () => {
    const { WireClient } = await import('./listener-lab.js');
    const client = await WireClient.open(running.port);
    expect(await client.reply()).toEqual(['220 relay.example ESMTP']);
    client.close();
  });
});

describe('replies under TLS', () => {
  it.each<[string, string[], string]>([
    ['STARTTLS again', [HELLO, 'STARTTLS'], '503 5.5.1'],
    ['REQUIRETLS', [HELLO, `${MAIL} REQUIRETLS`], '250 2.1.0'],
    ['AUTH without a mechanism', [HELLO, 'AUTH'], '501 5.5.4'],
    ['AUTH before EHLO', ['AUTH PLAIN'], '503 5.5.1'],
    ['AUTH with an unknown mechanism (RFC 4954 section 4)', [HELLO, 'AUTH CRAM-MD5'], '504 5.5.4'],
    ['AUTH XOAUTH2, which is not offered', [HELLO, 'AUTH XOAUTH2 AAAA'], '504 5.5.4'],
    ['AUTH within a transaction (RFC 4954 section 4)', [HELLO, MAIL, 'AUTH PLAIN'], '503 5.5.1'],
    ['AUTH PLAIN: the challenge', [HELLO, 'AUTH PLAIN'], '334'],
    ['AUTH PLAIN with its response', [HELLO, `AUTH PLAIN ${plain('me', 'secret')}`], '235 2.7.0'],
    ['AUTH PLAIN in two steps', [HELLO, 'AUTH PLAIN', plain('me', 'secret')], '235 2.7.0'],
    ['AUTH LOGIN: the challenge', [HELLO, 'AUTH LOGIN'], '334'],
    ['AUTH LOGIN', [HELLO, 'AUTH LOGIN', base64('me'), base64('secret')], '235 2.7.0'],
    ['AUTH LOGIN with the name', [HELLO, `AUTH LOGIN ${base64('me')}`, base64('secret')], '235 2.7.0'],
    [
      'a second AUTH (RFC 4954 section 4)',
      [HELLO, `AUTH PLAIN ${plain('me', 'secret')}`, 'AUTH PLAIN'],
      '503 5.5.1',
    ],
    ['a wrong password', [HELLO, `AUTH PLAIN ${plain('me', 'wrong')}`], '535 5.7.8'],
    ['an unknown user', [HELLO, `AUTH PLAIN ${plain('you', 'secret')}`], '535 5.7.8'],
    ['an empty password', [HELLO, `AUTH PLAIN ${plain('me', '')}`], '535 5.7.8'],
    ['somebody who acts for somebody else', [HELLO, `AUTH PLAIN ${base64('you\0me\0secret')}`], '535 5.7.8'],
    ['an exchange broken off', [HELLO, 'AUTH PLAIN', '*'], '501 5.7.0'],
    ['an exchange broken off at the password', [HELLO, 'AUTH LOGIN', base64('me'), '*'], '501 5.7.0'],
    ['what is no Base64 (RFC 4954 section 4)', [HELLO, 'AUTH PLAIN', '=AAA'], '501 5.5.2'],
    ['no Base64 in the command', [HELLO, 'AUTH PLAIN AAA=BBB'], '501 5.5.2'],
    ['no message of PLAIN', [HELLO, 'AUTH PLAIN', base64('me')], '501 5.5.2'],
    ['an empty response', [HELLO, 'AUTH PLAIN ='], '501 5.5.2'],
    ['an empty name', [HELLO, 'AUTH LOGIN', ''], '501 5.5.2'],
    ['two responses', [HELLO, 'AUTH PLAIN AAAA BBBB'], '501 5.5.4'],
    ['a response that is too long', [HELLO, 'AUTH PLAIN', 'A'.repeat(12_300)], '500 5.5.6'],
    ['a response in a long line', [HELLO, 'AUTH PLAIN', base64(`\0me\0${'x'.repeat(8000)}`)], '535 5.7.8'],
  ])('%s', async (_, commands, expected) => {
    const other = await startListener(running.options);
    const client = await other.client(1);
    const replies = await converse(client, commands);
    expect(replies.at(-1)).toBe(expected);
    for (const reply of replies) expect(reply).toMatch(/^(?:[0-9]{3}|([245])[0-9]{2} \1\.[0-9]+\.[0-9]+)$/);
    await other.end();
  });
});

describe('a client that may not relay', () => {
  it('is told to log in, under TLS (RFC 4954 section 6)', async () => {
    expect(await converse(await closed.client(1), [HELLO, MAIL])).toEqual(['250', '530 5.7.0']);
  });

  it('is told to use STARTTLS first, in clear (RFC 3207 section 4)', async () => {
    expect(await converse(await closed.client(), [HELLO, MAIL])).toEqual(['250', '530 5.7.0']);
  });

  it('may when it has logged in', async () => {
    const commands = [HELLO, `AUTH PLAIN ${plain('me', 'secret')}`, MAIL, RCPT];
    expect((await converse(await closed.client(1), commands)).at(-1)).toBe('250 2.1.5');
  });

  it('is denied its recipients where there are no logins', async () => {
    const other = await startListener({ networks: [] });
    const commands = [HELLO, MAIL, RCPT, RCPT, 'DATA'];
    const replies = await converse(await other.client(), commands);
    expect(replies).toEqual(['250', '250 2.1.0', '550 5.7.1', '550 5.7.1', '554 5.5.1']);
    expect(other.acceptance.submissions).toEqual([]);
    await other.end();
  });

  it('is offered neither STARTTLS nor AUTH where there is no certificate', async () => {
    const other = await startListener();
    const client = await other.client();
    client.send(`${HELLO}\r\n`);
    expect(await client.reply()).toEqual([
      '250-relay.example',
      '250-PIPELINING',
      `250-SIZE ${50 * 1024 * 1024}`,
      '250-8BITMIME',
      '250-SMTPUTF8',
      '250-DSN',
      '250 ENHANCEDSTATUSCODES',
    ]);
    expect(await converse(client, ['STARTTLS', 'AUTH PLAIN'])).toEqual(['502 5.5.1', '502 5.5.1']);
    await other.end();
  });
});
