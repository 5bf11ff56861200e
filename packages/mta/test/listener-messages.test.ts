/** What reaches the acceptance: the envelope as it was said, and one message where one was sent. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { createTransport } from 'nodemailer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Accepted } from '../src/acceptance/submission.js';
import { hashPassword } from '../src/listener/password.js';
import { CertificateOnDisk, type Running, SMTPS, startListener, WireClient } from './listener-lab.js';

const disk = new CertificateOnDisk();
let running: Running;

beforeAll(async () => {
  running = await startListener({
    users: new Map([['me', await hashPassword('secret')]]),
    addresses: [{ protocol: 'smtp', host: '127.0.0.1', port: 0 }, SMTPS],
    certificate: disk.files,
  });
});

afterAll(async () => {
  await running.end();
  disk.remove();
});

const ENVELOPE = 'MAIL FROM:<me@example.net>\r\nRCPT TO:<you@example.org>\r\nDATA\r\n';

describe('a message', () => {
  it('comes with all that was said about it (RFC 3461, 6531, 8689, 3848)', async () => {
    const client = await running.client(1);
    await client.ask('EHLO client.example');
    await client.ask(`AUTH PLAIN ${Buffer.from('\0me\0secret').toString('base64')}`);
    await client.ask(
      'MAIL FROM:<ü@example.net> SMTPUTF8 REQUIRETLS RET=HDRS ENVID=a+3Db SIZE=20 BODY=8BITMIME',
    );
    await client.ask('RCPT TO:<you@example.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;you@example.org');
    await client.ask('RCPT TO:<she@example.org> NOTIFY=NEVER');
    await client.ask('DATA');
    const reply = await client.ask(Buffer.from('Subject: \xfc\r\n\r\n..\r\n.\r\n', 'latin1'));
    client.close();
    expect(reply).toBe(`250 2.0.0 Ok: queued as ID${running.acceptance.submissions.length}`);
    expect(running.acceptance.submissions.at(-1)).toMatchObject({
      origin: {
        kind: 'smtp',
        client: '127.0.0.1',
        helo: 'client.example',
        user: 'me',
        protocol: 'UTF8SMTPSA',
      },
      from: 'ü@example.net',
      recipients: [
        { address: 'you@example.org', notify: ['success', 'delay'], orcpt: 'rfc822;you@example.org' },
        { address: 'she@example.org', notify: 'never', orcpt: undefined },
      ],
      text: 'Subject: \xfc\r\n\r\n.\r\n',
      envid: 'a=b',
      ret: 'hdrs',
      requireTls: true,
      smtpUtf8: true,
      complete: true,
    });
  });

  it('has nothing of the one before it', async () => {
    const client = await running.client();
    client.send(`EHLO a\r\nMAIL FROM:<> RET=FULL ENVID=x\r\nRCPT TO:<a@example.org>\r\nRSET\r\n${ENVELOPE}`);
    for (let reply = 0; reply < 7; reply++) await client.reply();
    await client.ask(Buffer.from('.\r\n'));
    client.close();
    expect(running.acceptance.submissions.at(-1)).toMatchObject({
      origin: { helo: 'a', protocol: 'ESMTP', user: undefined },
      from: 'me@example.net',
      recipients: [{ address: 'you@example.org' }],
      envid: undefined,
      ret: undefined,
      text: '',
    });
  });

  it('may come with all commands in one segment (RFC 2920), one message behind the other', async () => {
    const { length } = running.acceptance.submissions;
    const client = await running.client();
    client.send(`EHLO a\r\n${`${ENVELOPE}one\r\n.\r\n`.repeat(3)}QUIT\r\n`);
    const replies: string[] = [];
    for (let reply = await client.reply(); reply !== undefined; reply = await client.reply()) {
      replies.push(reply.at(-1)?.slice(0, 9) ?? '');
    }
    const each = ['250 2.1.0', '250 2.1.5', '354 End d', '250 2.0.0'];
    expect(replies).toEqual(['250 ENHAN', ...each, ...each, ...each, '221 2.0.0']);
    expect(running.acceptance.submissions.slice(length).map(({ text }) => text)).toEqual(
      Array(3).fill('one\r\n'),
    );
  });

  it('may be large, and come in any pieces', async () => {
    const client = await running.client();
    const text = Array.from(
      { length: 60_000 },
      (_, line) => `${line % 7 === 0 ? '.' : ''}line ${line}\r\n`,
    ).join('');
    await client.ask('EHLO a');
    client.send(ENVELOPE);
    for (let reply = 0; reply < 3; reply++) await client.reply();
    const stuffed = Buffer.from(`${text.replace(/^\./gm, '..')}.\r\n`);
    for (let at = 0; at < stuffed.length; at += 1013) client.send(stuffed.subarray(at, at + 1013));
    expect(await client.reply()).toMatchObject([expect.stringMatching(/^250 2\.0\.0/)]);
    client.close();
    expect(running.acceptance.submissions.at(-1)?.text === text).toBe(true);
  });

  it('is accepted though its sender has left before the answer (RFC 1047)', async () => {
    const other = await startListener();
    let settle: (accepted: Accepted) => void = () => {};
    const asked = new Promise<void>((resolve) => {
      other.acceptance.answer = () => {
        resolve();
        return new Promise((later) => {
          settle = later;
        });
      };
    });
    const client = await other.client();
    client.send(`EHLO a\r\n${ENVELOPE}.\r\n`);
    await asked;
    client.socket.resetAndDestroy();
    await other.log.until(/^disconnected/);
    settle({ status: 'accepted', id: 'LATE' });
    expect(await other.log.until(/^received/)).toContain('"id":"LATE"');
    expect(other.log.lines.join()).toContain('"answered":false');
    await other.end();
  });

  it('is answered though its sender says no more, and waits', async () => {
    const other = await startListener();
    other.acceptance.answer = () =>
      new Promise((resolve) => setImmediate(() => resolve({ status: 'accepted', id: 'HALF' })));
    const socket = connect({ port: other.port, host: '127.0.0.1', allowHalfOpen: true });
    let text = '';
    socket.setEncoding('latin1').on('data', (part: string) => {
      // All at once behind the greeting, and then the client's half of the connection is closed.
      if (text === '') socket.end(`EHLO a\r\n${ENVELOPE}.\r\n`);
      text += part;
    });
    await once(socket, 'close');
    expect(text).toMatch(/\r\n354 .*\r\n250 2\.0\.0 Ok: queued as HALF\r\n$/);
    await other.end();
  });

  it('is not accepted where its end has not come', async () => {
    const other = await startListener();
    const client = await other.client();
    client.send(`EHLO a\r\n${ENVELOPE}half a message\r\n`);
    for (let reply = 0; reply < 4; reply++) await client.reply();
    client.close();
    await other.log.until(/^disconnected/);
    expect(other.acceptance.submissions).toEqual([]);
    await other.end();
  });
});

describe('SMTP smuggling: one message is sent, one arrives', () => {
  it.each([
    ['LF . LF', '\n.\n'],
    ['LF . CR LF', '\n.\r\n'],
    ['CR LF . LF', '\r\n.\n'],
    ['CR . CR', '\r.\r'],
    ['CR . CR LF', '\r.\r\n'],
    ['CR LF . CR', '\r\n.\r'],
    ['CR . LF', '\r.\n'],
    ['LF . CR', '\n.\r'],
    ['CR LF . CR CR LF', '\r\n.\r\r\n'],
    ['CR LF NUL . CR LF', '\r\n\0.\r\n'],
    ['CR LF . NUL CR LF', '\r\n.\0\r\n'],
  ])('%s', async (_, sequence) => {
    const { length } = running.acceptance.submissions;
    const smuggled = `MAIL FROM:<evil@example.net>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nevil\r\n`;
    for (const pieces of [1, 2]) {
      const client = await running.client();
      await client.ask('EHLO a');
      client.send(ENVELOPE);
      for (let reply = 0; reply < 3; reply++) await client.reply();
      const octets = Buffer.from(`one${sequence}${smuggled}.\r\nQUIT\r\n`);
      // With the suspicious part in one segment, and cut in its middle.
      const cut = pieces === 1 ? octets.length : 'one'.length + sequence.length - 1;
      client.send(octets.subarray(0, cut));
      client.send(octets.subarray(cut));
      expect((await client.reply())?.[0]).toMatch(/^250 2\.0\.0/);
      expect((await client.reply())?.[0]).toMatch(/^221/);
      expect(await client.rest()).toBe('');
    }
    const arrived = running.acceptance.submissions.slice(length);
    expect(arrived.map(({ from }) => from)).toEqual(['me@example.net', 'me@example.net']);
    for (const { text } of arrived) expect(text.endsWith(smuggled)).toBe(true);
  });
});

describe('what comes at the wrong time', () => {
  it('in clear behind STARTTLS is thrown away (RFC 3207 section 5)', async () => {
    const client = await running.client();
    await client.ask('EHLO a');
    client.send(`STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@example.net>\r\n${'NOOP\r\n'.repeat(500)}`);
    expect((await client.reply())?.[0]).toBe('220 2.0.0 Ready to start TLS');
    await client.upgrade();
    // Nothing that was said in clear counts: neither the name, nor a transaction.
    expect(await client.ask('MAIL FROM:<me@example.net>')).toBe('503 5.5.1 Send EHLO or HELO first');
    client.send('EHLO a\r\n');
    const extensions = (await client.reply())?.map((line) => line.slice(4));
    expect(extensions).toContain('AUTH PLAIN LOGIN');
    expect(extensions).toContain('REQUIRETLS');
    expect(extensions).not.toContain('STARTTLS');
    expect(await client.ask('RCPT TO:<you@example.org>')).toBe('503 5.5.1 Need MAIL command');
    client.close();
  });

  it('a transaction begun in clear ends with STARTTLS (RFC 3207 section 4.2)', async () => {
    const client = await running.client();
    await client.ask('EHLO a');
    await client.ask('MAIL FROM:<me@example.net>');
    await client.ask('STARTTLS');
    await client.upgrade();
    await client.ask('EHLO a');
    expect(await client.ask('RCPT TO:<you@example.org>')).toBe('503 5.5.1 Need MAIL command');
    client.close();
  });

  it('before the greeting ends the connection, and nothing of it is run', async () => {
    const { length } = running.acceptance.submissions;
    const client = await WireClient.open(running.port);
    // In this process the octets are on their way before the server has had its turn.
    client.send(`EHLO a\r\n${ENVELOPE}evil\r\n.\r\n`);
    expect((await client.reply())?.[0]).toMatch(/^421 4\.5\.0/);
    expect(await client.rest()).toBe('');
    expect(running.acceptance.submissions).toHaveLength(length);
  });
});

describe('clients that nobody here wrote', () => {
  it.each([
    ['in clear', 0, { ignoreTLS: true }, 'ESMTP'],
    ['with STARTTLS and a login', 0, { requireTLS: true, auth: { user: 'me', pass: 'secret' } }, 'ESMTPSA'],
    ['with TLS from the start', 1, { secure: true }, 'ESMTPS'],
    [
      'with AUTH LOGIN',
      1,
      { secure: true, authMethod: 'LOGIN', auth: { user: 'me', pass: 'secret' } },
      'ESMTPSA',
    ],
  ])('Nodemailer, %s', async (_, index, options, protocol) => {
    const transport = createTransport({
      host: '127.0.0.1',
      port: running.addresses[index]?.port ?? 0,
      tls: { rejectUnauthorized: false },
      ...options,
    });
    const sent = await transport.sendMail({
      from: 'me@example.net',
      to: 'you@example.org',
      subject: 'A test',
      text: '.\n..\nEnd',
      dsn: { id: 'x=1', return: 'headers', notify: ['failure', 'delay'], recipient: 'you@example.org' },
    });
    transport.close();
    expect(sent.response).toMatch(/^250 2\.0\.0 Ok: queued as ID/);
    expect(running.acceptance.submissions.at(-1)).toMatchObject({
      origin: { protocol },
      envid: 'x=1',
      ret: 'hdrs',
      recipients: [{ notify: ['failure', 'delay'], orcpt: 'rfc822;you@example.org' }],
      text: expect.stringMatching(/\r\n\.\r\n\.\.\r\nEnd/),
    });
  });
});
