import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createResolver } from '@danelaw/dns';
import { SCENARIOS, startInternet } from '@danelaw/lab';
import { describe, expect, it } from 'vitest';
import { verdictSentence } from '../src/cli/delivery-report.js';
import { runDemo } from '../src/cli/demo-run.js';
import { run, start } from './program.js';

describe('danelaw demo', () => {
  it('sends to every domain, and every outcome is as RFC 7672 asks', async () => {
    const { code, out, err } = await run(['demo', '--json']);
    const { ok, domains, lab } = JSON.parse(out);
    const faulty = domains.filter(({ faults }: { faults: string[] }) => faults.length > 0);
    expect(
      faulty.map(({ domain, faults }: { domain: string; faults: string[] }) => [domain, faults]),
    ).toEqual([]);
    expect({ code, err, ok, lab }).toEqual({ code: 0, err: '', ok: true, lab: null });
    expect(domains.map(({ domain }: { domain: string }) => domain)).toEqual(
      SCENARIOS.map(({ domain }) => domain),
    );
    expect(domains.length).toBeGreaterThanOrEqual(160);
  });

  it('delivers under "dane-only" only what DANE authenticated (RFC 7672 section 6)', async () => {
    const internet = await startInternet(SCENARIOS);
    const { dnsPort: port, rootHints, trustAnchors } = internet;
    const resolver = createResolver({ upstream: 'iterate', rootHints, trustAnchors, port });
    try {
      const { signal } = new AbortController();
      const rows = await runDemo(internet, signal, { level: 'dane-only', resolver });
      const faulty = rows.filter(({ faults }) => faults.length > 0);
      expect(faulty.map(({ scenario, faults }) => [scenario.domain, faults])).toEqual([]);
      // But for what a local rule allows.
      const ruled = new Set(SCENARIOS.flatMap(({ domain, local }) => (local?.level ? [domain] : [])));
      const delivered = rows.filter(({ delivery }) => delivery.recipients[0]?.status === 'delivered');
      const bare = delivered.filter(({ scenario, delivery: { recipients } }) => {
        const [outcome] = recipients;
        const proved = outcome?.mx === 'secure' && outcome.tls?.authenticated?.by === 'dane';
        return !proved && !ruled.has(scenario.domain);
      });
      expect(bare.map(({ scenario }) => scenario.domain)).toEqual([]);
      expect(delivered.length).toBeGreaterThan(50);
    } finally {
      await resolver.close();
      await internet.close();
    }
  });

  it('never calls mail through insecure MX records secure (RFC 7672 section 2.2.1)', async () => {
    const internet = await startInternet(SCENARIOS);
    try {
      const rows = await runDemo(internet, new AbortController().signal);
      const insecure = rows.filter(({ delivery }) => delivery.recipients[0]?.mx === 'insecure');
      const claims = insecure.flatMap(({ scenario, delivery }) => {
        const [outcome] = delivery.recipients;
        if (outcome === undefined) return [scenario.domain];
        const said = JSON.stringify([
          verdictSentence(outcome, delivery),
          delivery.attempts.map(({ mx }) => mx),
        ]);
        return /proved to be a server|"secure"/u.test(said) ? [`${scenario.domain}: ${said}`] : [];
      });
      expect(claims).toEqual([]);
      expect(
        insecure.filter(({ delivery }) => delivery.recipients[0]?.tls?.authenticated?.by === 'dane').length,
      ).toBe(3);
      const aliased = insecure.find(({ scenario }) => scenario.domain === 'hosted-alias.unsigned');
      expect(aliased?.delivery.recipients).toMatchObject([{ host: 'mx.hosted-alias-provider.example' }]);
      expect(JSON.stringify(aliased?.delivery.attempts.map(({ host }) => host))).not.toContain('real.');
    } finally {
      await internet.close();
    }
  });

  it('prints a table that fits 100 columns, without colour in a pipe', async () => {
    const { code, out } = await run(['demo']);
    expect(code).toBe(0);
    const lines = out.split('\n');
    expect(lines[0]).toMatch(/^ {2}domain +outcome +what was proved, or which rule stopped it$/);
    for (const { domain, expected } of SCENARIOS) {
      expect(lines.find((line) => line.startsWith(`  ${domain} `))).toMatch(
        new RegExp(` ${expected.status}  +\\S`),
      );
    }
    expect(lines.filter((line) => line.length > 100)).toEqual([]);
    expect(out).not.toContain('\u001b');
    expect(lines.at(-2)).toMatch(/^\d+ delivered, \d+ deferred, \d+ failed: all as RFC 7672 asks/);
  });

  it('goes on with --keep, so that other commands can be tried, until it is told to end', async () => {
    const child = start('demo', '--keep', '--json');
    try {
      let out = '';
      child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text));
      while (!out.endsWith('\n}\n')) await once(child.stdout ?? child, 'data');
      const { lab } = JSON.parse(out);
      const options = [
        '--resolver',
        lab.resolver,
        '--trust-anchor',
        lab.trustAnchor,
        '--smtp-port',
        String(lab.smtpPort),
      ];
      const checked = await run(['check', ...options, '--json', 'good-3-1-1.example']);
      expect(checked.code).toBe(0);
      const sent = await run(['send', ...options, '-f', '', '-t', 'a@good-3-1-1.example', lab.message]);
      expect(sent.code).toBe(0);
      const ruled = ['send', ...options, '--config', lab.config, '-f', '', '-t', 'a@audited.example'];
      expect((await run([...ruled, lab.message])).code).toBe(0);
      expect((await run(['policy', 'show', '--config', lab.config, 'fallback.example'])).out).toContain(
        'goes to: mx.fallback.example, mx.fallback-relay.example',
      );
      child.kill('SIGINT');
      const [code] = await once(child, 'close');
      expect(code).toBe(0);
      expect(existsSync(lab.trustAnchor)).toBe(false);
    } finally {
      child.kill('SIGKILL');
    }
  });
});
