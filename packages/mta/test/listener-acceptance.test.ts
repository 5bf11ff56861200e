/** The listener and the acceptance together: what is said over the wire, and what the queue is given. */
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAcceptance } from '../src/acceptance/acceptance.js';
import { type NewMessage, QueueFullError } from '../src/queue/queue.js';
import { type Running, startListener } from './listener-lab.js';

let running: Running;
let kept: NewMessage[];
let full: boolean;

beforeEach(async () => {
  kept = [];
  full = false;
  const acceptance = createAcceptance({
    queue: {
      add: async (message) => {
        if (full) throw new QueueFullError('the disk is full');
        kept.push(message);
      },
    },
    hostname: 'relay.example',
    clock: () => Date.parse('2030-01-01T00:00:00Z'),
    random: randomBytes,
    aliases: { postmaster: 'admin@example.org' },
  });
  running = await startListener({ acceptance });
});

afterEach(() => running.end());

/** Sends one message; gives the last reply. */
async function send(message: string, from = '<me@example.net>', to = '<you@example.org>'): Promise<string> {
  const client = await running.client();
  let reply = '';
  for (const command of [
    'EHLO client.example',
    `MAIL FROM:${from}`,
    `RCPT TO:${to}`,
    'DATA',
    `${message}\r\n.`,
  ]) {
    reply = await client.ask(Buffer.from(`${command}\r\n`, 'latin1'));
    if (/^[45]/.test(reply)) break;
  }
  client.close();
  return reply;
}

describe('a message over the wire', () => {
  it('is in the queue with its Received field, under the id that its sender is told', async () => {
    const reply = await send('From: me@example.net\r\n\r\n..dots', '<me@example.net> RET=HDRS ENVID=q+2B1');
    const [message] = kept;
    expect(reply).toBe(`250 2.0.0 Ok: queued as ${message?.id}`);
    expect(message).toMatchObject({
      envelope: { from: 'me@example.net', envid: 'q+1', ret: 'hdrs', origin: { protocol: 'ESMTP' } },
      recipients: [{ address: 'you@example.org', destination: 'example.org' }],
    });
    const text = Buffer.from(message?.body ?? []).toString('latin1');
    expect(text).toMatch(/^Received: from client\.example .*127\.0\.0\.1.*\r\n/);
    expect(text).toContain('with ESMTP');
    // From this machine: its author's program, so what is missing is added (RFC 6409 section 8).
    expect(text).toContain('\r\nMessage-ID: <');
    expect(text.endsWith('\r\n\r\n.dots\r\n')).toBe(true);
  });

  it.each([
    ['LF . LF', 'From: a@b.example\r\n\r\na\n.\nMAIL FROM:<evil@example.net>'],
    ['CR LF . LF', 'From: a@b.example\r\n\r\na\r\n.\nMAIL FROM:<evil@example.net>'],
    ['LF . CR LF', 'From: a@b.example\r\n\r\na\n.\r\nMAIL FROM:<evil@example.net>'],
    ['CR . CR', 'From: a@b.example\r\n\r\na\r.\rMAIL FROM:<evil@example.net>'],
  ])('is refused as a whole where it has %s in it (SMTP smuggling)', async (_, message) => {
    expect(await send(message)).toMatch(/^554 5\.5\.2 /);
    expect(kept).toEqual([]);
  });

  it('is put off while the queue is full', async () => {
    full = true;
    expect(await send('From: me@example.net\r\n\r\n')).toMatch(/^452 4\.3\.1 .*disk is full/);
    full = false;
    expect(await send('From: me@example.net\r\n\r\n')).toMatch(/^250/);
  });

  it.each([
    ['a sender without a domain', '<me>', '<you@example.org>', '501 5.1.7'],
    ['a recipient without a domain', '<>', '<you>', '501 5.1.3'],
    ['a quoted local part', '<"a b"@example.net>', '<">"@example.org>', '250 2.0.0'],
    ['the postmaster, who has an alias (RFC 5321 section 4.5.1)', '<>', '<Postmaster>', '250 2.0.0'],
    ['a recipient at our own name', '<>', '<you@relay.example>', '550 5.4.6'],
  ])('%s', async (_, from, to, expected) => {
    expect(await send('From: me@example.net\r\n\r\n', from, to)).toContain(expected);
  });
});
