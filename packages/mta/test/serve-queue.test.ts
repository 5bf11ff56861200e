/**
 * `danelaw queue` beside a relay that runs: which messages its filters name, what becomes of them, and a queue that
 * is moved to another machine.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from './free-port.js';
import { WireClient } from './listener-lab.js';
import { run } from './program.js';
import { type Habit, RecordingServer } from './recording-server.js';
import { RelayProcess } from './relay-process.js';

/** What is handed in: sender, recipients. Nobody takes any of it at first. */
const MESSAGES: readonly (readonly [from: string, ...to: string[]])[] = [
  ['ann@here.example', 'x@a.example'],
  ['bob@here.example', 'y@a.example'],
  ['bob@there.example', 'x@b.example', 'z@a.example'],
  ['', 'postmaster@b.example'],
];
const DAY = 86_400_000;
/** Milliseconds: a few processes start, one after the other. */
const SLOW = 60_000;

/** A relay, and the server that all its mail goes to: for a.example nobody listens, for b.example somebody babbles. */
class Machine {
  readonly folder: string;
  readonly port: number;
  readonly relay: RelayProcess;
  /** Where the server for a.example would listen. */
  readonly at: number;
  readonly server: RecordingServer;
  habit: Habit | undefined = 'garbage-at-greeting';

  private constructor(folder: string, port: number, at: number, serverPort: number, server: RecordingServer) {
    this.folder = folder;
    this.port = port;
    this.at = at;
    this.server = server;
    const toml = configuration(folder, port, { 'a.example': at, 'b.example': serverPort });
    this.relay = new RelayProcess(this.config, toml);
  }

  static async make(): Promise<Machine> {
    const folder = await mkdtemp(join(tmpdir(), 'danelaw-queue-'));
    let machine: Machine | undefined;
    const server = new RecordingServer({ habit: () => machine?.habit });
    machine = new Machine(folder, await freePort(), await freePort(), await server.listen(), server);
    return machine;
  }

  get config(): string {
    return join(this.folder, 'danelaw.toml');
  }

  async close(): Promise<void> {
    await this.relay.end('SIGKILL');
    await this.server.close();
    await rm(this.folder, { recursive: true });
  }

  async queue(...argv: readonly string[]) {
    return await run(['queue', ...argv, '--config', this.config]);
  }

  /** Addresses of recipients that are listed, sorted. */
  async listed(...filters: readonly string[]): Promise<string[]> {
    const { out } = await this.queue('list', '--json', ...filters);
    const entries = out
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
    return entries
      .flatMap(({ recipients }) => recipients.map((each: { address: string }) => each.address))
      .sort();
  }

  /** Hands all messages in, and waits until both destinations are down. */
  async fill(): Promise<void> {
    const client = await WireClient.open(this.port);
    await client.reply();
    await client.ask('EHLO client.example');
    for (const [number, [from, ...to]] of MESSAGES.entries()) {
      await client.ask(`MAIL FROM:<${from}>`);
      for (const each of to) await client.ask(`RCPT TO:<${each}>`);
      await client.ask('DATA');
      await client.ask(Buffer.from(`X-Number: ${number}\r\n\r\nFr\u00fcher and\r\n..dots\r\n.\r\n`));
    }
    client.close();
    await this.untilDown();
  }

  /** Resolves when nothing is tried any more: who has not been tried by then waits for his destination. */
  async untilDown(): Promise<void> {
    const isDown = (name: string): boolean =>
      this.relay.events.some(({ event, destination }) => event === 'destination' && destination === name);
    await this.relay.event(() => isDown('a.example') && isDown('b.example'));
  }

  count(name: string): number {
    return this.relay.events.filter(({ event }) => event === name).length;
  }

  get deliveredTo(): string[] {
    return this.relay.events
      .filter(({ event }) => event === 'delivered')
      .map(({ to }) => String(to))
      .sort();
  }
}

const configuration = (folder: string, port: number, routes: Readonly<Record<string, number>>): string => `
hostname = "relay.example"
state = "${join(folder, 'state')}"
[[listen]]
address = "127.0.0.1:${port}"
[dns]
resolver = ["127.0.0.1#1"]
[sts]
enabled = false
[retry]
warn = "4d"
[delivery]
workers = 1
${Object.entries(routes)
  .map(([domain, to]) => `[[policy]]\ndomain = "${domain}"\nlevel = "none"\nrelay = "[127.0.0.1]:${to}"\n`)
  .join('')}`;

describe('the filters of danelaw queue', () => {
  let first: Machine;
  let machine: Machine;
  let exported: string;
  let moved: string;

  /** The queue is moved, on the way one message becomes two days older, and another relay goes on with it. */
  beforeAll(async () => {
    first = await Machine.make();
    machine = await Machine.make();
    await first.relay.start();
    await first.fill();
    await first.queue('hold', '--to', 'z@a.example');
    await first.relay.end('SIGTERM');
    const { out } = await first.queue('export');
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    for (const line of lines)
      if (line.envelope?.from === 'ann@here.example') line.envelope.arrived -= 2 * DAY;
    exported = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    const file = join(machine.folder, 'backup');
    await writeFile(file, exported);
    const imported = await machine.queue('import', file);
    expect(imported).toMatchObject({
      code: 0,
      out: `${MESSAGES.length} messages added, 0 were there already\n`,
    });
    moved = (await machine.queue('export')).out;
    await machine.queue('retry', '--all');
    await machine.relay.start();
    await machine.untilDown();
  }, SLOW);
  afterAll(async () => {
    await first.close();
    await machine.close();
  });

  it('find a queue that was moved as it was, octet by octet, recipient by recipient', async () => {
    expect(moved).toBe(exported);
    const ids = exported.match(/"id":"[0-9a-z]{18}"/gu)?.map((each) => each.slice(6, -1)) ?? [];
    const body = await machine.queue('show', '--body', ids[0] ?? '');
    expect(body.out).toMatch(/^Received: [\s\S]*\r\nX-Number: 0\r\n\r\nFr\u00fcher and\r\n\.dots\r\n$/u);
    expect(await machine.queue('import', join(machine.folder, 'backup'))).toMatchObject({
      code: 0,
      out: `0 messages added, ${MESSAGES.length} were there already\n`,
    });
  });

  it.each<[string, string[], string[]]>([
    ['everything', [], ['postmaster@b.example', 'x@a.example', 'x@b.example', 'y@a.example', 'z@a.example']],
    ['a sender', ['--from', 'Ann@HERE.example'], ['x@a.example']],
    ["a domain's senders", ['--from', '@here.example'], ['x@a.example', 'y@a.example']],
    ['the null sender', ['--from', '<>'], ['postmaster@b.example']],
    ['a recipient', ['--to', 'x@b.example'], ['x@b.example']],
    ["a domain's recipients", ['--to', '@b.example'], ['postmaster@b.example', 'x@b.example']],
    ['a destination', ['--domain', 'A.example.'], ['x@a.example', 'y@a.example', 'z@a.example']],
    ['what is old', ['--older-than', '1d'], ['x@a.example']],
    [
      'what is new',
      ['--newer-than', '1d'],
      ['postmaster@b.example', 'x@b.example', 'y@a.example', 'z@a.example'],
    ],
    ['a reason', ['--reason', 'does not SPEAK smtp'], ['postmaster@b.example', 'x@b.example']],
    ['what is held', ['--held'], ['z@a.example']],
    [
      'all that is asked for at once',
      ['--from', '@there.example', '--reason', 'ECONNREFUSED'],
      ['z@a.example'],
    ],
    ['nobody', ['--from', 'ann@there.example'], []],
  ])('name %s', async (_, filters, expected) => {
    expect(await machine.listed(...filters)).toEqual(expected);
  });
});

describe('danelaw queue', () => {
  let machine: Machine;
  beforeEach(async () => {
    machine = await Machine.make();
    await machine.relay.start();
    await machine.fill();
  }, SLOW);
  afterEach(async () => {
    await machine.close();
  });

  it('holds, deletes, retries and releases what it is told to, and the rest goes its way', async () => {
    const said = async (...argv: string[]) => JSON.parse((await machine.queue(...argv, '--json')).out);
    expect(await said('hold', '--from', 'bob@here.example')).toEqual({ action: 'hold', recipients: 1 });
    expect(await said('delete', '--reason', 'does not speak', '--from', '@there.example')).toEqual({
      action: 'delete',
      recipients: 1,
    });
    const up = new RecordingServer();
    await up.listen(machine.at);
    try {
      machine.habit = undefined;
      await said('retry', '--domain', 'a.example');
      await machine.relay.event(() => machine.count('delivered') === 2);
      expect(machine.deliveredTo).toEqual(['x@a.example', 'z@a.example']);
      expect(await machine.listed()).toEqual(['postmaster@b.example', 'y@a.example']);
      expect(machine.server.receipts).toEqual([]);
      expect(await said('retry', '--all')).toEqual({ action: 'retry', recipients: 2 });
      await machine.relay.event(() => machine.count('delivered') === 3);
      expect(await machine.listed('--held')).toEqual(['y@a.example']);
      await said('release', '--held');
      await machine.relay.event(() => machine.count('delivered') === 4);
      expect(await machine.listed()).toEqual([]);
      expect(up.receipts.map(({ number }) => number).sort()).toEqual(['0', '1', '2']);
      expect(machine.server.receipts.map(({ number }) => number)).toEqual(['3']);
    } finally {
      await up.close();
    }
  });

  it('imports into a relay that runs, which delivers it', async () => {
    const target = await Machine.make();
    const file = join(machine.folder, 'part');
    try {
      target.habit = undefined;
      await target.relay.start();
      await writeFile(file, (await machine.queue('export', '--to', 'postmaster@b.example')).out);
      expect((await readFile(file, 'utf8')).trim().split('\n')).toHaveLength(3);
      await target.queue('import', file);
      await target.queue('retry', '--all');
      await target.relay.event(() => target.count('delivered') >= 1);
      expect(target.server.receipts.map(({ number }) => number)).toEqual(['3']);
    } finally {
      await target.close();
    }
  });

  it('that is found damaged while the relay runs ends it, and the next start mends it and loses nothing', async () => {
    const { relay } = machine;
    const waiting = await machine.listed();
    expect(waiting).toHaveLength(MESSAGES.flatMap(([, ...to]) => to).length);
    await relay.end('SIGTERM');
    await machine.queue('retry', '--all');
    const index = join(machine.folder, 'state', 'queue', 'index', 'data.mdb');
    const content = await readFile(index);
    for (let at = content.indexOf('"arrived"'); at >= 0; at = content.indexOf('"arrived"', at)) {
      content.write('"arrivex"', at, 'latin1');
    }
    await writeFile(index, content);
    await relay.start();
    expect(await relay.ended).toBe(75);
    await relay.start();
    await relay.event(
      ({ event, reason }) => event === 'queue' && /kept as index\.damaged-/u.test(String(reason)),
    );
    expect(await machine.listed()).toEqual(waiting);
  });
});
