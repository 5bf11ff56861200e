/**
 * Clients that say anything at any time: the listener answers in well-formed replies or hangs up, and goes on
 * serving others; nothing is accepted that was not sent as a message.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashPassword } from '../src/listener/password.js';
import { CertificateOnDisk, type Running, SMTPS, startListener, WireClient } from './listener-lab.js';

const long = Number(process.env['DANELAW_FUZZ'] ?? 0);
const runs = long > 0 ? { numRuns: long } : { numRuns: 150, seed: 5321 };
const timeout = long > 0 ? long * 100 : 60_000;

const disk = new CertificateOnDisk();
let running: Running;

beforeAll(async () => {
  running = await startListener({
    addresses: [{ protocol: 'smtp', host: '127.0.0.1', port: 0 }, SMTPS],
    certificate: disk.files,
    users: new Map([['me', await hashPassword('secret')]]),
    limits: { connections: 10_000, connectionsOfClient: 10_000, failedLoginsOfClient: 1 },
  });
});

afterAll(async () => {
  await running.end();
  disk.remove();
});

const words = fc.constantFrom(
  ...['EHLO a', 'HELO', 'MAIL FROM:', 'RCPT TO:', 'DATA', 'RSET', 'NOOP', 'VRFY', 'AUTH PLAIN', 'AUTH LOGIN'],
  ...['MAIL FROM:<me@example.net>\r\nRCPT TO:<you@example.org>\r\nDATA\r\n', 'BDAT 3', 'HELP', 'STARTTLS x'],
  ...[
    '<',
    '>',
    '<me@example.org>',
    '<>',
    ' ',
    '=',
    'SIZE=1',
    'SIZE',
    'NOTIFY=',
    'ORCPT=',
    'RET=FULL',
    'SMTPUTF8',
  ],
  ...['\r\n', '\r\n', '\r\n', '\r', '\n', '.', '\r\n.\r\n', '\0', '\xff', 'AAAA', '*', 'x'.repeat(5000)],
);

/** All replies until the end of the connection. */
async function replies(client: WireClient): Promise<string> {
  return client.rest();
}

/** Replies to EHLO and HELO, 3yz replies, and all others with a status of their class. */
const REPLY = /(?:250[- ]|3[35]4 |501 |([245])[0-9]{2} \1\.[0-9]{1,3}\.[0-9]{1,3} )[ -~]*\r\n/;
const REPLIES = new RegExp(`^(?:${REPLY.source})*$`);

describe('a client that says anything', () => {
  it.each([
    ['in clear', 0],
    ['under TLS', 1],
  ])(
    'is answered in well-formed replies, %s',
    async (_, index) => {
      await fc.assert(
        fc.asyncProperty(fc.array(words, { maxLength: 40 }), fc.nat(5000), async (parts, cut) => {
          const { length } = running.acceptance.submissions;
          const client = await running.client(index);
          const octets = Buffer.from(`${parts.join('')}`, 'latin1');
          client.send(octets.subarray(0, cut));
          client.send(octets.subarray(cut));
          client.socket.end();
          expect(await replies(client)).toMatch(REPLIES);
          const ends = octets.toString('latin1').split('DATA').length - 1;
          expect(running.acceptance.submissions.length - length).toBeLessThanOrEqual(ends);
        }),
        runs,
      );
      const next = await running.client(index);
      expect(await next.ask('EHLO a')).toMatch(/^250/);
      next.close();
    },
    timeout,
  );

  it(
    'may leave at any moment of a handshake or a message, and leaves nothing behind',
    async () => {
      const steps = [
        'EHLO a\r\n',
        'STARTTLS\r\n',
        '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
        'garbage\r\n',
      ];
      await fc.assert(
        fc.asyncProperty(fc.nat(steps.length), fc.boolean(), fc.boolean(), async (count, abrupt, tls) => {
          const client = await WireClient.open(running.addresses[tls ? 1 : 0]?.port ?? 0);
          for (const step of steps.slice(tls ? 2 : 0, count)) client.send(Buffer.from(step, 'latin1'));
          if (abrupt) client.socket.resetAndDestroy();
          else client.socket.end();
          await client.rest();
        }),
        runs,
      );
      while (running.listener.connections > 0) await new Promise((resolve) => setImmediate(resolve));
      const next = await running.client();
      expect(await next.ask('EHLO a')).toMatch(/^250/);
      next.close();
    },
    timeout,
  );
});
