import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { tlsaFor } from './certificate.js';
import type { MailHabits, MailHostSpec, StageHabit } from './mail-habits.js';
import { makeAuthorities } from './mail-identity.js';
import { type MailServer, type MailServerOptions, startMailServer } from './mailserver.js';

const NOW = Date.parse('2030-06-01T12:00:00Z');
const HOST = 'mx.good.example';
const authorities = makeAuthorities(
  {
    Root: {},
    Issuing: { parent: 'Root' },
    Attacker: {},
    Cross: { parent: 'Attacker', name: 'Issuing', sameKeyAs: 'Issuing' },
  },
  NOW,
);

const started: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((one) => one.close()));
});

async function start(spec: MailHostSpec = {}, options: Partial<MailServerOptions> = {}): Promise<MailServer> {
  const server = await startMailServer(HOST, spec, { clock: () => NOW, authorities, ...options });
  started.push(server);
  return server;
}

/** A client that does only what the test says: octets out, octets in. */
class RawClient {
  #received = '';
  #closed = false;
  #reset = false;
  #wake = () => {};
  /** TLS, once it runs on the socket: to destroy both crashes Node. */
  #top: Socket;

  readonly socket: Socket;

  constructor(socket: Socket) {
    this.socket = socket;
    this.#top = socket;
    socket.on('data', (chunk: Buffer) => this.#change(() => (this.#received += chunk.toString('latin1'))));
    socket.on('end', () => this.#change(() => (this.#closed = true)));
    socket.on('close', () => this.#change(() => (this.#closed = true)));
    socket.on('error', () => this.#change(() => (this.#reset = true)));
    started.push({ close: async () => void this.#top.destroy() });
  }

  static async to(server: MailServer, address = '127.0.0.1'): Promise<RawClient> {
    const socket = connect(server.port, address);
    const client = new RawClient(socket);
    await once(socket, 'connect');
    return client;
  }

  get received(): string {
    return this.#received;
  }

  get wasReset(): boolean {
    return this.#reset;
  }

  /** The reply, lines joined by `|`; or `closed`. */
  async reply(): Promise<string> {
    for (;;) {
      const found = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(this.#received);
      if (found !== null) {
        this.#received = this.#received.slice(found[0].length);
        return found[0].trimEnd().replaceAll('\r\n', '|');
      }
      if (this.#closed) return 'closed';
      await this.#more();
    }
  }

  async until(condition: (received: string) => boolean): Promise<string> {
    while (!condition(this.#received) && !this.#closed) await this.#more();
    return this.#received;
  }

  async closed(): Promise<void> {
    while (!this.#closed) await this.#more();
  }

  send(octets: string): void {
    this.socket.write(Buffer.from(octets, 'latin1'));
  }

  async command(line: string): Promise<string> {
    this.send(`${line}\r\n`);
    return this.reply();
  }

  async dialogue(...lines: string[]): Promise<string[]> {
    const replies = [await this.reply()];
    for (const line of lines) replies.push(await this.command(line));
    return replies;
  }

  /** Says STARTTLS and makes the handshake; the socket's error where it fails. */
  async starttls(options: ConnectionOptions = {}): Promise<RawClient> {
    const said = await this.command('STARTTLS');
    if (!said.startsWith('220')) throw new Error(said);
    return this.handshake(options);
  }

  async handshake(options: ConnectionOptions = {}): Promise<RawClient> {
    this.socket.removeAllListeners('data');
    const secured = connectTls({
      socket: this.socket,
      servername: HOST,
      rejectUnauthorized: false,
      ...options,
    });
    this.#top = secured;
    await once(secured, 'secureConnect');
    return new RawClient(secured);
  }

  #change(what: () => void): void {
    what();
    this.#wake();
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** The chain as sent, leaf first: to be asked for once only. */
function chainOf(socket: Socket): Buffer[] {
  const chain: Buffer[] = [];
  let next = (socket as TLSSocket).getPeerX509Certificate();
  while (next !== undefined) {
    chain.push(next.raw);
    next = next.issuerCertificate;
  }
  return chain;
}

const ENVELOPE = ['EHLO client.example', 'MAIL FROM:<a@client.example>', 'RCPT TO:<b@good.example>', 'DATA'];
const MESSAGE = 'Subject: hello\r\n\r\n..a dot\r\n.\r\n';

/** Everything in clear up to the given command, its reply last. */
async function talk(
  habits: MailHabits,
  ...lines: string[]
): Promise<{ server: MailServer; client: RawClient; replies: string[] }> {
  const server = await start({ habits });
  const client = await RawClient.to(server);
  return { server, client, replies: await client.dialogue(...lines) };
}

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

describe('what is said instead of the usual', () => {
  const rows: [string, MailHabits, string[], string][] = [
    ['a greeting of 421, then closed', { on: { greeting: '421 4.3.2 Later' } }, ['EHLO c'], 'closed'],
    [
      'a greeting of 554',
      { on: { greeting: '554 5.7.1 No mail from you' } },
      ['EHLO c'],
      '503 5.5.1 No service here, say QUIT',
    ],
    [
      'a greeting of several lines',
      { on: { greeting: { code: 220, lines: ['one', 'two'] } } },
      [],
      '220-one|220 two',
    ],
    ['EHLO not known', { on: { ehlo: '502 5.5.1 What?' } }, ['EHLO c'], '502 5.5.1 What?'],
    ['MAIL deferred', { on: { mail: '451 4.3.0 Later' } }, ENVELOPE.slice(0, 2), '451 4.3.0 Later'],
    [
      'MAIL deferred has no effect',
      { on: { mail: '451 4.3.0 Later' } },
      ENVELOPE.slice(0, 3),
      '503 5.5.1 MAIL first',
    ],
    ['RCPT deferred', { on: { rcpt: '450 4.2.1 Busy' } }, ENVELOPE.slice(0, 3), '450 4.2.1 Busy'],
    [
      'RCPT refused has no effect',
      { on: { rcpt: '550 5.1.1 Who?' } },
      ENVELOPE,
      '554 5.5.1 No valid recipients',
    ],
    [
      'one recipient refused',
      { recipients: { 'B@good.example': '550 5.1.1 Who?' } },
      ENVELOPE.slice(0, 3),
      '550 5.1.1 Who?',
    ],
    [
      'another recipient taken',
      { recipients: { 'x@good.example': '550 5.1.1 Who?' } },
      ENVELOPE,
      '354 End with a lone dot',
    ],
    ['DATA deferred', { on: { data: '451 4.3.0 Later' } }, ENVELOPE, '451 4.3.0 Later'],
    [
      '421 in the middle, then closed',
      { on: { mail: '421 4.3.2 Going down' } },
      ENVELOPE.slice(0, 3),
      'closed',
    ],
    [
      'a reply, then closed',
      { on: { quit: { thenDrop: '250 2.0.0 Not 221' } } },
      ['QUIT'],
      '250 2.0.0 Not 221',
    ],
    ['closed without a reply', { on: { rcpt: 'drop' } }, ENVELOPE.slice(0, 3), 'closed'],
    ['reset without a reply', { on: { rcpt: 'reset' } }, ENVELOPE.slice(0, 3), 'closed'],
    [
      'octets just as given',
      { on: { ehlo: { verbatim: '250 a\r\n250 b\r\n' } } },
      ['EHLO c', 'NOOP'],
      '250 b',
    ],
    [
      'one octet after the other',
      { on: { ehlo: { slowly: '250 slow', everyMs: 1 } } },
      ['EHLO c'],
      '250 slow',
    ],
    [
      'first this, then that',
      { on: { mail: { inTurn: ['451 4.7.1 Greylisted', 'usual'] } } },
      ['EHLO c', 'MAIL FROM:<>', 'MAIL FROM:<>'],
      '250 2.1.0 Sender taken',
    ],
    [
      'STARTTLS stripped',
      { starttls: 'stripped' },
      ['EHLO c'],
      '250-mx.good.example|250-PIPELINING|250-SIZE 52428800|250-8BITMIME|250-SMTPUTF8|250 ENHANCEDSTATUSCODES',
    ],
    [
      'STARTTLS stripped, and not known',
      { starttls: 'stripped' },
      ['EHLO c', 'STARTTLS'],
      '502 5.5.1 Command not known',
    ],
    [
      'STARTTLS deferred',
      { on: { starttls: '454 4.7.0 TLS not available' } },
      ['EHLO c', 'STARTTLS'],
      '454 4.7.0 TLS not available',
    ],
    ['STARTTLS refused', { on: { starttls: '554 5.7.0 No' } }, ['EHLO c', 'STARTTLS'], '554 5.7.0 No'],
    [
      'other capabilities',
      { capabilities: ['HELP'] },
      ['EHLO c'],
      '250-mx.good.example|250-HELP|250 STARTTLS',
    ],
  ];
  test.each(rows)('%s', async (_name, habits, lines, last) => {
    const { replies } = await talk(habits, ...lines);
    expect(replies.at(-1)).toBe(last);
  });

  test('after a greeting of 554 QUIT is answered', async () => {
    const { replies } = await talk({ on: { greeting: '554 5.7.1 No' } }, 'QUIT');
    expect(replies[1]).toBe('221 2.0.0 mx.good.example closing');
  });

  test('turns are counted over all connections', async () => {
    const server = await start({ habits: { on: { greeting: { inTurn: ['421 4.3.2 Later', 'usual'] } } } });
    const codes: string[] = [];
    for (const _ of [1, 2, 3]) codes.push((await (await RawClient.to(server)).reply()).slice(0, 3));
    expect(codes).toEqual(['421', '220', '220']);
  });

  test.each<[string, StageHabit, boolean, string]>([
    ['taken', 'usual', true, '250 2.0.0 Message taken'],
    ['deferred at the final dot', '451 4.3.0 Later', false, '451 4.3.0 Later'],
    ['refused at the final dot', '554 5.6.0 Spam', false, '554 5.6.0 Spam'],
    ['dropped after the final dot', 'drop', false, 'closed'],
    ['reset after the final dot', 'reset', false, 'closed'],
  ])('a message %s is in the record', async (_name, content, accepted, reply) => {
    const { server, client } = await talk({ on: { content } }, ...ENVELOPE);
    client.send(MESSAGE);
    expect(await client.reply()).toBe(reply);
    expect(server.received.messages.map((message) => message.accepted)).toEqual([accepted]);
  });

  test.each(['endless', 'endless-line'] as const)(
    'an %s reply goes on until the client goes',
    async (habit) => {
      const { server, client } = await talk({ on: { ehlo: habit } });
      client.send('EHLO c\r\n');
      const received = await client.until((octets) => octets.length > 1_000_000);
      expect(received).toMatch(habit === 'endless' ? /^(250-and so on\r\n)+/ : /^250 (and so on )+/);
      client.socket.destroy();
      await server.whenIdle();
    },
  );

  test('garbage', async () => {
    const { client } = await talk({ on: { ehlo: 'garbage' } });
    client.send('EHLO c\r\n');
    expect(await client.until((octets) => octets.includes('no SMTP'))).toContain('\x16\x00\xff\xfe');
  });

  test('a reset is a reset, also inside TLS', async () => {
    const server = await start({ habits: { on: { mail: 'reset' } } });
    const clear = await RawClient.to(server);
    await clear.dialogue();
    const client = await clear.starttls();
    await client.command('EHLO c');
    expect(await client.command('MAIL FROM:<>')).toBe('closed');
    await client.closed();
    expect(clear.wasReset || client.wasReset).toBe(true);
    await server.whenIdle();
    expect(server.received.connections[0]?.ended).toBe('server');
  });

  test.each<[string, MailHabits, string[]]>([
    ['greeting', { on: { greeting: 'silence' } }, []],
    ['ehlo', { on: { ehlo: 'silence' } }, ['EHLO c']],
    ['starttls', { on: { starttls: 'silence' } }, ['EHLO c', 'STARTTLS']],
    ['rcpt', { on: { rcpt: 'silence' } }, ENVELOPE.slice(0, 3)],
    ['data', { on: { data: 'silence' } }, ENVELOPE],
    ['content', { on: { content: 'silence' } }, [...ENVELOPE, 'a message\r\n.']],
    ['quit', { on: { quit: 'silence' } }, ['QUIT']],
  ])('silence at %s lasts until the client goes', async (_stage, habits, lines) => {
    const server = await start({ habits });
    const client = await RawClient.to(server);
    if (lines.length > 0) await client.dialogue(...lines.slice(0, -1));
    // The client's FIN comes behind the command, so by then the server has had its chance to say something.
    client.socket.end(
      lines
        .slice(-1)
        .map((line) => `${line}\r\n`)
        .join(''),
    );
    await client.closed();
    await server.whenIdle();
    expect(client.received).toBe('');
    expect(server.received.connections[0]?.commands).toHaveLength(
      lines.filter((line) => !line.startsWith('a message')).length,
    );
    expect(server.received.connections[0]?.ended).toBe('client');
  });
});

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

describe('certificates', () => {
  const chain = (spec: MailHostSpec['certificate'], expected: string[]): [string, MailHostSpec, string[]] => [
    JSON.stringify(spec),
    { certificate: { issuer: 'Issuing', ...spec } },
    expected,
  ];
  test.each([
    chain({}, ['leaf', 'Issuing', 'Root']),
    chain({ chain: 'without-root' }, ['leaf', 'Issuing']),
    chain({ chain: 'leaf-only' }, ['leaf']),
    chain({ chain: ['Root'] }, ['leaf', 'Root']),
    chain({ chain: ['Root', 'Issuing'] }, ['leaf', 'Root', 'Issuing']),
    chain({ chain: ['Attacker', 'Issuing', 'leaf', 'Issuing', 'Cross', 'Root', 'Root'] }, [
      'leaf',
      'Attacker',
      'Issuing',
      'leaf',
      'Issuing',
      'Cross',
      'Root',
      'Root',
    ]),
    chain({ key: 'rsa2048', signatureHash: 'sha1' }, ['leaf', 'Issuing', 'Root']),
    chain({ key: 'ed25519', validity: 'expired', chain: ['stranger'] }, ['leaf', 'a stranger']),
  ])('the chain goes out just as described: %s', async (_name, spec, expected) => {
    const server = await start(spec);
    const client = await RawClient.to(server);
    await client.dialogue();
    const secured = await client.starttls();
    const named = (der: Buffer) => {
      if (der.equals(server.certificate.der)) return 'leaf';
      return [...authorities].find(([, authority]) => der.equals(authority.der))?.[0] ?? 'a stranger';
    };
    expect(chainOf(secured.socket).map(named)).toEqual(expected);
  });

  test('the certificate is chosen by SNI', async () => {
    const server = await start({
      certificate: { issuer: 'Root', commonName: 'own' },
      certificatesByName: { 'Old.example': { commonName: 'old' }, 'new.example': { commonName: 'new' } },
    });
    const presented: unknown[] = [];
    for (const servername of [HOST, 'old.example', 'new.example', 'x.example', '']) {
      const client = await RawClient.to(server);
      await client.dialogue();
      const secured = await client.starttls({ servername });
      presented.push((secured.socket as TLSSocket).getPeerX509Certificate()?.subject);
    }
    expect(presented).toEqual(['CN=own', 'CN=old', 'CN=new', 'CN=own', 'CN=own']);
    expect(server.received.connections.at(-1)?.clientHello).not.toHaveProperty('serverName');
  });

  test('a swapped certificate is not the one that was published', async () => {
    const server = await start({ tlsa: ['3 0 0'], habits: { presents: { issuer: 'Attacker' } } });
    const client = await RawClient.to(server);
    await client.dialogue();
    const [leaf, issuer] = chainOf((await client.starttls()).socket);
    expect(leaf?.equals(server.tlsa[0]?.data ?? new Uint8Array())).toBe(false);
    expect(issuer?.equals(authorities.get('Attacker')?.der ?? new Uint8Array())).toBe(true);
  });

  test('TLSA records of leaf, issuer, root, a stranger, and as given', async () => {
    const server = await start({
      certificate: { issuer: 'Issuing' },
      tlsa: [
        '3 1 1',
        '2 1 1',
        { parameters: '2 0 2', of: 'Root' },
        { parameters: '2 1 1', of: 'leaf' },
        { parameters: '3 1 1', hex: 'abcd' },
        { usage: 255, selector: 3, matchingType: 4, data: Uint8Array.of(1) },
        { parameters: '3 1 1', of: 'stranger' },
      ],
    });
    const [issuing, root] = [authorities.get('Issuing'), authorities.get('Root')];
    if (issuing === undefined || root === undefined) throw new Error('The authorities of this test are gone');
    expect(server.tlsa.slice(0, 6)).toEqual([
      tlsaFor(server.certificate, 3, 1, 1),
      tlsaFor(issuing, 2, 1, 1),
      tlsaFor(root, 2, 0, 2),
      tlsaFor(server.certificate, 2, 1, 1),
      { usage: 3, selector: 1, matchingType: 1, data: Buffer.from('abcd', 'hex') },
      { usage: 255, selector: 3, matchingType: 4, data: Uint8Array.of(1) },
    ]);
    expect(server.tlsa[6]?.data).toHaveLength(32);
    expect(server.tlsa[6]?.data).not.toEqual(server.tlsa[0]?.data);
  });

  test.each<[string, MailHostSpec, string]>([
    [
      'an issuer',
      { certificate: { issuer: 'Nobody' } },
      'No authority is called Nobody; there are: Root, Issuing, Attacker, Cross',
    ],
    ['a certificate of the chain', { certificate: { chain: ['Nobody'] } }, 'No authority is called Nobody'],
    ['a TLSA record', { tlsa: [{ parameters: '2 1 1', of: 'Nobody' }] }, 'No authority is called Nobody'],
  ])('%s that is not there is an error', async (_name, spec, message) => {
    await expect(start(spec)).rejects.toThrow(message);
  });

  test('authorities that are their own parents, or have none of that name, are an error', () => {
    expect(() => makeAuthorities({ A: { parent: 'B' }, B: { parent: 'A' } }, NOW)).toThrow(
      'A would be its own parent',
    );
    expect(() => makeAuthorities({ A: { parent: 'toString' } }, NOW)).toThrow(
      'No authority is called toString, wanted by A',
    );
  });
});
