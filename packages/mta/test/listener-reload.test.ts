/** What changes while the listener runs, and how it ends. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Accepted } from '../src/acceptance/submission.js';
import { createListener, ListenerError } from '../src/listener/listener.js';
import { hashPassword } from '../src/listener/password.js';
import {
  CertificateOnDisk,
  makeCertificate,
  type Running,
  SMTPS,
  startListener,
  WireClient,
} from './listener-lab.js';

const SMTP = { protocol: 'smtp', host: '127.0.0.1', port: 0 } as const;
const HELLO = 'EHLO a';
const MAIL = 'MAIL FROM:<me@example.net>';
const RCPT = 'RCPT TO:<you@example.org>';

let disk: CertificateOnDisk;
let running: Running;

beforeEach(async () => {
  disk = new CertificateOnDisk();
  running = await startListener({
    addresses: [SMTP, SMTPS],
    certificate: disk.files,
    // Looked at when the test says so.
    certificateInterval: 3_600_000,
  });
});

afterEach(async () => {
  await running.end();
  disk.remove();
});

/** The certificates that a new connection is shown, in clear with STARTTLS and with TLS from the start. */
async function shown(): Promise<Buffer[]> {
  const starttls = await running.client();
  await starttls.ask(HELLO);
  await starttls.ask('STARTTLS');
  await starttls.upgrade();
  const implicit = await running.client(1);
  const certificates = [starttls, implicit].map(({ socket }) => {
    if (!('getPeerX509Certificate' in socket)) throw new Error('no TLS');
    return socket.getPeerX509Certificate()?.raw ?? Buffer.alloc(0);
  });
  starttls.close();
  implicit.close();
  return certificates;
}

describe('the certificate', () => {
  it('is the new one as soon as its files have been replaced; connections go on', async () => {
    const before = Buffer.from(disk.current.der);
    expect(await shown()).toEqual([before, before]);
    const old = await running.client(1);
    const after = Buffer.from(disk.replace().der);
    await running.listener.reload(running.options);
    expect(await shown()).toEqual([after, after]);
    expect(await old.ask('NOOP')).toMatch(/^250/);
    expect(running.log.lines.filter((line) => line.startsWith('certificate'))).toHaveLength(2);
  });

  it('stays the old one while the key is of another certificate, which is told once', async () => {
    const before = Buffer.from(disk.current.der);
    const next = makeCertificate();
    disk.write('key', next.keyPem);
    await running.listener.reload(running.options);
    await running.listener.reload(running.options);
    expect(await shown()).toEqual([before, before]);
    expect(running.log.lines.filter((line) => line.startsWith('problem'))).toEqual([
      expect.stringContaining('the key is of another certificate'),
    ]);
    disk.write('certificate', next.pem);
    await running.listener.reload(running.options);
    expect(await shown()).toEqual([Buffer.from(next.der), Buffer.from(next.der)]);
  });

  it.each([
    ['is no certificate', 'nonsense'],
    ['is empty', ''],
  ])('stays the old one where the new file %s', async (_, text) => {
    const before = Buffer.from(disk.current.der);
    disk.write('certificate', text);
    await running.listener.reload(running.options);
    expect(await shown()).toEqual([before, before]);
    expect(running.log.lines.join('\n')).toContain('stays in use');
  });

  it('is looked for without being asked', async () => {
    const other = await startListener({ certificate: disk.files, certificateInterval: 10 });
    disk.replace();
    await other.log.until(/^certificate/);
    for (;;) {
      if (other.log.lines.filter((line) => line.startsWith('certificate')).length === 2) break;
      await other.log.until(/^certificate/);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await other.end();
  });

  it('that is given later turns STARTTLS on', async () => {
    const other = await startListener();
    const client = await other.client();
    expect(await client.ask('STARTTLS')).toMatch(/^502/);
    await other.listener.reload({ ...other.options, certificate: disk.files });
    expect(await client.ask('STARTTLS')).toMatch(/^220/);
    await client.upgrade();
    expect(await client.ask(HELLO)).toMatch(/^250/);
    await other.listener.reload(other.options);
    const next = await other.client();
    expect(await next.ask('STARTTLS')).toMatch(/^502/);
    await other.end();
  });
});

describe('new settings', () => {
  it('hold for who may relay, also over connections that are there', async () => {
    const client = await running.client();
    await client.ask(HELLO);
    expect(await client.ask(MAIL)).toMatch(/^250/);
    await client.ask('RSET');
    await running.listener.reload({ ...running.options, networks: [] });
    await client.ask(MAIL);
    expect(await client.ask(RCPT)).toMatch(/^550 5\.7\.1/);
  });

  it('hold for users', async () => {
    const plain = `AUTH PLAIN ${Buffer.from('\0me\0secret').toString('base64')}`;
    const client = await running.client(1);
    await client.ask(HELLO);
    expect(await client.ask(plain)).toMatch(/^502/);
    const users = new Map([['me', await hashPassword('secret')]]);
    await running.listener.reload({ ...running.options, users });
    expect(await client.ask(plain)).toMatch(/^235/);
  });

  it('may have other addresses; what stays is not touched', async () => {
    const client = await running.client();
    const gone = running.addresses[1]?.port ?? 0;
    const [kept, added] = await running.listener.reload({
      ...running.options,
      addresses: [SMTP, { ...SMTP, host: '127.0.0.2' }],
    });
    expect(kept?.port).toBe(running.port);
    expect(await client.ask(HELLO)).toMatch(/^250/);
    const refused = await WireClient.open(gone, true).then(
      () => 'open',
      (error: NodeJS.ErrnoException) => error.code,
    );
    expect(refused).toBe('ECONNREFUSED');
    expect(added?.host).toBe('127.0.0.2');
  });

  it('that can\u2019t be used change nothing', async () => {
    const { options, listener, port } = running;
    const taken = { ...SMTP, port };
    const broken = [
      { ...options, networks: ['0.0.0.0/0'], addresses: [{ ...SMTP, host: '0.0.0.0' }] },
      { ...options, networks: ['127.0.0.1/8'] },
      { ...options, addresses: [{ ...SMTP, host: 'localhost' }] },
      { ...options, addresses: [{ ...SMTP, port: 65_536 }] },
      { ...options, users: new Map([['me', 'secret']]) },
      { ...options, certificate: undefined },
      { ...options, certificate: { certificate: '/nowhere/cert.pem', key: '/nowhere/key.pem' } },
      { ...options, networks: [], addresses: [...options.addresses, taken] },
    ];
    for (const settings of broken) await expect(listener.reload(settings)).rejects.toThrow(ListenerError);
    const client = await running.client();
    for (const command of [HELLO, MAIL, RCPT]) expect(await client.ask(command)).toMatch(/^250/);
    await shown();
  });

  it('may come faster than they are put into force', async () => {
    const other = { ...SMTP, host: '127.0.0.2' };
    const reloads = [[other], [SMTP, other], [other], [other, SMTPS]].map((addresses) =>
      running.listener.reload({ ...running.options, addresses }),
    );
    const all = await Promise.all(reloads);
    expect(
      new Set(all.map((addresses) => addresses.find(({ host }) => host === '127.0.0.2')?.port)).size,
    ).toBe(1);
    expect(all.at(-1)?.map(({ protocol }) => protocol)).toEqual(['smtp', 'smtps']);
  });

  it('that would make an open relay are not even begun with', () => {
    const options = { ...running.options, addresses: [{ ...SMTP, host: '::' }], networks: ['::/0'] };
    expect(() => createListener(options)).toThrow(/everybody could send mail/);
    expect(() => createListener({ ...options, openRelay: true })).not.toThrow();
  });
});

describe('the end', () => {
  it('lets a message come to its end, tells idle clients, and takes no new connection', async () => {
    const other = await startListener();
    const idle = await other.client();
    const busy = await other.client();
    for (const command of [HELLO, MAIL, RCPT, 'DATA']) await busy.ask(command);
    const closed = other.listener.close(60_000);
    expect(await idle.reply()).toEqual(['421 4.3.2 Shutting down; try later']);
    await expect(WireClient.open(other.port)).rejects.toThrow('ECONNREFUSED');
    expect(await busy.ask('one\r\n.')).toBe('250 2.0.0 Ok: queued as ID1');
    expect(await busy.reply()).toEqual(['421 4.3.2 Shutting down; try later']);
    idle.close();
    busy.close();
    await closed;
    expect(other.listener.connections).toBe(0);
  });

  it('is the end: nothing is reloaded after it', async () => {
    const other = await startListener();
    await other.end();
    await expect(other.listener.reload(other.options)).rejects.toThrow(/is closed/);
    await other.end();
  });

  it('comes after the time of grace for a client that does not finish', async () => {
    const other = await startListener();
    const client = await other.client();
    for (const command of [HELLO, MAIL, RCPT, 'DATA']) await client.ask(command);
    await other.listener.close(10);
    expect(await client.reply()).toBeUndefined();
    expect(other.acceptance.submissions).toEqual([]);
  });

  it('waits for messages that are being accepted, whatever the time of grace', async () => {
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
    for (const command of [HELLO, MAIL, RCPT, 'DATA']) await client.ask(command);
    client.send('.\r\n');
    await asked;
    let closed = false;
    const closing = other.listener.close(0).then(() => {
      closed = true;
    });
    await client.reply();
    expect(closed).toBe(false);
    settle({ status: 'accepted', id: 'LAST' });
    await closing;
    expect(other.log.lines.join('\n')).toContain('LAST');
  });
});
