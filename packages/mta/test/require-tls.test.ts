/** `danelaw send --require-tls` and `TLS-Required: No` (RFC 8689) on the lab's Internet. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DEFAULT_CAPABILITIES,
  type HostSpec,
  type Internet,
  type Scenario,
  startInternet,
} from '@danelaw/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dnsOptions, run } from './program.js';

function domain(name: string, host: HostSpec): Scenario {
  return {
    domain: name,
    shows: 'A domain for REQUIRETLS.',
    rule: 'RFC 8689',
    zones: { [name]: { records: ['@ MX 10 mx'] } },
    hosts: { [`mx.${name}`]: host },
    expected: { status: 'deferred', because: 'each test says its own' },
  };
}

const capabilities = [...DEFAULT_CAPABILITIES, 'REQUIRETLS'];
const SCENARIOS = [
  domain('offers.example', { tlsa: ['3 1 1'], habits: { capabilities } }),
  domain('offers-not.example', { tlsa: ['3 1 1'] }),
  domain('unauthenticated.example', { habits: { capabilities } }),
  domain('mismatch.example', { tlsa: [{ of: 'stranger', parameters: '3 1 1' }] }),
];

let internet: Internet;
let directory: string;
let options: string[];

beforeAll(async () => {
  internet = await startInternet(SCENARIOS);
  directory = await mkdtemp(join(tmpdir(), 'danelaw-requiretls-'));
  const anchor = join(directory, 'root.ds');
  await writeFile(anchor, internet.trustAnchors.join('\n'));
  options = [...dnsOptions(internet, anchor), '--smtp-port', String(internet.smtpPort), '--timeout', '5'];
});

afterAll(async () => {
  await internet.close();
  await rm(directory, { recursive: true });
});

async function send(name: string, header: string, ...more: string[]) {
  const argv = ['send', '--json', ...options, '-f', 'me@home.example', '-t', `you@${name}`, ...more];
  const { code, out } = await run(argv, `Subject: hello\r\n${header}\r\nworld\r\n`);
  const messages = internet.mailServers.get(`mx.${name}`)?.received.messages ?? [];
  return { code, outcome: JSON.parse(out).recipients[0], messages };
}

describe('danelaw send --require-tls', () => {
  it('delivers to a server that DANE authenticates and that offers REQUIRETLS', async () => {
    const { code, messages } = await send('offers.example', '', '--require-tls');
    expect(code).toBe(0);
    expect(messages).toHaveLength(1);
    expect(messages[0]?.mailParameters).toContain('REQUIRETLS');
  });

  it.each([
    ['does not offer it', 'offers-not.example', '5.7.30'],
    ['nobody authenticates', 'unauthenticated.example', '5.7.10'],
  ])('fails with 69 at one that %s', async (_, name, enhancedStatus) => {
    const { code, outcome, messages } = await send(name, '', '--require-tls');
    expect({ code, outcome }).toMatchObject({ code: 69, outcome: { status: 'failed', enhancedStatus } });
    expect(messages).toEqual([]);
  });
});

describe('TLS-Required: No', () => {
  it('delivers where the certificate does not match, which is reported', async () => {
    expect((await send('mismatch.example', '')).code).toBe(75);
    const { code, outcome, messages } = await send('mismatch.example', 'TLS-Required: No\r\n');
    expect({ code, outcome }).toMatchObject({ code: 0, outcome: { tls: { authenticated: null } } });
    expect(messages).toHaveLength(1);
  });
});
