/** Bounds: what a client can't do to others, or to the machine. */
import { describe, expect, it } from 'vitest';
import type { Accepted } from '../src/acceptance/submission.js';
import type { ListenerLimits } from '../src/listener/options.js';
import { hashPassword } from '../src/listener/password.js';
import {
  CertificateOnDisk,
  LogLines,
  type Running,
  SMTPS,
  startListener,
  WireClient,
} from './listener-lab.js';

const HELLO = 'EHLO a';
const MAIL = 'MAIL FROM:<me@example.net>';
const RCPT = 'RCPT TO:<you@example.org>';

async function withListener(
  limits: Partial<ListenerLimits>,
  test: (running: Running) => Promise<void>,
): Promise<void> {
  const running = await startListener({ limits });
  try {
    await test(running);
  } finally {
    await running.end();
  }
}

async function begin(client: WireClient): Promise<void> {
  for (const command of [HELLO, MAIL, RCPT, 'DATA']) await client.ask(command);
}

describe('connections', () => {
  it('of one client are bounded, and one that ends makes room', () =>
    withListener({ connectionsOfClient: 2 }, async (running) => {
      const clients = [await running.client(), await running.client()];
      const third = await WireClient.open(running.port);
      expect(await third.reply()).toEqual(['421 4.7.0 relay.example Too many connections from your address']);
      expect(await third.reply()).toBeUndefined();
      // Another client is none the worse.
      const other = await WireClient.open(running.port, false, '127.0.0.2');
      expect((await other.reply())?.[0]).toMatch(/^220/);
      clients[0]?.close();
      await running.log.until(/^disconnected/);
      const fourth = await running.client();
      expect(await fourth.ask(HELLO)).toMatch(/^250/);
    }));

  it('are bounded in total', () =>
    withListener({ connections: 1 }, async (running) => {
      await running.client();
      const other = await WireClient.open(running.port, false, '127.0.0.2');
      expect(await other.reply()).toEqual([
        '421 4.7.0 relay.example Too many connections at the moment; try later',
      ]);
    }));

  it('give their places back after TLS of either kind, and after handshakes that failed', async () => {
    const disk = new CertificateOnDisk();
    const addresses = [{ protocol: 'smtp', host: '127.0.0.1', port: 0 } as const, SMTPS];
    const running = await startListener({ certificate: disk.files, addresses });
    const gone = async (count: number) => {
      for (;;) {
        if (running.listener.connections === count) return;
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const first = await running.client();
    await first.ask(HELLO);
    await first.ask('STARTTLS');
    await first.upgrade();
    const second = await running.client(1);
    const third = await running.client();
    await third.ask(HELLO);
    await third.ask('STARTTLS');
    third.send('this is no handshake\r\n');
    const fourth = await WireClient.open(running.addresses[1]?.port ?? 0);
    fourth.send('neither is this\r\n');
    await gone(2);
    first.close();
    second.close();
    await gone(0);
    await running.end();
    disk.remove();
  });

  it('carry a bounded number of messages', () =>
    withListener({ messagesOfConnection: 1 }, async (running) => {
      const client = await running.client();
      await begin(client);
      await client.ask('.');
      expect(await client.ask(MAIL)).toMatch(/^421 4\.7\.0/);
      expect(await client.reply()).toBeUndefined();
    }));

  it('end when nothing comes (RFC 5321 section 4.5.3.2.7)', () =>
    withListener({ idle: 50 }, async (running) => {
      const client = await running.client();
      expect(await client.reply()).toEqual(['421 4.4.2 Timeout - closing connection']);
      expect(await client.reply()).toBeUndefined();
    }));

  it('end when commands trickle in for too long, though the client is never idle', () =>
    withListener({ commandTime: 200 }, async (running) => {
      const client = await running.client();
      const trickle = setInterval(() => client.send('N'), 20);
      try {
        expect(await client.reply()).toEqual(['421 4.4.2 Timed out waiting for you']);
        expect(await client.reply()).toBeUndefined();
      } finally {
        clearInterval(trickle);
      }
    }));

  it('have the time for commands anew with each message, and none of it goes by while one comes in', () =>
    withListener({ commandTime: 2000 }, async (running) => {
      const client = await running.client();
      await begin(client);
      const late = await running.client();
      // The other one's time is over while this one's message comes in.
      expect((await late.reply())?.[0]).toMatch(/^421 4\.4\.2/u);
      await running.listener.reload({ ...running.options, limits: { commandTime: 50 } });
      client.send('A: b\r\n\r\nc\r\n.\r\n');
      expect((await client.reply())?.[0]).toMatch(/^250 /u);
      expect(await client.reply()).toEqual(['421 4.4.2 Timed out waiting for you']);
    }));

  it('do not end while the client waits for what becomes of its message', () =>
    withListener({ idle: 1000 }, async (running) => {
      let settle: (accepted: Accepted) => void = () => {};
      running.acceptance.answer = () =>
        new Promise((resolve) => {
          settle = resolve;
        });
      const client = await running.client();
      const silent = await running.client();
      await begin(client);
      client.send('.\r\n');
      // The other one's time has come twice by then.
      expect((await silent.reply())?.[0]).toMatch(/^421/);
      const another = await running.client();
      expect((await another.reply())?.[0]).toMatch(/^421/);
      settle({ status: 'accepted', id: 'X' });
      expect((await client.reply())?.[0]).toBe('250 2.0.0 Ok: queued as X');
    }));

  it('end when a message trickles in for too long', () =>
    withListener({ messageTime: 50 }, async (running) => {
      const client = await running.client();
      await begin(client);
      client.send('a');
      expect(await client.reply()).toEqual(['421 4.4.2 This message took too long to come']);
      expect(running.acceptance.submissions).toEqual([]);
    }));
});

describe('commands', () => {
  it('that are wrong are bounded, and forgotten with a message', () =>
    withListener({ errors: 3 }, async (running) => {
      const client = await running.client();
      for (let round = 0; round < 3; round++) {
        expect(await client.ask('XYZZY')).toMatch(/^500 5\.5\.2/);
        expect(await client.ask('XYZZY')).toMatch(/^500 5\.5\.2/);
        await begin(client);
        await client.ask('.');
      }
      for (let error = 0; error < 3; error++) await client.ask('XYZZY');
      expect(await client.ask('XYZZY')).toMatch(/^421 4\.7\.0 Too many errors/);
      expect(await client.reply()).toBeUndefined();
    }));

  it('that lead nowhere are bounded', () =>
    withListener({ idleCommands: 5 }, async (running) => {
      const client = await running.client();
      for (let command = 0; command < 5; command++) expect(await client.ask('NOOP')).toMatch(/^250/);
      expect(await client.ask('RSET')).toMatch(/^421 4\.7\.0/);
    }));

  it('are answered all, thousands in one segment', () =>
    withListener({ idleCommands: 1e6 }, async (running) => {
      const client = await running.client();
      client.send('NOOP\r\n'.repeat(5000));
      for (let reply = 0; reply < 5000; reply++) expect((await client.reply())?.[0]).toBe('250 2.0.0 Ok');
    }));

  it('are taken no faster than their replies are read', async () => {
    const log = new LogLines();
    let answered = 0;
    log.refused = () => {
      answered++;
    };
    const running = await startListener({ log, limits: { errors: 1e9, idleCommands: 1e9 } });
    const client = await running.client();
    client.socket.pause();
    // 20 MB of replies: more than the network holds.
    const commands = 500_000;
    client.send('XYZZY\r\n'.repeat(commands));
    // Another connection is served meanwhile, until nothing moves any more.
    const other = await running.client();
    for (let before = -1; before !== answered; ) {
      before = answered;
      for (let command = 0; command < 200; command++) await other.ask('NOOP');
    }
    expect(answered).toBeGreaterThan(0);
    expect(answered).toBeLessThan(commands);
    client.close();
    await running.end();
  });
});

describe('memory', () => {
  const MEGA = 1024 * 1024;
  const limits = { messageOctets: MEGA, octetsInMemory: 2 * MEGA, patience: 0, idleCommands: 1e6 };

  /** A listener whose memory is used up by one message that the acceptance has not taken yet. */
  const full = (test: (running: Running, free: () => void) => Promise<void>) =>
    withListener(limits, async (running) => {
      let settle: (accepted: Accepted) => void = () => {};
      const asked = new Promise<void>((resolve) => {
        running.acceptance.answer = () => {
          resolve();
          running.acceptance.answer = async () => ({ status: 'accepted', id: 'NEXT' });
          return new Promise((later) => {
            settle = later;
          });
        };
      });
      const client = await running.client();
      await begin(client);
      client.send(`${'x'.repeat(MEGA - 2)}\r\n.\r\n`);
      await asked;
      await test(running, () => settle({ status: 'accepted', id: 'FIRST' }));
    });

  it('that is used up puts off large messages at MAIL, by their SIZE', () =>
    full(async (running, free) => {
      const client = await running.client();
      await client.ask(HELLO);
      expect(await client.ask(`${MAIL} SIZE=${MEGA}`)).toMatch(/^452 4\.3\.1/);
      free();
      await running.log.until(/^received.*FIRST/);
      expect(await client.ask(`${MAIL} SIZE=${MEGA}`)).toMatch(/^250/);
    }));

  it('that is used up in the middle of a message puts it off at its end', () =>
    full(async (running, free) => {
      const client = await running.client();
      await begin(client);
      expect(await client.ask(`${'x'.repeat(MEGA - 2)}\r\n.`)).toMatch(/^452 4\.3\.1/);
      free();
      await running.log.until(/^received.*FIRST/);
      for (const command of [MAIL, RCPT, 'DATA']) await client.ask(command);
      expect(await client.ask(`${'x'.repeat(MEGA - 2)}\r\n.`)).toBe('250 2.0.0 Ok: queued as NEXT');
    }));

  it('comes back from clients that leave in the middle of a message', () =>
    withListener(limits, async (running) => {
      for (let round = 0; round < 5; round++) {
        const client = await running.client();
        await begin(client);
        client.send('x'.repeat(MEGA - 2));
        await new Promise<void>((resolve) => client.socket.end(resolve));
        client.close();
      }
      const client = await running.client();
      await client.ask(HELLO);
      while (running.listener.connections > 1) await client.ask('NOOP');
      expect(await client.ask(`${MAIL} SIZE=${MEGA}`)).toMatch(/^250/);
    }));
});

describe('logins', () => {
  const plain = (password: string) => `AUTH PLAIN ${Buffer.from(`\0me\0${password}`).toString('base64')}`;

  it('that fail are bounded over one connection and for one client (RFC 4954 section 9)', async () => {
    const disk = new CertificateOnDisk();
    const running = await startListener({
      certificate: disk.files,
      addresses: [SMTPS],
      users: new Map([['me', await hashPassword('secret')]]),
      limits: { failedLogins: 3, failedLoginsOfClient: 4 },
    });
    const first = await running.client();
    await first.ask(HELLO);
    expect(await first.ask(plain('a'))).toMatch(/^535 5\.7\.8/);
    expect(await first.ask(plain('b'))).toMatch(/^535 5\.7\.8/);
    expect(await first.ask(plain('c'))).toMatch(/^421 4\.7\.0/);
    expect(await first.reply()).toBeUndefined();
    const second = await running.client();
    await second.ask(HELLO);
    expect(await second.ask(plain('d'))).toMatch(/^535 5\.7\.8/);
    // From now on not even the right one is tried.
    expect(await second.ask(plain('secret'))).toMatch(/^454 4\.7\.0/);
    const other = await WireClient.open(running.port, true, '127.0.0.2');
    await other.reply();
    await other.ask(HELLO);
    expect(await other.ask(plain('secret'))).toMatch(/^235 2\.7\.0/);
    expect(running.log.lines.join('\n')).not.toMatch(/secret|c2VjcmV0/);
    expect(running.log.lines).toContain('authenticated me');
    await running.end();
    disk.remove();
  });
});
