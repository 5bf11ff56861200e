/** The relay as Prometheus sees it: mail goes to the lab's Internet, and the counters say what became of it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Internet, SCENARIOS, startInternet } from '@danelaw/lab';
import { createTransport } from 'nodemailer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from './free-port.js';
import { RelayProcess } from './relay-process.js';

const DOMAINS = ['good-3-1-1.example', 'swapped-certificate.example', 'null-mx.example'];
const TOKEN = 'the-token-of-this-test';

let internet: Internet;
let folder: string;
let relay: RelayProcess;
let [smtpPort, httpPort] = [0, 0];

beforeAll(async () => {
  internet = await startInternet(SCENARIOS.filter(({ domain }) => DOMAINS.includes(domain)));
  folder = await mkdtemp(join(tmpdir(), 'danelaw-watching-'));
  await writeFile(join(folder, 'root.ds'), internet.trustAnchors.join('\n'));
  await writeFile(join(folder, 'token'), `${TOKEN}\n`);
  [smtpPort, httpPort] = [await freePort(), await freePort()];
  relay = new RelayProcess(
    join(folder, 'danelaw.toml'),
    `
hostname = "relay.lab.example"
state = "${join(folder, 'state')}"
[[listen]]
address = "127.0.0.1:${smtpPort}"
[http]
listen = "127.0.0.1:${httpPort}"
token_file = "${join(folder, 'token')}"
[dns]
resolver = ["${internet.resolver.address}#${internet.resolver.port}"]
trust_anchor = "${join(folder, 'root.ds')}"
[sts]
enabled = false
[delivery]
port = ${internet.smtpPort}
`,
  );
  await relay.start();
});
afterAll(async () => {
  await relay.end('SIGKILL');
  await internet.close();
  await rm(folder, { recursive: true });
});

const ask = (path: string, token = TOKEN) =>
  fetch(`http://127.0.0.1:${httpPort}${path}`, { headers: { authorization: `Bearer ${token}` } });

describe('a relay that is watched', () => {
  it('counts what became of its mail, and names nobody', async () => {
    const transport = createTransport({ host: '127.0.0.1', port: smtpPort, ignoreTLS: true });
    for (const domain of DOMAINS) {
      const to = `watched@${domain}`;
      await transport.sendMail({ from: 'sender@good-3-1-1.example', to, subject: 'x', text: 'Hello.' });
      await relay.event(({ event, to: of }) => of === to && /^(delivered|deferred|bounced)$/u.test(event));
    }
    await relay.event(({ event, to }) => event === 'delivered' && to === 'sender@good-3-1-1.example');
    const text = await (await ask('/metrics')).text();
    const lines = text.split('\n');
    for (const line of [
      'danelaw_received_messages_total{source="smtp"} 3',
      'danelaw_recipients_total{outcome="delivered"} 2', // one of them is the bounce
      'danelaw_recipients_total{outcome="deferred"} 1',
      'danelaw_recipients_total{outcome="bounced"} 1',
      'danelaw_delivered_recipients_total{protection="dane",mx="secure"} 2',
      'danelaw_attempts_total{status="completed",policy="dane"} 2',
      'danelaw_attempts_total{status="failed",policy="dane"} 1',
      'danelaw_delivery_delay_seconds_count 2',
      'danelaw_queue_messages 1',
      'danelaw_queue_recipients{state="queued"} 1',
    ]) {
      expect(lines).toContain(line);
    }
    // The bounce goes to a server that has had a message: over a connection that is there, or a new one.
    const full = seriesOf(text, 'danelaw_tls_handshake_seconds_count{kind="full"}');
    expect(full).toBe(seriesOf(text, 'danelaw_connections_total{origin="new"}'));
    expect(seriesOf(text, 'danelaw_tls_handshake_seconds_sum{kind="full"}')).toBeGreaterThan(0);
    // MX, A, AAAA and TLSA of two domains, in whichever threads; and the MX records of the third.
    expect(seriesOf(text, 'danelaw_dns_lookups_total{status="secure",source="network"}')).toBeGreaterThan(6);
    expect(seriesOf(text, 'danelaw_queue_messages_by_age{age="5m"}')).toBe(1);
    expect(text).toContain('process_cpu_seconds_total');
    expect(text).not.toMatch(/\.example|watched@|127\.0\.0/u);
  });

  it('is healthy', async () => {
    const answer = await ask('/health');
    expect({ code: answer.status, body: await answer.json() }).toEqual({
      code: 200,
      body: { ok: true, checks: { queue: 'ok', resolver: 'ok', delivery: 'ok' } },
    });
  });

  it('tells nobody else', async () => {
    expect((await ask('/metrics', 'the-token-of-somebody')).status).toBe(401);
    expect(relay.lines.join('\n')).not.toContain(TOKEN);
  });

  it('ends in order though a client keeps its connection', async () => {
    await (await ask('/health')).text();
    expect(await relay.end('SIGTERM')).toBe(0);
  });
});

function seriesOf(text: string, series: string): number | undefined {
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}
