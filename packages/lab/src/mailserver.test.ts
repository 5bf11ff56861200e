import type { TLSSocket } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { ENVELOPE, HOST, NOW, RawClient, start, talk } from '../test/raw-mail-client.js';
import { tlsaFor } from './certificate.js';

describe('a server without bad habits', () => {
  test('takes a message over TLS, and records how it came', async () => {
    const server = await start({ tlsa: ['3 1 1'] });
    const clear = await RawClient.to(server);
    expect(await clear.dialogue('EHLO client.example')).toEqual([
      '220 mx.good.example ESMTP danelaw lab',
      '250-mx.good.example|250-PIPELINING|250-SIZE 52428800|250-8BITMIME|250-SMTPUTF8|250-ENHANCEDSTATUSCODES|250 STARTTLS',
    ]);
    const client = await clear.starttls();
    expect(await client.command('EHLO client.example')).not.toContain('STARTTLS');
    expect(await client.command('MAIL FROM:<a@client.example> SIZE=30 BODY=8BITMIME')).toMatch(
      /^250 2\.1\.0/,
    );
    expect(await client.command('RCPT TO:<b@good.example>')).toMatch(/^250 2\.1\.5/);
    expect(await client.command('DATA')).toMatch(/^354/);
    client.send('Subject: hello\r\n\r\n..a dot\r\n\xe9 bare\nends\r\n.\r\n');
    expect(await client.reply()).toMatch(/^250 2\.0\.0/);
    expect(await client.command('QUIT')).toMatch(/^221/);
    await server.whenIdle();

    const [connection] = server.received.connections;
    expect(server.received.connections).toHaveLength(1);
    expect(connection?.commands.map(({ line, inTls }) => `${inTls ? 'tls' : 'clear'} ${line}`)).toEqual([
      'clear EHLO client.example',
      'clear STARTTLS',
      'tls EHLO client.example',
      'tls MAIL FROM:<a@client.example> SIZE=30 BODY=8BITMIME',
      'tls RCPT TO:<b@good.example>',
      'tls DATA',
      'tls QUIT',
    ]);
    expect(connection).toMatchObject({
      ended: 'quit',
      closedAt: NOW,
      tls: { protocol: 'TLSv1.3', serverName: HOST, resumed: false },
      clientHello: { serverName: HOST, versions: ['TLSv1.3', 'TLSv1.2'], offersResumption: false },
    });
    const [message] = server.received.messages;
    expect(message).toMatchObject({
      from: 'a@client.example',
      mailParameters: ['SIZE=30', 'BODY=8BITMIME'],
      recipients: [{ address: 'b@good.example', parameters: [] }],
      accepted: true,
    });
    expect(Buffer.from(message?.content ?? []).toString('latin1')).toBe(
      'Subject: hello\r\n\r\n.a dot\r\n\xe9 bare\nends\r\n',
    );
    expect(Buffer.from(message?.wire ?? []).toString('latin1')).toBe(
      'Subject: hello\r\n\r\n..a dot\r\n\xe9 bare\nends\r\n',
    );
    expect(message?.connection).toBe(connection);
    expect(server.tlsa).toEqual([tlsaFor(server.certificate, 3, 1, 1)]);
  });

  test('takes two messages on one connection, one of them empty, with commands in one packet', async () => {
    const server = await start();
    const client = await RawClient.to(server);
    await client.dialogue('EHLO client.example');
    client.send('MAIL FROM:<>\r\nRCPT TO:<b@good.example>\r\nRCPT TO:<"c>d"@good.example>\r\nDATA\r\n');
    for (const code of ['250', '250', '250', '354']) expect((await client.reply()).slice(0, 3)).toBe(code);
    expect(await client.command('.')).toMatch(/^250/);
    await client.command('MAIL FROM:<x@client.example>');
    await client.command('RCPT TO:<b@good.example>');
    await client.command('DATA');
    client.send('one\r\n.');
    client.send('\r');
    client.send('\n');
    expect(await client.reply()).toMatch(/^250/);
    const { messages, connections } = server.received;
    expect(messages.map(({ from, content }) => [from, Buffer.from(content).toString()])).toEqual([
      ['', ''],
      ['x@client.example', 'one\r\n'],
    ]);
    expect(messages[0]?.recipients.map(({ address }) => address)).toEqual([
      'b@good.example',
      '"c>d"@good.example',
    ]);
    expect(connections[0]?.commands.map(({ pipelined }) => pipelined)).toEqual([
      ...[false, false, true, true, true],
      ...[false, false, false],
    ]);
  });

  test('takes a message of some megabytes', async () => {
    const { server, client } = await talk({}, ...ENVELOPE);
    const line = `${'x'.repeat(998)}\r\n`;
    client.send(`${line.repeat(4000)}.\r\n`);
    expect(await client.reply()).toMatch(/^250/);
    expect(server.received.messages[0]?.content).toHaveLength(4_000_000);
  });

  test.each([
    ['a command that is none', ['HELLO'], '500'],
    ['EHLO without a domain', ['EHLO'], '501'],
    ['MAIL before EHLO', ['MAIL FROM:<a@b.example>'], '503'],
    ['RCPT before MAIL', ['EHLO c', 'RCPT TO:<a@b.example>'], '503'],
    ['a space behind the colon', ['EHLO c', 'MAIL FROM: <a@b.example>'], '501'],
    ['an address without brackets', ['EHLO c', 'MAIL FROM:a@b.example'], '501'],
    ['an empty recipient', ['EHLO c', 'MAIL FROM:<>', 'RCPT TO:<>'], '501'],
    ['a parameter that was not offered', ['EHLO c', 'MAIL FROM:<> REQUIRETLS'], '555'],
    ['a size over the limit', ['EHLO c', 'MAIL FROM:<> SIZE=52428801'], '552'],
    ['DATA without a recipient', ['EHLO c', 'MAIL FROM:<>', 'DATA'], '554'],
    ['a second MAIL', ['EHLO c', 'MAIL FROM:<>', 'MAIL FROM:<>'], '503'],
    ['MAIL after RSET', ['EHLO c', 'MAIL FROM:<>', 'RSET', 'MAIL FROM:<>'], '250'],
    ['HELO', ['HELO c'], '250'],
    ['NOOP', ['NOOP'], '250'],
    ['a bare LF in a command', ['EHLO c\nMAIL FROM:<>'], '521'],
  ])('answers %s as RFC 5321 has it', async (_name, lines, code) => {
    const { replies } = await talk({}, ...lines);
    expect(replies.at(-1)?.slice(0, 3)).toBe(code);
  });

  test('listens on several addresses with one port', async () => {
    const server = await start({}, { addresses: ['127.0.0.1', '::1', '127.0.0.9'] });
    for (const address of server.addresses) {
      const client = await RawClient.to(server, address);
      expect(await client.reply()).toMatch(/^220/);
    }
    expect(server.received.connections.map(({ serverAddress }) => serverAddress)).toEqual(server.addresses);
  });

  test('says when its port is taken', async () => {
    const { port } = await start();
    await expect(start({}, { port })).rejects.toThrow('EADDRINUSE');
  });

  test('close ends what is open, and the record says so', async () => {
    const server = await start({ habits: { on: { ehlo: 'silence' } } });
    const client = await RawClient.to(server);
    await client.reply();
    client.send('EHLO c\r\n');
    await server.close();
    await client.closed();
    expect(server.received.connections[0]?.ended).toBe('server');
    await expect(RawClient.to(server)).rejects.toThrow('ECONNREFUSED');
  });

  test('resumes sessions, and the record tells', async () => {
    const server = await start();
    const first = await RawClient.to(server);
    await first.dialogue();
    const secured = await first.starttls({ maxVersion: 'TLSv1.2' });
    const session = (secured.socket as TLSSocket).getSession();
    expect(session).toBeInstanceOf(Buffer);
    const second = await RawClient.to(server);
    await second.dialogue();
    const resumed = await second.starttls({
      maxVersion: 'TLSv1.2',
      ...(session === undefined ? {} : { session }),
    });
    // An answer inside TLS: only then has the server seen the end of the handshake for sure.
    await resumed.command('NOOP');
    expect(server.received.connections.map(({ tls }) => tls?.resumed)).toEqual([false, true]);
    expect(server.received.connections.map(({ clientHello }) => clientHello?.offersResumption)).toEqual([
      false,
      true,
    ]);
  });
});
