/** `danelaw tlsa rollover` against servers and zones of the lab: what is refused, told, and handed to the hook. */
import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type HostSpec, type Internet, type Scenario, selfSigned, startInternet } from '@danelaw/lab';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { main } from '../src/cli/main.js';
import { dnsOptions, type Ended } from './program.js';

const DAY = 86_400_000;
const HOUR = 3_600_000;
const next = selfSigned({
  names: ['mx.next.example'],
  validity: { notBefore: new Date(Date.now() - DAY), notAfter: new Date(Date.now() + DAY) },
});
const digest = createHash('sha256').update(next.key.spki).digest('hex');

const server = (domain: string, host: HostSpec): Scenario => ({
  domain,
  shows: 'a roll-over',
  rule: 'RFC 7671 section 8.1',
  zones: { [domain]: { records: ['@ MX 10 mx'] } },
  hosts: { [`mx.${domain}`]: host },
  expected: { status: 'deferred', because: 'no mail is sent here' },
});

let internet: Internet;
let folder: string;
let state: string;
let dns: string[];
let options: string[];
let nextFile: string;
let hook: string;
let runs = 0;

beforeAll(async () => {
  internet = await startInternet([
    server('single.example', { tlsa: ['3 1 1'] }),
    server('next.example', { tlsa: ['3 1 1', { parameters: '3 1 1', hex: digest }] }),
    server('broken.example', { tlsa: ['3 1 1'], habits: { presents: {} } }),
  ]);
  folder = await mkdtemp(join(tmpdir(), 'danelaw-test-'));
  const anchor = join(folder, 'root.ds');
  nextFile = join(folder, 'next.pem');
  hook = join(folder, 'hook');
  await writeFile(anchor, internet.trustAnchors.join('\n'));
  await writeFile(nextFile, next.pem);
  await writeFile(
    hook,
    '#!/bin/sh\nprintf "%s %s %s\\n%s" "$1" "$DANELAW_HOST" "$DANELAW_DIRECTION" "$DANELAW_NSUPDATE" > "$DANELAW_STATE/called"\n',
  );
  await chmod(hook, 0o755);
  dns = [...dnsOptions(internet, anchor), '--dns-port', String(internet.dnsPort), '--timeout', '5'];
  options = [...dns, '--port', String(internet.smtpPort), '--starttls', 'smtp'];
});
beforeEach(() => {
  state = join(folder, `state-${++runs}`);
});
afterAll(async () => {
  await internet?.close();
  await rm(folder, { recursive: true });
});

async function rollover(...argv: string[]): Promise<Ended> {
  let out = '';
  let err = '';
  const code = await main(['tlsa', 'rollover', ...argv, '--state', state], {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    stdin: { async *[Symbol.asyncIterator]() {} },
    env: process.env,
    signal: new AbortController().signal,
  });
  return { code, out, err };
}
const called = (): Promise<string> => readFile(join(state, 'called'), 'utf8').catch(() => 'not called');
const at = (milliseconds: number): string[] => ['--at', new Date(Date.now() + milliseconds).toISOString()];
const ownerOf = (domain: string): string => `_${internet.smtpPort}._tcp.mx.${domain}`;

describe('danelaw tlsa rollover', () => {
  it('makes the next key for nobody else to read, and says what to publish', async () => {
    const { code, out, err } = await rollover('start', 'mx.single.example', ...options);
    expect([code, err]).toEqual([0, '']);
    expect((await stat(join(state, 'next.key'))).mode & 0o777).toBe(0o600);
    expect(out).toMatch(new RegExp(`^  ${ownerOf('single.example')}\\. IN TLSA 3 1 1 [0-9a-f]{64}$`, 'm'));
    const again = await rollover('start', 'mx.single.example', ...options);
    expect([again.code, again.err]).toEqual([65, expect.stringContaining('already')]);
  });

  it('tells the hook to publish what is missing, and comes back for more', async () => {
    await rollover('start', 'mx.single.example', ...options);
    const dry = await rollover('step', ...dns, '--hook', hook, '--dry-run');
    expect([dry.code, await called()]).toEqual([0, 'not called']);
    const { code } = await rollover('step', ...dns, '--hook', hook);
    expect([code, await called()]).toEqual([
      0,
      expect.stringMatching(
        /^publish mx\.single\.example forward\nupdate add _\d+\._tcp\.mx\.single\.example\. 3600 IN TLSA 3 1 1 [0-9a-f]{64}\nsend\n?$/,
      ),
    ]);
    expect((await rollover('step', ...dns, '--hook', '/bin/false')).code).toBe(75);
  });

  it('refuses to go early, says when it may, and then has the server switched (RFC 7671 section 8.1)', async () => {
    const begun = await rollover('start', 'mx.next.example', '--next', nextFile, ...options);
    expect(begun.code).toBe(75);
    const early = await rollover('step', ...dns, '--hook', hook);
    expect([early.code, early.out, await called()]).toEqual([
      75,
      expect.stringMatching(/wait: not before 20/),
      'not called',
    ]);
    const late = await rollover('step', ...dns, '--hook', hook, ...at(2 * HOUR + 60_000));
    expect([late.code, await called()]).toEqual([
      0,
      expect.stringMatching(/^switch mx\.next\.example forward\n/),
    ]);
    const back = await rollover('status', ...dns);
    expect([back.code, back.err]).toEqual([75, expect.stringContaining('the clock was set back')]);
  });

  it('can be called off: the record of the next key is retired again', async () => {
    await rollover('start', 'mx.next.example', '--next', nextFile, ...options);
    expect((await rollover('back')).code).toBe(0);
    const { code } = await rollover('step', ...dns, '--hook', hook);
    expect([code, await called()]).toEqual([
      0,
      expect.stringContaining(`update delete ${ownerOf('next.example')}. IN TLSA 3 1 1 ${digest}`),
    ]);
    expect(await called()).toMatch(/^retire mx\.next\.example back\n/);
  });

  it('is not begun where something is broken, and leaves no key behind', async () => {
    const { code, out, err } = await rollover('start', 'mx.broken.example', ...options);
    expect([code, out, err]).toEqual([69, '', expect.stringContaining('put this right first')]);
    expect((await readdir(state)).filter((name) => !name.endsWith('.lock'))).toEqual([]);
  });

  it('ends with 66 where there is none, and with 65 where its file is damaged', async () => {
    expect((await rollover('status', ...dns)).code).toBe(66);
    await writeFile(join(state, 'rollover.json'), '{');
    expect((await rollover('step', ...dns, '--hook', hook)).code).toBe(65);
    expect(await called()).toBe('not called');
  });
});
