/**
 * What else befalls a relay: a disk that fills up, files that are damaged while it is stopped, a clock that jumps,
 * servers that go wrong at every stage. Whatever it is, mail that was acknowledged arrives, or its sender hears why
 * not.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, writeSync } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, readFile, rm, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTransport } from 'nodemailer';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runOk } from '../interop/run.js';
import { freePort } from '../packages/mta/test/free-port.js';
import { RecordingServer } from '../packages/mta/test/recording-server.js';
import { RelayProcess } from '../packages/mta/test/relay-process.js';
import { BadServer, FAULTS, type Fault, STAGES } from './bad-server.js';

let folder: string;
let state: string;
let config: string;
let port: number;
let relay: RelayProcess;
const cleanups: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'danelaw-luck-'));
  state = join(folder, 'state');
  config = join(folder, 'danelaw.toml');
  port = await freePort();
  cleanups.push(() => rm(folder, { recursive: true }));
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Route {
  readonly domain: string;
  readonly port: number;
  readonly level?: string;
}

/** @param more of the configuration: whole tables */
function makeRelay(routes: readonly Route[], more = '', env: Readonly<Record<string, string>> = {}): void {
  const rules = routes.map(
    ({ domain, port: at, level = 'none' }) =>
      `[[policy]]\ndomain = "${domain}"\nlevel = "${level}"\nrelay = "[127.0.0.1]:${at}"\n`,
  );
  relay = new RelayProcess(
    config,
    `
hostname = "relay.example"
state = "${state}"
[[listen]]
address = "127.0.0.1:${port}"
[dns]
resolver = ["127.0.0.1#1"]
[sts]
enabled = false
[retry]
first = "500ms"
longest = "500ms"
${more}
${rules.join('\n')}`,
    env,
  );
  cleanups.push(() => relay.end('SIGKILL'));
}

async function startServer(at = 0): Promise<RecordingServer & { readonly port: number }> {
  const server = new RecordingServer();
  cleanups.push(() => server.close());
  return Object.assign(server, { port: await server.listen(at) });
}

async function submit(to: string, number: number, octets = 100): Promise<void> {
  const transport = createTransport({ host: '127.0.0.1', port, ignoreTLS: true });
  await transport.sendMail({
    from: 'sender@here.example',
    to,
    text: 'x'.repeat(octets),
    headers: { 'X-Number': String(number) },
  });
}

const numbersAt = ({ receipts }: RecordingServer): number[] =>
  receipts.map(({ number }) => Number(number)).sort((a, b) => a - b);

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 25));
}

describe('a disk that is full', () => {
  const ROOM = 48 * 2 ** 20;

  it('puts clients off, and loses nothing of what was acknowledged before and after', async () => {
    await mkdir(state, { mode: 0o700 });
    await runOk('mount', ['-t', 'tmpfs', '-o', `size=${ROOM},mode=700`, 'danelaw-luck', state]);
    cleanups.push(() => runOk('umount', [state]));
    const at = await freePort();
    makeRelay([{ domain: 'there.example', port: at }], '[queue]\nmin_free = "1MiB"');
    await relay.start();
    for (let i = 0; i < 5; i++) await submit('you@there.example', i);
    const filler = join(state, 'filler');
    fill(filler);
    // The server is there again, but nothing that it takes can be written down.
    const server = await startServer(at);
    for (let i = 5; i < 8; i++) {
      await expect(submit('you@there.example', i)).rejects.toThrow(/452 4\.3\.1/u);
    }
    await unlink(filler);
    await until(() => server.receipts.length >= 5);
    // Free space is looked at once in a second.
    for (;;) {
      const refusal = await submit('you@there.example', 8).catch((error: unknown) => error);
      if (refusal === undefined) break;
      expect(String(refusal)).toMatch(/452 4\.3\.1/u);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await until(() => server.receipts.length >= 6);
    expect(await relay.end('SIGTERM')).toBe(0);
    expect(numbersAt(server)).toEqual([0, 1, 2, 3, 4, 8]);
  });
});

/** Writes until there is no room, down to the last page. */
function fill(path: string): void {
  const file = openSync(path, 'w');
  for (let size = 2 ** 20; size >= 512; ) {
    try {
      writeSync(file, Buffer.alloc(size));
    } catch {
      size /= 2;
    }
  }
  closeSync(file);
}

describe('a message whose file', () => {
  it.each<[string, (path: string) => Promise<void>]>([
    ['is gone', (path) => unlink(path)],
    ['is cut off', (path) => truncate(path, 300)],
    ['has another octet', corrupt],
  ])('%s is returned to its sender, and the others arrive', async (_, damage) => {
    const at = await freePort();
    const home = await startServer();
    makeRelay([
      { domain: 'there.example', port: at },
      { domain: 'here.example', port: home.port },
    ]);
    await relay.start();
    for (let i = 0; i < 3; i++) await submit('you@there.example', i, 1000);
    await relay.end('SIGKILL');
    const files = await bodyFiles();
    const path = files[await indexOf(files, 'X-Number: 1\r\n')] ?? '';
    await damage(path);
    const there = await startServer(at);
    await relay.start();
    const { id } = await relay.event(({ event }) => event === 'body-lost');
    await relay.event(({ event, about }) => event === 'queued' && about === id);
    await until(() => home.texts.length === 1 && there.receipts.length === 2);
    expect(numbersAt(there)).toEqual([0, 2]);
    expect(home.texts[0]).toContain('Final-Recipient: rfc822; you@there.example');
    expect(home.texts[0]).toContain('Action: failed');
    expect(home.texts[0]).toContain('Status: 5.3.0');
  });
});

async function bodyFiles(): Promise<string[]> {
  const all = await readdir(join(state, 'queue', 'bodies'), { recursive: true, withFileTypes: true });
  return all.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name));
}

/** Which of the files has a text; fails where several messages share it. */
async function indexOf(files: readonly string[], text: string): Promise<number> {
  const contents = await Promise.all(files.map((file) => readFile(file, 'latin1')));
  const index = contents.findIndex((content) => content.includes(text));
  expect(contents[index]?.match(/^X-Number: /gmu)).toHaveLength(1);
  return index;
}

async function corrupt(path: string): Promise<void> {
  const content = await readFile(path);
  const at = content.indexOf('xxxx');
  content.write('y', at, 'latin1');
  await writeFile(path, content);
}

describe('an index that, while the relay is stopped,', () => {
  it.each<[string, (path: string) => Promise<void>]>([
    ['is cut in half', async (path) => truncate(path, ((await readFile(path)).length >> 13) << 12)],
    ['is overwritten with garbage', async (path) => writeFile(path, randomBytes(50_000))],
    ['has garbage behind its first pages', overwriteBehind],
  ])('%s is set aside and made anew: everything arrives, once', async (_, damage) => {
    const at = await freePort();
    makeRelay([{ domain: 'there.example', port: at }]);
    await relay.start();
    for (let i = 0; i < 20; i++) await submit('you@there.example', i);
    await relay.end('SIGTERM');
    await damage(join(state, 'queue', 'index', 'data.mdb'));
    const there = await startServer(at);
    await relay.start();
    await until(() => there.receipts.length >= 20);
    expect(await relay.end('SIGTERM')).toBe(0);
    expect(numbersAt(there)).toEqual(Array.from({ length: 20 }, (_each, i) => i));
    const said = relay.events.filter(({ event }) => event === 'queue').map(({ reason }) => String(reason));
    expect(said.join('\n')).toContain('index was damaged');
    expect((await readdir(join(state, 'queue'))).some((name) => name.startsWith('index.damaged-'))).toBe(
      true,
    );
  });
});

async function overwriteBehind(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const { size } = await file.stat();
    await file.write(randomBytes(size - 8192), 0, size - 8192, 8192);
  } finally {
    await file.close();
  }
}

describe('a clock that jumps', () => {
  const LIBRARY = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1';

  it('a day forward and back: mail that waits is tried, and new mail goes out at once', async () => {
    expect(existsSync(LIBRARY), 'interop/install.sh installs it').toBe(true);
    const clock = join(folder, 'clock');
    await writeFile(clock, '+0\n');
    const [down, home, there] = [await freePort(), await startServer(), await startServer()];
    makeRelay(
      [
        { domain: 'down.example', port: down },
        { domain: 'there.example', port: there.port },
        { domain: 'here.example', port: home.port },
      ],
      '',
      {
        LD_PRELOAD: LIBRARY,
        FAKETIME_TIMESTAMP_FILE: clock,
        FAKETIME_NO_CACHE: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      },
    );
    await relay.start();
    await submit('you@down.example', 1);
    await relay.event(({ event }) => event === 'deferred');
    await writeFile(clock, '+1d\n');
    await submit('you@there.example', 2);
    // It has waited for longer than four hours now, and its sender hears of it, once.
    await until(() => home.texts.length === 1 && there.receipts.length === 1);
    expect(home.texts[0]).toContain('Action: delayed');
    await submit('you@down.example', 3);
    await relay.event(() => relay.events.filter(({ event }) => event === 'deferred').length >= 3);
    const up = await startServer(down);
    await writeFile(clock, '+0\n');
    await submit('you@there.example', 4);
    // What is due tomorrow by the clock of then is due now.
    await until(() => there.receipts.length === 2 && up.receipts.length === 2);
    expect(await relay.end('SIGTERM')).toBe(0);
    expect([numbersAt(up), numbersAt(there), home.texts.length]).toEqual([[1, 3], [2, 4], 1]);
  });
});

/** Words of the reason, for each way to go wrong. */
const REASONS: Readonly<Record<Fault, string>> = {
  hang: 'nothing came for 2 s',
  drop: 'the server ended the connection',
  garbage: 'the server does not speak SMTP',
};

describe('servers that go wrong', () => {
  it('at any stage, in any way: their mail waits, the reason is told, and it arrives when they are mended', async () => {
    const bad = await Promise.all(
      STAGES.flatMap((stage) =>
        FAULTS.map(async (fault) => {
          const server = new BadServer(stage, fault);
          cleanups.push(() => server.close());
          const domain = `${fault}-at-${stage.toLowerCase()}.example`;
          // Without TLS nothing is sent where it is asked for.
          const level = stage === 'STARTTLS' ? 'encrypt' : 'none';
          return { server, stage, fault, domain, level, port: await server.listen() };
        }),
      ),
    );
    const good = await startServer();
    const stages = ['greeting', 'ehlo', 'starttls', 'mail', 'rcpt', 'data', 'data_end'];
    makeRelay(
      [...bad, { domain: 'good.example', port: good.port }],
      `[delivery.timeouts]\n${stages.map((stage) => `${stage} = "2s"`).join('\n')}`,
    );
    await relay.start();
    for (const [i, { domain }] of bad.entries()) await submit(`you@${domain}`, i);
    await submit('you@good.example', 100);
    await until(() => good.receipts.length === 1);
    for (const { domain, fault, stage } of bad) {
      const { reason } = await relay.event(({ event, to }) => event === 'deferred' && to === `you@${domain}`);
      expect(reason, domain).toContain(REASONS[fault]);
      if (fault !== 'garbage' && stage !== 'dot') expect(reason, domain).toContain(stage);
      // Only then does nobody know.
      expect(String(reason).includes('may arrive twice'), domain).toBe(stage === 'dot');
    }
    for (const { server } of bad) server.mend();
    // A server that offers no STARTTLS any more gets nothing where TLS is asked for.
    const wanting = bad.filter(({ stage }) => stage !== 'STARTTLS');
    await until(() => wanting.every(({ server }) => server.received.length > 0));
    expect(await relay.end('SIGTERM')).toBe(0);
    const received = bad.map(({ server }) => server.received);
    expect(received).toEqual(bad.map(({ stage }, i) => (stage === 'STARTTLS' ? [] : [`${i}`])));
  });
});
