/** From the wire into the queue: listener, acceptance and `danelaw sendmail` together, in front of a queue that remembers. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createAcceptance } from '../src/acceptance/acceptance.js';
import { Dkim } from '../src/dkim/dkim.js';
import { type NewMessage, QueueFullError } from '../src/queue/queue.js';
import { CertificateOnDisk, type Running, SMTPS, startListener, type WireClient } from './listener-lab.js';
import { run } from './program.js';

const kept: NewMessage[] = [];
let full = false;
let running: Running;
let certificate: CertificateOnDisk;

beforeAll(async () => {
  certificate = new CertificateOnDisk();
  const { privateKey } = generateKeyPairSync('ed25519');
  const key = {
    pattern: 'a.example',
    domain: 'a.example',
    selector: 's1',
    algorithm: 'ed25519-sha256',
    key: privateKey,
  } as const;
  const acceptance = createAcceptance({
    queue: {
      add: async (message) => {
        if (full) throw new QueueFullError('10000 messages are in it, which is the limit');
        kept.push(message);
      },
    },
    hostname: 'relay.example',
    clock: Date.now,
    random: randomBytes,
    dkim: new Dkim([key]),
    aliases: { postmaster: 'admin@b.example' },
  });
  running = await startListener({
    acceptance,
    certificate: certificate.files,
    addresses: [{ protocol: 'smtp', host: '127.0.0.1', port: 0 }, SMTPS],
  });
});
afterAll(async () => {
  await running.end();
  certificate.remove();
});
beforeEach(() => {
  kept.splice(0);
  full = false;
});

const textOf = ({ body }: NewMessage): string => Buffer.from(body).toString('utf8');

async function begin(client: WireClient, to = 'you@b.example'): Promise<void> {
  await client.ask('EHLO client.example');
  await client.ask('MAIL FROM:<me@a.example>');
  await client.ask(`RCPT TO:<${to}>`);
  await client.ask('DATA');
}

describe('a message from the wire', () => {
  it('is completed, signed, traced and kept, with what its sender asked for', async () => {
    const client = await running.client(1);
    await client.ask('EHLO client.example');
    await client.ask('MAIL FROM:<me@a.example> RET=HDRS ENVID=e+2B1 REQUIRETLS SMTPUTF8');
    await client.ask('RCPT TO:<you@bücher.example> NOTIFY=SUCCESS ORCPT=rfc822;you@old.example');
    await client.ask('RCPT TO:<you@xn--bcher-kva.example>');
    await client.ask('RCPT TO:<Postmaster>');
    await client.ask('DATA');
    expect(await client.ask('From: me@a.example\r\nSubject: x\r\n\r\n..text\r\n.')).toMatch(/^250 2\.0\.0 /u);
    client.close();
    const [message, ...others] = kept;
    if (message === undefined || others.length > 0) throw new Error('one message was expected');
    expect(message.envelope).toMatchObject({
      from: 'me@a.example',
      envid: 'e+1',
      ret: 'hdrs',
      requireTls: true,
    });
    expect(message.recipients).toMatchObject([
      {
        address: 'you@xn--bcher-kva.example',
        destination: 'xn--bcher-kva.example',
        notify: ['success', 'failure', 'delay'],
        orcpt: 'rfc822;you@old.example',
      },
      { address: 'admin@b.example', destination: 'b.example' },
    ]);
    const text = textOf(message);
    expect(text).toMatch(/^DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed\/relaxed; d=a\.example;\r\n/u);
    expect(text.slice(text.indexOf('Received:'))).toMatch(
      new RegExp(
        [
          String.raw`^Received: from client\.example \(\[127\.0\.0\.1\]\)`,
          String.raw`\t\(using TLSv1\.[23] with cipher \S+\)`,
          String.raw`\tby relay\.example with UTF8SMTPS id [0-9a-z]{18};`,
          String.raw`\t[^\r]+`,
          String.raw`Date: [^\r]+`,
          String.raw`Message-ID: <[0-9a-z]{18}@relay\.example>`,
          String.raw`From: me@a\.example`,
          String.raw`Subject: x\r\n\r\n\.text\r\n$`,
        ].join('\r\n'),
        'u',
      ),
    );
  });

  it.each<[string, string, RegExp]>([
    ['a domain that is none', 'RCPT TO:<you@-b.example>', /^550 5\.1\.2 /u],
    ['a local part in UTF-8 without SMTPUTF8', 'RCPT TO:<jörg@b.example>', /^553 5\.6\.7 /u],
    ['our own name', 'RCPT TO:<you@relay.example>', /^550 5\.4\.6 /u],
    ['an address that goes nowhere', 'RCPT TO:<you@192.0.2.1>', /^550 5\.1\.2 /u],
  ])('is not for %s: refused at RCPT', async (_, command, reply) => {
    const client = await running.client();
    await client.ask('EHLO client.example');
    await client.ask('MAIL FROM:<me@a.example>');
    expect(await client.ask(command)).toMatch(reply);
    client.close();
  });

  it.each<[string, string, RegExp]>([
    [
      'a bare LF before a dot (SMTP smuggling)',
      'A: b\r\n\r\nx\n.\r\nMAIL FROM:<evil@a.example>\r\n.',
      /^554 5\.5\.2 .*mixed/u,
    ],
    ['a bare CR', 'A: b\r\n\r\nx\ry\r\n.', /^554 5\.5\.2 /u],
    ['a NUL', 'A: b\r\n\r\n\0\r\n.', /^554 5\.6\.0 /u],
    ['101 Received fields', `${'Received: x\r\n'.repeat(101)}\r\n.`, /^554 5\.4\.6 /u],
  ])('with %s is refused, and the connection goes on', async (_, text, reply) => {
    const client = await running.client();
    await begin(client);
    expect(await client.ask(text)).toMatch(reply);
    expect(await client.ask('NOOP')).toMatch(/^250 /u);
    client.close();
    expect(kept).toEqual([]);
  });

  it('is told to come again, and why, where there is no room for it', async () => {
    full = true;
    const client = await running.client();
    await begin(client);
    expect(await client.ask('A: b\r\n\r\nx\r\n.')).toBe(
      '452 4.3.1 no room for it: 10000 messages are in it, which is the limit',
    );
    client.close();
  });
});

describe('danelaw sendmail, as a program', () => {
  it('puts a message into the queue', async () => {
    const argv = [
      'sendmail',
      '--relay',
      `127.0.0.1:${running.port}`,
      '-t',
      '-oi',
      '-f',
      'me@a.example',
      '-F',
      'Me',
    ];
    const ended = await run(
      [...argv, '-N', 'never'],
      'To: You <you@b.example>\nBcc: she@c.example\nSubject: x\n\ntext\n.\nmore\n',
    );
    expect(ended).toEqual({ code: 0, out: '', err: '' });
    expect(kept).toMatchObject([
      {
        envelope: { from: 'me@a.example', origin: { kind: 'smtp', client: '127.0.0.1' } },
        recipients: [
          { address: 'you@b.example', destination: 'b.example', notify: 'never' },
          { address: 'she@c.example', destination: 'c.example', notify: 'never' },
        ],
      },
    ]);
    const text = kept.map(textOf).join('');
    expect(text).toMatch(/^DKIM-Signature: /u);
    expect(text).toMatch(
      /\r\nMessage-ID: [^\r]+\r\nFrom: "Me" <me@a\.example>\r\nTo: You <you@b\.example>\r\nSubject: x\r\n\r\ntext\r\n\.\r\nmore\r\n$/u,
    );
    expect(text).not.toMatch(/^bcc:|she@/imu);
  });

  it('ends with 75 where the queue is full', async () => {
    full = true;
    const ended = await run(
      ['sendmail', '--relay', `127.0.0.1:${running.port}`, 'you@b.example'],
      'Subject: x\n\ntext\n',
    );
    expect(ended).toMatchObject({ code: 75, err: expect.stringContaining('452 4.3.1 no room for it') });
  });
});
