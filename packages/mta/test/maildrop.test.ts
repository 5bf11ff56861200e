/**
 * `danelaw sendmail` while the relay does not run: the message is in the maildrop or the program says that it is not, and the
 * relay delivers it once when it is there again, whatever happened to it in between.
 */
import { copyFile, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Internet, SCENARIOS, startInternet } from '@danelaw/lab';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from './free-port.js';
import { run } from './program.js';
import { RecordingServer } from './recording-server.js';
import { RelayProcess } from './relay-process.js';

const GOOD = 'good-3-1-1.example';
/** A domain whose server runs only when a test starts it. */
const LATE = 'late.example';

let internet: Internet;
let folder: string;
let drop: string;
let port: number;
let latePort: number;
let config: string;
let relay: RelayProcess;

beforeAll(async () => {
  internet = await startInternet(SCENARIOS.filter(({ domain }) => domain === GOOD));
});
afterAll(async () => {
  await internet.close();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'danelaw-drop-'));
  drop = join(folder, 'drop');
  await writeFile(join(folder, 'root.ds'), internet.trustAnchors.join('\n'));
  [port, latePort] = [await freePort(), await freePort()];
  config = join(folder, 'danelaw.toml');
  relay = new RelayProcess(config, configuration());
});
afterEach(async () => {
  await relay.end('SIGKILL');
  await rm(folder, { recursive: true });
});

const configuration = (): string => `
hostname = "relay.lab.example"
state = "${join(folder, 'state')}"
maildrop = "${drop}"
[[listen]]
address = "127.0.0.1:${port}"
[dns]
resolver = ["${internet.resolver.address}#${internet.resolver.port}"]
trust_anchor = "${join(folder, 'root.ds')}"
[sts]
enabled = false
[delivery]
port = ${internet.smtpPort}
[retry]
first = "1s"
longest = "1s"
[[policy]]
domain = "${LATE}"
level = "none"
relay = "[127.0.0.1]:${latePort}"
`;

const send = (to: string, ...more: string[]) =>
  run(
    ['sendmail', '--config', config, '-i', '-f', 'ann@lab.example', ...more, to],
    'Subject: while it was down\n\nHello.\n',
  );

const received = (): number =>
  (internet.mailServers.get(`mx.${GOOD}`)?.received.messages ?? []).filter(({ content }) =>
    Buffer.from(content).toString().includes('while it was down'),
  ).length;

const files = async (): Promise<string[]> => (await readdir(drop)).filter((name) => name !== 'bad');

describe('danelaw sendmail while the relay is down', () => {
  it('leaves the message in the maildrop, and the relay counts it and delivers it when it starts', async () => {
    const httpPort = await freePort();
    relay.configure(`${configuration()}\n[http]\nlisten = "127.0.0.1:${httpPort}"\n`);
    await relay.start(); // makes the folder
    expect(await relay.end('SIGTERM')).toBe(0);
    const before = received();
    const sent = await send(`you@${GOOD}`, '-v');
    expect(sent).toMatchObject({ code: 0, err: '' });
    expect(sent.out).toMatch(new RegExp(`^no relay at .*ECONNREFUSED.*; left for it as ${drop}/`, 'u'));
    const [id = ''] = await files();
    await relay.start();
    const uid = process.getuid?.() ?? 0;
    expect(await relay.event(({ event }) => event === 'received')).toMatchObject({ id, uid, recipients: 1 });
    await relay.event(({ event, id: of }) => event === 'delivered' && of === id);
    expect([received() - before, await files()]).toEqual([1, []]);
    const metrics = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
    expect(metrics).toContain('danelaw_received_messages_total{source="maildrop"} 1\n');
  });

  it('has it delivered once, though the relay was killed before the file was gone', async () => {
    await mkdir(drop);
    await relay.start();
    await relay.end('SIGKILL');
    expect((await send(`you@${LATE}`)).code).toBe(0);
    const [id = ''] = await files();
    await copyFile(join(drop, id), join(folder, 'kept'));
    await relay.start();
    await relay.event(({ event, id: of }) => event === 'received' && of === id);
    await relay.end('SIGKILL');
    // As if the kill had come between the queue and the file.
    await rename(join(folder, 'kept'), join(drop, id));
    const server = new RecordingServer({});
    await server.listen(latePort);
    try {
      await relay.start();
      await relay.event(({ event, file }) => event === 'maildrop' && file === id);
      await relay.event(({ event, id: of }) => event === 'delivered' && of === id);
      expect(await relay.end('SIGTERM')).toBe(0);
      expect(server.texts.length).toBe(1);
      expect(await files()).toEqual([]);
    } finally {
      await server.close();
    }
  });

  it('says that the message was not sent where there is no maildrop, or none is wanted', async () => {
    const sent = await send(`you@${GOOD}`);
    expect(sent).toMatchObject({ code: 75, out: '' });
    expect(sent.err).toMatch(
      /no relay at .*ECONNREFUSED.*drop can't be used: it is not there; .*not sent, try again/su,
    );
    relay.configure(configuration().replace(`"${drop}"`, '""'));
    expect((await send(`you@${GOOD}`)).err).toMatch(/not sent, try again/u);
  });

  it.each<[string, number, number, RegExp]>([
    ['421 in place of a greeting: it is left', 421, 0, /left for it/u],
    ['450 in place of a greeting: it is left', 450, 0, /left for it/u],
    ['554 in place of a greeting: it is refused', 554, 69, /refused the message/u],
  ])('%s', async (_, code, exit, words) => {
    await mkdir(drop);
    const server = await greeting(`${code} not now`);
    try {
      const sent = await send(`you@${GOOD}`, '-v');
      expect(sent.code).toBe(exit);
      expect(sent.out + sent.err).toMatch(words);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('refuses at once what the relay would refuse later', async () => {
    await mkdir(drop);
    const sent = await run(['sendmail', '--config', config, `you@${GOOD}`], 'Subject: x\n\na\0b\n');
    expect(sent).toMatchObject({ code: 69, err: expect.stringMatching(/can't be sent: .*NUL/u) });
    expect(await files()).toEqual([]);
  });
});

/** Something on the relay's port that says one line and hangs up. */
async function greeting(line: string): Promise<Server> {
  const server = createServer((socket) => socket.on('error', () => {}).end(`${line}\r\n`));
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return server;
}
