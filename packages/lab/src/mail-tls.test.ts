import { once } from 'node:events';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { HOST, RawClient, start, talk } from '../test/raw-mail-client.js';
import type { MailHabits } from './mail-habits.js';

describe('STARTTLS and the handshake', () => {
  test('clear text behind the 220 comes in the same packet', async () => {
    const { client } = await talk({ injectAfter220: '250-evil\r\n250 AUTH PLAIN\r\n' }, 'EHLO c');
    const first = once(client.socket, 'data');
    client.send('STARTTLS\r\n');
    expect(String((await first)[0])).toBe('220 2.0.0 Ready to start TLS\r\n250-evil\r\n250 AUTH PLAIN\r\n');
    await client.handshake();
  });

  test('clear text that the client sends behind STARTTLS is recorded, and not taken for a command', async () => {
    const server = await start();
    const client = await RawClient.to(server);
    await client.dialogue('EHLO c');
    client.send('STARTTLS\r\nMAIL FROM:<evil@client.example>\r\n');
    expect(await client.reply()).toMatch(/^220/);
    const secured = await client.handshake();
    expect(await secured.command('NOOP')).toMatch(/^250/);
    const [connection] = server.received.connections;
    expect(Buffer.from(connection?.clearAfterStarttls ?? []).toString()).toBe(
      'MAIL FROM:<evil@client.example>\r\n',
    );
    expect(connection?.commands.map(({ line }) => line)).toEqual(['EHLO c', 'STARTTLS', 'NOOP']);
  });

  test('inside TLS it offers other capabilities, and has forgotten the EHLO', async () => {
    const server = await start({ habits: { capabilitiesAfterTls: ['CHUNKING'] } });
    const client = await RawClient.to(server);
    await client.dialogue('EHLO c');
    const secured = await client.starttls();
    expect(await secured.command('MAIL FROM:<>')).toMatch(/^503/);
    expect(await secured.command('EHLO c')).toBe('250-mx.good.example|250 CHUNKING');
    expect(await secured.command('STARTTLS')).toMatch(/^502/);
  });

  test('EHLO inside TLS can have a habit of its own', async () => {
    const server = await start({ habits: { on: { ehloAfterTls: '421 4.3.2 Later' } } });
    const client = await RawClient.to(server);
    expect((await client.dialogue('EHLO c'))[1]).toMatch(/^250/);
    expect(await (await client.starttls()).command('EHLO c')).toBe('421 4.3.2 Later');
  });

  const broken: [string, MailHabits, ConnectionOptions, RegExp, RegExp][] = [
    ['dropped', { handshake: 'drop' }, {}, /disconnected before secure/, /broke the handshake: drop/],
    ['reset', { handshake: 'reset' }, {}, /ECONNRESET/, /broke the handshake: reset/],
    ['answered with garbage', { handshake: 'garbage' }, {}, /wrong version number|EPROTO|packet/i, /garbage/],
    ['answered with an alert', { handshake: 'alert' }, {}, /handshake failure/, /alert/],
    [
      'in TLS 1.0 only',
      { maxVersion: 'TLSv1', minVersion: 'TLSv1' },
      {},
      /protocol version|unsupported protocol/,
      /unsupported protocol/,
    ],
    [
      'in TLS 1.1 at most',
      { maxVersion: 'TLSv1.1', minVersion: 'TLSv1' },
      {},
      /protocol version|unsupported protocol/,
      /unsupported protocol/,
    ],
    [
      'in TLS 1.3 only',
      { minVersion: 'TLSv1.3' },
      { maxVersion: 'TLSv1.2' },
      /protocol version/,
      /unsupported protocol/,
    ],
    [
      'without SNI, dropped',
      { withoutSni: 'drop' },
      { servername: '' },
      /disconnected before secure/,
      /no certificate for a client without SNI/,
    ],
    [
      'without SNI, alerted',
      { withoutSni: 'alert' },
      { servername: '' },
      /handshake failure/,
      /no certificate for a client without SNI/,
    ],
    [
      'for another name, alerted',
      { unknownName: 'alert' },
      { servername: 'x.example' },
      /unrecognized name/,
      /no certificate for x\.example/,
    ],
    [
      'for another name, dropped',
      { unknownName: 'drop' },
      { servername: 'x.example' },
      /disconnected before secure/,
      /no certificate for x\.example/,
    ],
  ];
  test.each(broken)(
    'a handshake %s fails on both sides',
    async (_name, habits, options, clientSays, serverSays) => {
      const { server, client } = await talk(habits, 'EHLO c');
      await expect(client.starttls(options)).rejects.toThrow(clientSays);
      await server.whenIdle();
      const [connection] = server.received.connections;
      expect(connection?.tls).toBeUndefined();
      expect(connection?.tlsError).toMatch(serverSays);
      expect(connection?.clientHello?.versions).toContain('TLSv1.2');
      expect(connection?.commands).toHaveLength(2);
    },
  );

  test.each([
    ['TLSv1', 'TLSv1'],
    ['TLSv1.1', 'TLSv1.1'],
    ['TLSv1.2', 'TLSv1.2'],
  ] as const)('a client that goes down to %s gets it', async (maxVersion, protocol) => {
    const { server, client } = await talk({ minVersion: 'TLSv1', maxVersion }, 'EHLO c');
    const secured = await client.starttls({ minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' });
    expect((secured.socket as TLSSocket).getProtocol()).toBe(protocol);
    await secured.command('NOOP');
    expect(server.received.connections[0]?.tls?.protocol).toBe(protocol);
  });

  test('silence in the handshake lasts until the client goes', async () => {
    const { server, client } = await talk({ handshake: 'silence' }, 'EHLO c');
    await client.command('STARTTLS');
    const handshake = connectTls({ socket: client.socket, servername: HOST });
    handshake.on('error', () => {});
    // The ClientHello is read when it is in the record, which is what there is to wait for.
    while (server.received.connections[0]?.clientHello === undefined) await new Promise(setImmediate);
    handshake.destroy();
    await server.whenIdle();
    expect(server.received.connections[0]).toMatchObject({
      ended: 'client',
      clientHello: { serverName: HOST },
    });
  });

  test('dropped when the handshake is done', async () => {
    const { server, client } = await talk({ handshake: 'drop-when-done' }, 'EHLO c');
    const secured = await client.starttls();
    await secured.closed();
    await server.whenIdle();
    expect(server.received.connections[0]).toMatchObject({ ended: 'server', tls: { protocol: 'TLSv1.3' } });
  });

  test('a client that goes away in the handshake is in the record', async () => {
    const { server, client } = await talk({}, 'EHLO c', 'STARTTLS');
    client.socket.end('QUIT\r\n');
    await server.whenIdle();
    expect(server.received.connections[0]?.tlsError).toBe('The client sent no ClientHello after the 220');
  });
});
