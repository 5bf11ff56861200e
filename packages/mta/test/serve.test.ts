/**
 * The relay as its operator runs it: a process with a configuration file and a queue of its own, on the lab's
 * Internet. Mail is handed in by Nodemailer, over SMTP.
 */
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SCENARIOS as ALL, type Internet, STS_SCENARIOS, startInternet } from '@danelaw/lab';
import { createTransport } from 'nodemailer';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from './free-port.js';
import { run } from './program.js';
import { RecordingServer } from './recording-server.js';
import { RelayProcess } from './relay-process.js';

/** All but those that need a rule of their own, an address literal, or a policy that was known before. */
const SCENARIOS = [...ALL, ...STS_SCENARIOS].filter(
  ({ literal, local, sts }) => local === undefined && literal === undefined && sts?.known !== true,
);

let internet: Internet;
let folder: string;
let port: number;
let relay: RelayProcess;
let config: string;

beforeAll(async () => {
  internet = await startInternet(SCENARIOS);
});
afterAll(async () => {
  await internet.close();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'danelaw-serve-'));
  await writeFile(join(folder, 'root.ds'), internet.trustAnchors.join('\n'));
  await writeFile(join(folder, 'roots.pem'), (internet.web?.roots ?? []).join('\n'));
  port = await freePort();
  config = join(folder, 'danelaw.toml');
  relay = new RelayProcess(config, configuration());
});
afterEach(async () => {
  await relay.end('SIGKILL');
  await rm(folder, { recursive: true });
});

const configuration = (more = ''): string => `
hostname = "relay.lab.example"
state = "${join(folder, 'state')}"

[[listen]]
address = "127.0.0.1:${port}"

[dns]
resolver = ["${internet.resolver.address}#${internet.resolver.port}"]
trust_anchor = "${join(folder, 'root.ds')}"

[sts]
port = ${internet.web?.port ?? 443}
web_roots = "${join(folder, 'roots.pem')}"

[delivery]
port = ${internet.smtpPort}

[delivery.timeouts]
${['connect', 'greeting', 'ehlo', 'starttls', 'handshake', 'mail', 'rcpt', 'data', 'data_block', 'data_end']
  .map((stage) => `${stage} = "5s"`)
  .join('\n')}
${more}`;

async function submit(to: string | readonly string[], subject: string, more: object = {}): Promise<string> {
  const transport = createTransport({ host: '127.0.0.1', port, secure: false, ignoreTLS: true });
  const info = await transport.sendMail({
    from: 'sender@good-3-1-1.example',
    to: [...[to].flat()],
    subject,
    text: 'Hello.',
    ...more,
  });
  return /queued as ([0-9a-z]{18})/u.exec(info.response)?.[1] ?? '';
}

const messagesAt = (host: string) => internet.mailServers.get(host)?.received.messages ?? [];

describe('danelaw serve', () => {
  it('treats a message to each domain as RFC 7672 asks', async () => {
    await relay.start();
    const recipients = SCENARIOS.map(({ domain }) => `relay@${domain}`);
    // One message each: what one domain does must not keep another's mail.
    const ids: string[] = [];
    for (const to of recipients) ids.push(await submit(to, `to ${to}`));
    const outcomes = await Promise.all(
      recipients.map((to) =>
        relay.event(
          (event) => event['to'] === to && ['delivered', 'deferred', 'bounced'].includes(event.event),
        ),
      ),
    );
    const told = outcomes.map((event, i) => `${SCENARIOS[i]?.domain}: ${event.event}`);
    const expected = SCENARIOS.map(({ domain, expected: { status } }) => {
      const word = { delivered: 'delivered', deferred: 'deferred', failed: 'bounced' }[status];
      return `${domain}: ${word}`;
    });
    expect(told).toEqual(expected);
    for (const [i, { expected: wanted }] of SCENARIOS.entries()) {
      if (wanted.status !== 'delivered') continue;
      const event = outcomes[i];
      const host = wanted.host.startsWith('{') ? expect.any(String) : wanted.host; // a placeholder of an address
      expect(event).toMatchObject({ id: ids[i], host, mx: wanted.mx });
      const by = typeof wanted.tls === 'object' ? 'dane' : wanted.tls === 'trusted' ? 'pkix' : null;
      expect(event?.['authenticated']).toBe(by);
    }
  });

  it('tells the sender in words what could not be delivered, and why', async () => {
    await relay.start();
    const nobody = SCENARIOS.find(({ domain }) => domain === 'null-mx.example')?.domain;
    expect(nobody).toBeDefined();
    const id = await submit([`somebody@${nobody}`, 'fine@good-3-1-1.example'], 'one of two');
    await relay.event(({ event, about }) => event === 'queued' && about === id);
    await relay.event(({ event, to }) => event === 'delivered' && to === 'sender@good-3-1-1.example');
    const bounces = messagesAt('mx.good-3-1-1.example').filter(({ from }) => from === '');
    const texts = bounces.map(({ content }) => Buffer.from(content).toString());
    const text = texts.find((each) => each.includes(id)) ?? '';
    expect(text).toContain('report-type=delivery-status');
    expect(text).toContain(`Final-Recipient: rfc822; somebody@${nobody}`);
    expect(text).toContain('Status: 5.1.10');
    expect(text).not.toContain('Final-Recipient: rfc822; fine@good-3-1-1.example');
  });

  it('keeps what waits over a restart, shows it, and tries it when it is told to', async () => {
    await relay.start();
    const id = await submit('you@swapped-certificate.example', 'will wait');
    await relay.event(({ event, id: of }) => event === 'deferred' && of === id);
    expect(await relay.end('SIGTERM')).toBe(0);
    const stopped = await run(['queue', 'list', '--json', '--config', config]);
    expect(JSON.parse(stopped.out)).toMatchObject({
      id,
      recipients: [{ address: 'you@swapped-certificate.example', state: { attempts: 1, held: false } }],
    });
    await relay.start();
    const beside = await run(['queue', 'show', id, '--config', config]);
    expect(beside.out).toContain('TLSA');
    const before = relay.events.filter(({ event }) => event === 'deferred').length;
    expect((await run(['queue', 'retry', id, '--config', config])).out).toContain('made due 1 recipient');
    await relay.event(() => relay.events.filter(({ event }) => event === 'deferred').length > before);
    expect(
      (await run(['queue', 'delete', '--to', '@swapped-certificate.example', '--config', config])).code,
    ).toBe(0);
    expect((await run(['queue', 'show', id, '--config', config])).code).toBe(69);
  });

  it('holds mail and lets it go', async () => {
    relay.configure(configuration('[[policy]]\ndomain = "held.good-3-1-1.example"\nlevel = "may"\n'));
    await relay.start();
    const id = await submit('you@swapped-certificate.example', 'held');
    await relay.event(({ event }) => event === 'deferred');
    await run(['queue', 'hold', id, '--config', config]);
    const held = await run(['queue', 'list', '--held', '--json', '--config', config]);
    expect(JSON.parse(held.out).recipients[0].state.held).toBe(true);
    await run(['queue', 'release', id, '--config', config]);
    expect((await run(['queue', 'list', '--held', '--json', '--config', config])).out).toBe('');
  });

  it('applies a changed policy at the next try, after SIGHUP', async () => {
    await relay.start();
    const id = await submit('you@swapped-certificate.example', 'an exception is made');
    await relay.event(({ event, id: of }) => event === 'deferred' && of === id);
    relay.configure(
      configuration(`
[[policy]]
domain = "swapped-certificate.example"
level = "encrypt"
exception = { reason = "their key changed", expires = 2099-01-01 }
`),
    );
    relay.signal('SIGHUP');
    await relay.event(({ event }) => event === 'reloaded');
    await run(['queue', 'retry', id, '--config', config]);
    await relay.event(({ event, id: of }) => event === 'delivered' && of === id);
    expect(relay.events.find(({ event }) => event === 'exception')).toMatchObject({
      id,
      kind: 'exception',
      reason: 'their key changed',
    });
  });

  it('stays with the old configuration where the new one is wrong', async () => {
    await relay.start();
    relay.configure('hostnaem = "x"');
    relay.signal('SIGHUP');
    const event = await relay.event(({ event: name }) => name === 'reload');
    expect(event['reason']).toContain('did you mean "hostname"?');
    await submit('you@good-3-1-1.example', 'still here');
    await relay.event(({ event: name }) => name === 'delivered');
  });

  it('stops in time though a server does not answer, and tries that message again at the next start', async () => {
    const silent = new RecordingServer({ habit: () => 'hang-at-dot' });
    const dead = await silent.listen();
    try {
      relay.configure(
        configuration(
          `[[policy]]\ndomain = "silent.example"\nlevel = "none"\nrelay = "[127.0.0.1]:${dead}"`,
        ).replace('[delivery]', '[delivery]\nstop_within = "300ms"'),
      );
      await relay.start();
      const id = await submit('you@silent.example', 'no answer');
      while (silent.messages === 0) await new Promise((resolve) => setTimeout(resolve, 10));
      expect(await relay.end('SIGTERM')).toBe(0);
      const { out } = await run(['queue', 'show', id, '--json', '--config', config]);
      expect(JSON.parse(out).recipients[0].state.last.reason).toContain('may arrive twice');
    } finally {
      await silent.close();
    }
  });

  it('ends at once at the second signal', async () => {
    const silent = new RecordingServer({ habit: () => 'hang-at-dot' });
    const dead = await silent.listen();
    try {
      relay.configure(
        configuration(`[[policy]]\ndomain = "silent.example"\nlevel = "none"\nrelay = "[127.0.0.1]:${dead}"`),
      );
      await relay.start();
      await submit('you@silent.example', 'no answer');
      while (silent.messages === 0) await new Promise((resolve) => setTimeout(resolve, 10));
      relay.signal('SIGTERM');
      await relay.event(({ event }) => event === 'stopping');
      expect(await relay.end('SIGTERM')).toBe(0);
    } finally {
      await silent.close();
    }
  });

  it('lets nobody else look into what it keeps', async () => {
    await relay.start();
    await submit('you@swapped-certificate.example', 'secret');
    for (const path of ['state', 'state/queue', 'state/queue/bodies', 'state/queue/index/data.mdb']) {
      const { mode } = await stat(join(folder, path));
      expect({ path, others: mode & 0o077 }).toEqual({ path, others: 0 });
    }
  });

  it('is the only one on its queue', async () => {
    await relay.start();
    const second = new RelayProcess(join(folder, 'second.toml'), configuration().replace(String(port), '1'));
    await expect(second.start()).rejects.toThrow(/Another process delivers/u);
  });

  it('says what is wrong before it runs', async () => {
    const checked = await run(['serve', '--check', '--json', '--config', config]);
    expect(checked.code).toBe(0);
    const { findings } = JSON.parse(checked.out);
    expect(findings).toContainEqual(expect.objectContaining({ level: 'ok', about: 'dns' }));
    await writeFile(
      config,
      configuration('[clients]\nnetworks = ["0.0.0.0/0"]').replace('127.0.0.1:', '0.0.0.0:'),
    );
    const open = await run(['serve', '--check', '--config', config]);
    expect(open.code).toBe(78);
    expect(open.out).toContain('0.0.0.0/0');
  });

  it('does not run without the MTA-STS policies that it had, and says so (RFC 8461 section 10.2)', async () => {
    const policies = join(folder, 'state/mta-sts');
    await mkdir(policies, { recursive: true });
    const words = `can't read the MTA-STS policies in ${policies}: EISDIR`;
    const checked = await run(['serve', '--check', '--json', '--config', config]);
    const { findings } = JSON.parse(checked.out);
    expect([checked.code, findings]).toEqual([
      78,
      expect.arrayContaining([{ level: 'error', about: 'mta-sts', words: expect.stringContaining(words) }]),
    ]);
    const served = await run(['serve', '--config', config]);
    expect([served.code, served.err]).toEqual([78, expect.stringMatching(/^danelaw: can't read[^\n]*\n$/u)]);
    expect(served.err).toContain(words);
  });
});
