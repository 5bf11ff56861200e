/** SIGHUP: what a running relay takes up of a new configuration. No DNS: rules lead to servers of the test. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTransport } from 'nodemailer';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keyRecordText } from '../src/dkim/key-record.js';
import { verifyDkim } from '../src/testing/dkim-verifier.js';
import { freePort } from './free-port.js';
import { run } from './program.js';
import { RecordingServer } from './recording-server.js';
import { RelayProcess } from './relay-process.js';

let folder: string;
let port: number;
let relay: RelayProcess;
let server: RecordingServer;
let route: number;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'danelaw-reload-'));
  port = await freePort();
  server = new RecordingServer({ delay: () => 5 });
  route = await server.listen();
  relay = new RelayProcess(join(folder, 'danelaw.toml'), configured());
  await relay.start();
});
afterEach(async () => {
  await relay.end('SIGKILL');
  await server.close();
  await rm(folder, { recursive: true });
});

interface Changes {
  /** In front of the first table. */
  readonly top?: string;
  readonly tables?: string;
}

const configured = ({ top = 'hostname = "old.example"', tables = '' }: Changes = {}): string => `
${top}
state = "${join(folder, 'state')}"
[[listen]]
address = "127.0.0.1:${port}"
[dns]
resolver = ["127.0.0.1#1"]
[sts]
enabled = false
${tables}
[[policy]]
domain = "good.example"
level = "none"
relay = "[127.0.0.1]:${route}"
[[policy]]
domain = "dead.example"
level = "none"
relay = "[127.0.0.1]:1"
`;

async function reload(changes: Changes): Promise<void> {
  relay.configure(configured(changes));
  relay.signal('SIGHUP');
  await relay.event(({ event }) => event === 'reloaded');
}

async function submit(to: string, from = 'me@here.example'): Promise<void> {
  const transport = createTransport({ host: '127.0.0.1', port, ignoreTLS: true });
  await transport.sendMail({ from, to, subject: 'hello', text: 'Hello.' });
}

const deliveries = async (count: number): Promise<void> => {
  await relay.event(() => relay.events.filter(({ event }) => event === 'delivered').length === count);
};

const greeting = (): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {}).setEncoding('utf8');
    socket.once('error', reject).once('data', (text) => {
      socket.end('QUIT\r\n');
      resolve(String(text));
    });
  });

describe('from SIGHUP on', () => {
  it('the relay goes by its new name: to clients, to servers, in Received fields', async () => {
    await submit('you@good.example');
    await deliveries(1);
    await reload({ top: 'hostname = "new.example"' });
    expect(await greeting()).toMatch(/^220 new\.example /u);
    await submit('you@good.example');
    await deliveries(2);
    expect(server.names).toEqual(['old.example', 'new.example']);
    expect(server.texts.map((text) => /\sby (\S+) /u.exec(text)?.[1])).toEqual([
      'old.example',
      'new.example',
    ]);
  });

  it('its own domains and aliases are the new ones', async () => {
    await reload({
      top: 'hostname = "old.example"\nown_domains = ["old.example", "ours.example"]',
      tables: '[aliases]\npostmaster = "you@good.example"',
    });
    await expect(submit('ann@ours.example')).rejects.toThrow('550 5.4.6');
    await submit('postmaster@ours.example');
    await deliveries(1);
  });

  it('new keys sign', async () => {
    const key = generateKeyPairSync('ed25519').privateKey;
    const file = join(folder, 's1.pem');
    await writeFile(file, key.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    await reload({ tables: `[[dkim]]\ndomain = "here.example"\nselector = "s1"\nkey_file = "${file}"` });
    await submit('you@good.example');
    await deliveries(1);
    const published = new Map([['s1._domainkey.here.example', keyRecordText(key)]]);
    const message = Buffer.from(`${server.texts[0]?.replaceAll('\n', '\r\n')}\r\n`, 'latin1');
    expect(verifyDkim(message, (name) => published.get(name))).toMatchObject({ ok: true });
  });

  it('retries follow the new schedule', async () => {
    const due = async (nth: number): Promise<number> => {
      await relay.event(() => deferrals().length === nth);
      const event = deferrals()[nth - 1];
      return (Date.parse(String(event?.['due'])) - Date.parse(String(event?.['time']))) / 60_000;
    };
    const deferrals = () => relay.events.filter(({ event }) => event === 'deferred');
    await submit('you@dead.example');
    expect(await due(1)).toBeLessThan(30);
    await reload({ tables: '[retry]\nfirst = "10h"\nlongest = "20h"' });
    await run(['queue', 'retry', '--all', '--config', join(folder, 'danelaw.toml')]);
    expect(await due(2)).toBeGreaterThan(5 * 60);
  });

  it('no more connections are made than the new limit allows', async () => {
    await reload({ tables: '[delivery]\nconnections_per_host = 1' });
    await Promise.all(Array.from({ length: 12 }, (_, i) => submit(`you${i}@good.example`)));
    await deliveries(12);
    expect(server.mostAtOnce).toBe(1);
  });

  it('the log names what needs a restart', async () => {
    await reload({ tables: '[queue]\nmax_messages = 10\n[log]\nlevel = "warn"' });
    expect(relay.events.find(({ event }) => event === 'reload')).toMatchObject({
      level: 'warn',
      reason: 'changes of these take effect at the next start: queue, log',
    });
  });

  it('nothing has changed where a part of the new configuration can’t be used', async () => {
    const dkim = `[[dkim]]\ndomain = "here.example"\nselector = "s1"\nkey_file = "${join(folder, 'none')}"`;
    relay.configure(configured({ top: 'hostname = "new.example"', tables: dkim }));
    relay.signal('SIGHUP');
    const { reason } = await relay.event(({ event }) => event === 'reload');
    expect(reason).toContain('the configuration is as it was');
    expect(await greeting()).toMatch(/^220 old\.example /u);
  });
});
