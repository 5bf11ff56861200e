/**
 * What a running relay answers to who asks too much of it: one reply, with the one right enhanced status code, and
 * nothing kept of what it did not accept. Nothing is delivered here.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from './free-port.js';
import { WireClient } from './listener-lab.js';
import { run } from './program.js';
import { RelayProcess } from './relay-process.js';

/** Octets that the relay takes. */
const LARGEST = 64 * 1024;

let folder: string;
let port: number;
let relay: RelayProcess;
const clients: WireClient[] = [];

async function startRelay(more: string): Promise<void> {
  folder = await mkdtemp(join(tmpdir(), 'danelaw-limits-'));
  port = await freePort();
  relay = new RelayProcess(
    join(folder, 'danelaw.toml'),
    `
hostname = "relay.example"
state = "${join(folder, 'state')}"
[[listen]]
address = "127.0.0.1:${port}"
[dns]
resolver = ["127.0.0.1#1"]
[sts]
enabled = false
[delivery]
workers = 1
${more}`,
  );
  await relay.start();
}

async function stopRelay(): Promise<void> {
  await relay.end('SIGKILL');
  await rm(folder, { recursive: true });
}

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

/** A client that has read the greeting; it is closed after the test. */
async function connect(address = '127.0.0.1'): Promise<{ client: WireClient; greeting: string }> {
  const client = await WireClient.open(port, false, address);
  clients.push(client);
  return { client, greeting: (await client.reply())?.[0] ?? 'closed' };
}

async function hello(): Promise<WireClient> {
  const { client } = await connect();
  client.send('EHLO client.example\r\n');
  expect(await client.reply()).toContain(`250-SIZE ${LARGEST}`);
  return client;
}

const FROM = 'MAIL FROM:<ann@a.example>';
const OK = '250 2.1.0';
const LINE = `${'x'.repeat(62)}\r\n`;
/** A message of at most so many octets. */
const textOf = (octets: number): string =>
  `Subject: x\r\n\r\n${LINE.repeat(Math.max(1, Math.floor((octets - 14) / LINE.length)))}`;
const listed = async (): Promise<string> =>
  (await run(['queue', 'list', '--config', join(folder, 'danelaw.toml')])).out;

describe('a relay with limits', () => {
  beforeAll(() => startRelay(`[clients]\nmessage_size = "${LARGEST / 1024}KiB"\nrecipients = 100\n`));
  afterAll(stopRelay);

  it('refuses a message that is said to be too large, at MAIL (RFC 1870 section 6.1)', async () => {
    const client = await hello();
    expect(await client.ask(`${FROM} SIZE=${LARGEST + 1}`)).toBe(
      `552 5.3.4 Message is larger than ${LARGEST} octets`,
    );
    expect(await client.ask(`${FROM} SIZE=${LARGEST}`)).toMatch(OK);
  });

  it('refuses one that turns out to be too large, at its end (RFC 1870 section 6.3), and takes the next', async () => {
    const client = await hello();
    const attempt = async (text: string): Promise<string> => {
      expect(await client.ask(FROM)).toMatch(OK);
      await client.ask('RCPT TO:<you@b.example>');
      await client.ask('DATA');
      return await client.ask(Buffer.from(`${text}.\r\n`));
    };
    expect(await attempt(textOf(LARGEST + 100))).toBe(`552 5.3.4 Message is larger than ${LARGEST} octets`);
    expect(await listed()).toBe('nothing\n');
    expect(await attempt(textOf(LARGEST - 1000))).toMatch(/^250 2\.0\.0 Ok: queued as /u);
    expect(await listed()).toContain('1 recipient of 1 message');
  });

  it('puts off recipients that are too many (RFC 5321 section 4.5.3.1.10)', async () => {
    const client = await hello();
    await client.ask(FROM);
    for (let i = 0; i < 100; i++) expect(await client.ask(`RCPT TO:<r${i}@b.example>`)).toMatch('250 2.1.5');
    expect(await client.ask('RCPT TO:<one-more@b.example>')).toBe(
      '452 4.5.3 Too many recipients in one message',
    );
  });
});

describe('a relay with few connections', () => {
  beforeAll(() => startRelay('[clients]\nconnections = 3\nconnections_per_client = 2\n'));
  afterAll(stopRelay);

  it('turns away the third connection of a client, and the fourth of all', async () => {
    for (let i = 0; i < 2; i++) expect((await connect()).greeting).toMatch('220 ');
    const third = await connect();
    expect(third.greeting).toBe('421 4.7.0 relay.example Too many connections from your address');
    expect(await third.client.rest()).toBe('');
    expect((await connect('127.0.0.2')).greeting).toMatch('220 ');
    const fourth = await connect('127.0.0.3');
    expect(fourth.greeting).toBe('421 4.7.0 relay.example Too many connections at the moment; try later');
    const refused = () =>
      relay.events.filter(({ event, reply }) => event === 'refused' && /^421/u.test(String(reply)));
    await relay.event(() => refused().length === 2);
    expect(refused().map(({ client }) => client)).toEqual(['127.0.0.1', '127.0.0.3']);
  });
});

describe('a relay without room', () => {
  afterEach(stopRelay);

  it.each([
    ['its queue has as many messages as it may', 'max_messages = 1', 1],
    // No machine that runs tests has so much left.
    ['its disk has less than is to stay free', 'min_free = "1024GiB"', 0],
  ])('puts a message off where %s, and keeps nothing of it', async (_, setting, taken) => {
    await startRelay(`[queue]\n${setting}\n`);
    const { client } = await connect();
    await client.ask('EHLO client.example');
    const answers: string[] = [];
    for (let i = 0; i < 2; i++) {
      await client.ask(FROM);
      await client.ask('RCPT TO:<you@b.example>');
      await client.ask('DATA');
      answers.push(await client.ask(Buffer.from(`${textOf(100)}.\r\n`)));
    }
    expect(answers.map((each) => each.split(' ').slice(0, 2).join(' '))).toEqual(
      taken === 1 ? ['250 2.0.0', '452 4.3.1'] : ['452 4.3.1', '452 4.3.1'],
    );
    expect(await listed()).toContain(taken === 1 ? 'of 1 message' : 'nothing');
  });
});
