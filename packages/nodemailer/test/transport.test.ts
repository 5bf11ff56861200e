/** Nodemailer itself, composing and sending through the transport, to the mail hosts of the lab. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { Readable } from 'node:stream';
import { createResolver, type Resolver } from '@danelaw/dns';
import { type Internet, type Scenario, startInternet } from '@danelaw/lab';
import {
  type DanelawMailError,
  type DanelawSentMessageInfo,
  type DanelawTransportOptions,
  danelawTransport,
} from '@danelaw/nodemailer';
import { MtaSts, StsCache } from '@danelaw/smtp';
import { createTransport, type SendMailOptions } from 'nodemailer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

function oneHost(
  domain: string,
  host: NonNullable<Scenario['hosts']>[string],
  records: string[] = [],
): Scenario {
  const expected = { status: 'deferred', because: 'each test says for itself what it expects' } as const;
  return {
    domain,
    shows: '',
    rule: 'RFC 7672',
    zones: { [domain]: { records: ['@ MX 10 mx', ...records] } },
    hosts: { [`mx.${domain}`]: host },
    expected,
  };
}

const SCENARIOS: readonly Scenario[] = [
  oneHost('good.example', { tlsa: ['3 1 1'] }),
  oneHost('other.example', { tlsa: ['3 1 1'] }),
  oneHost('swapped.example', { tlsa: ['3 1 1'], habits: { presents: {} } }),
  oneHost('plain.example', { habits: { starttls: 'stripped' } }),
  oneHost('picky.example', {
    tlsa: ['3 1 1'],
    habits: {
      recipients: {
        'nobody@picky.example': '550 5.1.1 No such mailbox',
        'busy@picky.example': '450 4.2.1 Mailbox busy',
      },
    },
  }),
  oneHost('content.example', { tlsa: ['3 1 1'], habits: { on: { content: '554 5.7.1 Not wanted' } } }),
  oneHost('seven-bit.example', { tlsa: ['3 1 1'], habits: { capabilities: ['PIPELINING'] } }),
  oneHost('requiretls.example', { tlsa: ['3 1 1'], habits: { capabilitiesAfterTls: ['REQUIRETLS'] } }),
  oneHost('silent.example', { tlsa: ['3 1 1'], habits: { on: { greeting: 'silence' } } }),
  {
    ...oneHost('null-mx.example', {}),
    zones: { 'null-mx.example': { records: ['@ MX 0 .'] } },
    hosts: {},
  },
];

let internet: Internet;
let resolver: Resolver;

beforeAll(async () => {
  internet = await startInternet(SCENARIOS);
  resolver = createResolver(labResolver());
});

afterAll(async () => {
  await resolver?.close();
  await internet?.close();
});

const labResolver = () => ({
  upstream: `${internet.resolver.address}#${internet.resolver.port}`,
  trustAnchors: [...internet.trustAnchors],
});

const transport = (options: DanelawTransportOptions = {}) =>
  danelawTransport({ resolver, name: 'client.example', port: internet.smtpPort, ...options });

const mailer = (options: DanelawTransportOptions = {}) => createTransport(transport(options));

const MAIL = { from: 'Sender <a@sender.example>', subject: 'Hello', text: 'Hello\nthere\n.\nworld' } as const;

const send = (mail: SendMailOptions): Promise<DanelawSentMessageInfo> =>
  mailer().sendMail({ ...MAIL, ...mail });

const failure = async (work: Promise<unknown>): Promise<DanelawMailError> =>
  await work.then(
    () => expect.unreachable('it was sent'),
    (error: DanelawMailError) => error,
  );

function received(host: string, messageId: string) {
  const messages = internet.mailServers.get(host)?.received.messages ?? [];
  const found = messages.find(({ content }) => Buffer.from(content).includes(messageId));
  if (found === undefined) throw new Error(`${host} received no message ${messageId}`);
  return { ...found, text: Buffer.from(found.content).toString('utf8') };
}

describe('delivery', () => {
  it('goes to the MX host, authenticated, in the form of SMTP transport results', async () => {
    const info = await send({ to: 'You <b@good.example>', bcc: 'hidden@good.example' });
    expect(info).toMatchObject({
      accepted: ['b@good.example', 'hidden@good.example'],
      rejected: [],
      pending: [],
      envelope: { from: 'a@sender.example', to: ['b@good.example', 'hidden@good.example'] },
      messageId: expect.stringMatching(/^<.+@sender\.example>$/u),
      response: expect.stringMatching(/^250 /u),
      danelaw: {
        recipients: [
          {
            status: 'delivered',
            host: 'mx.good.example',
            mx: 'secure',
            tls: { authenticated: { usage: 3 } },
          },
          { status: 'delivered' },
        ],
      },
    });
    expect(info.rejectedErrors).toBeUndefined();
    const message = received('mx.good.example', info.messageId);
    expect(message.text).toContain('Hello\r\nthere\r\n.\r\nworld');
    expect(message.text).not.toContain('hidden@');
    expect(message.content.length).toBe(info.messageSize);
    expect(message.connection.tls?.serverName).toBe('mx.good.example');
    expect(message.connection.commands[0]?.line).toBe('EHLO client.example');
  });

  it('reaches each domain on its own way, and one that fails does not spoil the others', async () => {
    const info = await send({ to: ['b@good.example', 'c@other.example', 'd@swapped.example'] });
    expect(info.accepted).toEqual(['b@good.example', 'c@other.example']);
    expect(info.rejected).toEqual(['d@swapped.example']);
    expect(info.pending).toEqual(['d@swapped.example']);
    expect(info.rejectedErrors).toMatchObject([
      {
        code: 'ETLS',
        command: 'STARTTLS',
        recipient: 'd@swapped.example',
        permanent: false,
        enhancedStatus: '4.7.5',
      },
    ]);
    expect(internet.mailServers.get('mx.swapped.example')?.received.messages).toEqual([]);
  });

  it('calls back, where a callback is given', async () => {
    const info = await new Promise<DanelawSentMessageInfo>((resolve, reject) => {
      mailer().sendMail({ ...MAIL, to: 'b@good.example' }, (error, sent) =>
        error ? reject(error) : resolve(sent),
      );
    });
    expect(info.accepted).toEqual(['b@good.example']);
  });

  it('sends a bounce with the null reverse-path', async () => {
    const info = await send({ envelope: { from: false, to: 'b@good.example' } });
    expect(info.envelope).toEqual({ from: false, to: ['b@good.example'] });
    expect(received('mx.good.example', info.messageId).from).toBe('');
  });

  it('tells the server of 8-bit content and UTF-8 addresses', async () => {
    const eight = await send({ to: 'b@good.example', textEncoding: 'base64', raw: rawMail('Grüße') });
    expect(eight.accepted).toEqual(['b@good.example']);
    const messages = internet.mailServers.get('mx.good.example')?.received.messages ?? [];
    expect(messages.at(-1)?.mailParameters).toContain('BODY=8BITMIME');
    await send({ to: 'jürgen@good.example' });
    expect(messages.at(-1)?.mailParameters).toContain('SMTPUTF8');
  });

  it('gives lines of any ends CRLF, as the SMTP transport does', async () => {
    const raw = 'Message-ID: <mixed@sender.example>\r\nSubject: x\n\none\rtwo\n.\r\nthree';
    await send({ to: 'b@good.example', raw });
    const { text } = received('mx.good.example', '<mixed@sender.example>');
    expect(text).toBe('Message-ID: <mixed@sender.example>\r\nSubject: x\r\n\r\none\r\ntwo\r\n.\r\nthree\r\n');
  });

  it('signs with DKIM before the transport sees the message', async () => {
    const { privateKey } = (await import('node:crypto')).generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    const dkim = { domainName: 'sender.example', keySelector: 'test', privateKey };
    const defaults = createTransport(transport(), { dkim });
    const info = await defaults.sendMail({ ...MAIL, to: 'b@good.example' });
    expect(received('mx.good.example', info.messageId).text).toMatch(/^DKIM-Signature: .*\bs=test\b/su);
  });

  it('says REQUIRETLS where it is asked for (RFC 8689)', async () => {
    const info = await send({ to: 'b@requiretls.example', requireTLSExtensionEnabled: true });
    expect(received('mx.requiretls.example', info.messageId).mailParameters).toContain('REQUIRETLS');
  });

  it('sends in clear only where the policy allows it', async () => {
    expect(await send({ to: 'b@plain.example' })).toMatchObject({ danelaw: { recipients: [{ tls: null }] } });
    const strict = mailer({ level: 'encrypt' });
    expect(await failure(strict.sendMail({ ...MAIL, to: 'b@plain.example' }))).toMatchObject({
      code: 'ETLS',
      permanent: false,
      enhancedStatus: '4.7.4',
    });
  });
});

const rawMail = (body: string): string =>
  `Message-ID: <raw@sender.example>\r\nSubject: raw\r\n\r\n${body}\r\n`;

describe('failure', () => {
  it('of some recipients is told with the result, as the SMTP transport does', async () => {
    const info = await send({ to: ['b@picky.example', 'nobody@picky.example', 'busy@picky.example'] });
    expect(info).toMatchObject({
      accepted: ['b@picky.example'],
      rejected: ['nobody@picky.example', 'busy@picky.example'],
      pending: ['busy@picky.example'],
      rejectedErrors: [
        {
          code: 'EENVELOPE',
          command: 'RCPT TO',
          recipient: 'nobody@picky.example',
          response: '550 5.1.1 No such mailbox',
          responseCode: 550,
          enhancedStatus: '5.1.1',
          permanent: true,
        },
        { code: 'EENVELOPE', recipient: 'busy@picky.example', responseCode: 450, permanent: false },
      ],
    });
    expect(info.rejectedErrors?.[0]).toBeInstanceOf(Error);
  });

  it('of all recipients is an error, and a temporary one speaks for it', async () => {
    const error = await failure(send({ to: ['nobody@picky.example', 'busy@picky.example'] }));
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      code: 'EENVELOPE',
      command: 'RCPT TO',
      responseCode: 450,
      permanent: false,
      rejected: ['nobody@picky.example', 'busy@picky.example'],
      rejectedErrors: [{ responseCode: 550 }, { responseCode: 450 }],
      danelaw: { recipients: [{ status: 'failed' }, { status: 'deferred' }] },
    });
    expect(error.message).toMatch(/^Can't send mail - all recipients were rejected: mx\.picky\.example/u);
  });

  it.each([
    ['a wrong certificate', 'b@swapped.example', { code: 'ETLS', permanent: false }],
    [
      'a refused message',
      'b@content.example',
      { code: 'EMESSAGE', command: 'DATA', responseCode: 554, permanent: true },
    ],
    ['a domain that is not there', 'b@nowhere.example', { code: 'EDNS', permanent: true }],
    [
      'a domain that takes no mail',
      'b@null-mx.example',
      { code: 'EENVELOPE', permanent: true, enhancedStatus: '5.1.10' },
    ],
    ['a recipient that is none', `${'x'.repeat(65)}@good.example`, { code: 'EENVELOPE', permanent: true }],
  ])('%s', async (_, recipient, expected) => {
    expect(await failure(send({ envelope: { from: 'a@sender.example', to: [recipient] } }))).toMatchObject(
      expected,
    );
  });

  it('where the server offers no 8BITMIME', async () => {
    const error = await failure(
      send({ envelope: { from: '', to: 'b@seven-bit.example' }, raw: rawMail('é') }),
    );
    expect(error).toMatchObject({ code: 'EMESSAGE', enhancedStatus: '5.6.3', permanent: true });
  });

  it('where nobody listens', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    if (typeof address !== 'object' || address === null) throw new Error('no port');
    taken.close();
    await once(taken, 'close');
    const relayed = mailer({ relay: { host: '[127.0.0.1]', port: address.port } });
    const error = await failure(relayed.sendMail({ ...MAIL, to: 'b@good.example' }));
    expect(error).toMatchObject({ code: 'ESOCKET', command: 'CONN', permanent: false });
  });

  it('where the message can not be read, is malformed or too long', async () => {
    const broken = new Readable({ read: () => void broken.destroy(new Error('disk on fire')) });
    const unreadable = failure(send({ to: 'b@good.example', attachments: [{ content: broken }] }));
    expect(await unreadable).toMatchObject({
      code: 'ESTREAM',
      message: expect.stringContaining('disk on fire'),
    });
    const nul = failure(send({ to: 'b@good.example', raw: rawMail('a\0b') }));
    expect(await nul).toMatchObject({ code: 'EMESSAGE', message: expect.stringContaining('NUL') });
    const long = mailer({ maxMessageOctets: 1000 }).sendMail({
      ...MAIL,
      to: 'b@good.example',
      text: 'x '.repeat(999),
    });
    expect(await failure(long)).toMatchObject({
      code: 'EMESSAGE',
      message: expect.stringContaining('1000 octets'),
    });
  });

  it('where REQUIRETLS is asked for, and the server does not offer it (RFC 8689)', async () => {
    const error = await failure(send({ to: 'b@good.example', requireTLSExtensionEnabled: true }));
    expect(error).toMatchObject({ code: 'EREQUIRETLS', permanent: true, enhancedStatus: '5.7.30' });
  });
});

describe('MTA-STS', () => {
  it('binds where there are no TLSA records', async () => {
    const cache = new StsCache();
    const policy = { mode: 'enforce', maxAge: 86_400, mx: ['mx.plain.example'] } as const;
    cache.set({ domain: 'plain.example', id: '1', policy, fetched: Date.now() }, Date.now());
    const strict = mailer({ sts: new MtaSts({ cache }) });
    const error = await failure(strict.sendMail({ ...MAIL, to: 'b@plain.example' }));
    expect(error).toMatchObject({ code: 'ETLS', permanent: false });
    const lax = mailer({ sts: false });
    expect(await lax.sendMail({ ...MAIL, to: 'b@plain.example' })).toMatchObject({ rejected: [] });
  });
});

describe('the end', () => {
  it('comes at once with the signal of a message', async () => {
    const stop = new AbortController();
    const sending = failure(send({ to: 'b@silent.example', signal: stop.signal }));
    await waitFor(() => internet.mailServers.get('mx.silent.example')?.received.connections.length === 1);
    const reason = new Error('enough');
    stop.abort(reason);
    expect(await sending).toMatchObject({ name: 'AbortError', code: 'EABORT', cause: reason });
  });

  it('comes with close({ force: true }) for all messages, and later ones fail', async () => {
    const before = internet.mailServers.get('mx.silent.example')?.received.connections.length ?? 0;
    const own = transport({ resolver: labResolver() });
    const closing = createTransport(own);
    const sending = failure(closing.sendMail({ ...MAIL, to: 'b@silent.example' }));
    await waitFor(
      () => internet.mailServers.get('mx.silent.example')?.received.connections.length === before + 1,
    );
    await own.close({ force: true });
    expect(await sending).toMatchObject({ code: 'EABORT' });
    expect(await failure(closing.sendMail({ ...MAIL, to: 'b@good.example' }))).toMatchObject({
      code: 'ECONNECTION',
    });
  });

  it('waits with close() for what is under way', async () => {
    const own = transport({ resolver: labResolver() });
    const sending = createTransport(own).sendMail({ ...MAIL, to: 'b@good.example' });
    await new Promise(setImmediate);
    await own.close();
    expect(await sending).toMatchObject({ accepted: ['b@good.example'] });
  });
});

describe('verify', () => {
  it('is true where answers can be proved', async () => {
    expect(await mailer().verify()).toBe(true);
    const called = await new Promise((resolve) =>
      mailer().verify((error, success) => resolve({ error, success })),
    );
    expect(called).toEqual({ error: null, success: true });
  });

  it('says EDNS where they can not', async () => {
    const foreign = { ...labResolver(), trustAnchors: [`. IN DS 12345 13 2 ${'00'.repeat(32)}`] };
    const own = transport({ resolver: foreign });
    expect(await failure(createTransport(own).verify())).toMatchObject({ code: 'EDNS' });
    await own.close();
  });
});

it('refuses a name that can not be said with EHLO', () => {
  expect(() => danelawTransport({ resolver, name: 'no good' })).toThrow(TypeError);
});

async function waitFor(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
