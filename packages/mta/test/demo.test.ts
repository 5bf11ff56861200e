/**
 * `danelaw demo`, the whole of it, once: the lab, the relay, a message to every scenario. It costs some seconds, so
 * everything that can be seen in one run is seen in this one.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { SCENARIOS, STS_SCENARIOS } from '@danelaw/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run, start } from './program.js';

interface Row {
  readonly domain: string;
  readonly expected: { readonly status: string; readonly evidence?: object };
  readonly came: { readonly mx: string | null; readonly status: string };
  readonly outcome: { readonly event: string; readonly id: string; readonly reason: string };
  readonly steps: readonly { readonly event: string; readonly reason: string }[];
  readonly faults: readonly string[];
}

let child: ChildProcess;
let demo: {
  readonly ok: boolean;
  readonly domains: readonly Row[];
  readonly relay: {
    readonly smtp: { host: string; port: number };
    readonly page: string;
    readonly metrics: string;
  };
  readonly lab: Readonly<Record<'resolver' | 'trustAnchor' | 'config' | 'message' | 'smtpPort', string>>;
};
let errors = '';

beforeAll(async () => {
  child = start('demo', '--keep', '--json');
  let out = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (errors += text));
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text));
  while (!out.endsWith('\n}\n')) await once(child.stdout ?? child, 'data');
  demo = JSON.parse(out);
}, 120_000);
afterAll(() => {
  child.kill('SIGKILL');
});

describe('danelaw demo', () => {
  it('sends to every domain, and every outcome is as RFC 7672 asks, for the right reason', () => {
    const faulty = demo.domains.filter(({ faults }) => faults.length > 0);
    expect(faulty.map(({ domain, faults }) => [domain, faults])).toEqual([]);
    expect({ ok: demo.ok, errors }).toEqual({ ok: true, errors: '' });
    expect(demo.domains.map(({ domain }) => domain)).toEqual(
      [...SCENARIOS, ...STS_SCENARIOS].map(({ domain }) => domain),
    );
    expect(demo.domains.length).toBeGreaterThanOrEqual(180);
    // No refusal is taken on trust.
    const refusals = demo.domains.filter(({ expected }) => expected.status !== 'delivered');
    expect(refusals.filter(({ expected }) => expected.evidence === undefined)).toEqual([]);
    expect(refusals.length).toBeGreaterThanOrEqual(80);
  });

  it('never calls mail through insecure MX records secure (RFC 7672 section 2.2.1)', () => {
    const insecure = demo.domains.filter(({ came }) => came.mx === 'insecure');
    expect(insecure.length).toBeGreaterThan(10);
    const said = insecure.flatMap(({ steps, outcome }) => [...steps, outcome].map(({ reason }) => reason));
    expect(said.filter((reason) => /proved to be a server for|secure delivery/u.test(reason))).toEqual([]);
  });

  it('goes on with --keep: its relay takes mail, and shows its queue, metrics and page', async () => {
    const { smtp, page, metrics } = demo.relay;
    const text = await (await fetch(metrics)).text();
    const handedIn = demo.domains.filter(({ outcome }) => outcome.event !== 'refused').length;
    expect(text).toContain(`danelaw_received_messages_total{source="smtp"} ${handedIn}\n`);
    const argv = [
      '--relay',
      `${smtp.host}:${smtp.port}`,
      '-v',
      '-f',
      'me@home.example',
      'too@good-3-1-1.example',
    ];
    const sent = await run(['sendmail', ...argv], 'Subject: x\r\n\r\nHello.\r\n');
    expect(sent).toMatchObject({ code: 0 });
    const deferred = demo.domains.find(({ domain }) => domain === 'swapped-certificate.example');
    const listed = await run(['queue', 'show', '--config', demo.lab.config, deferred?.outcome.id ?? '']);
    expect(listed).toMatchObject({
      code: 0,
      out: expect.stringContaining('you@swapped-certificate.example'),
    });
    const told = await fetch(`${page}messages/${deferred?.outcome.id}`, { headers: { accept: 'text/html' } });
    expect(told.status).toBe(200);
    expect(await told.text()).toContain('you@swapped-certificate.example');
  });

  it('goes on with --keep: other commands can be tried', async () => {
    const { resolver, trustAnchor, smtpPort, config, message } = demo.lab;
    const options = ['--resolver', resolver, '--trust-anchor', trustAnchor, '--smtp-port', String(smtpPort)];
    expect((await run(['check', ...options, '--json', 'good-3-1-1.example'])).code).toBe(0);
    const ruled = ['send', ...options, '--config', config, '-f', '', '-t', 'a@audited.example', message];
    expect((await run(ruled)).code).toBe(0);
    expect((await run(['policy', 'show', '--config', config, 'fallback.example'])).out).toContain(
      'goes to: mx.fallback.example, mx.fallback-relay.example',
    );
  });

  it('ends when it is told to, and leaves nothing behind', async () => {
    child.kill('SIGINT');
    const [code] = await once(child, 'close');
    expect(code).toBe(0);
    expect(existsSync(demo.lab.trustAnchor)).toBe(false);
    await expect(fetch(demo.relay.metrics)).rejects.toThrow();
  });
});
