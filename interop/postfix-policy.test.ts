/**
 * Debian's Postfix delivers by the policies of `danelaw policy-server`, to domains of the lab whose mail hosts
 * are at port 25.
 *
 * Its own level is `may`, which asks nobody's certificate: whatever it insists on comes from the policy server.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createResolver, type Resolver } from '@danelaw/dns';
import { type HostSpec, type Internet, type Scenario, startInternet, type ZoneSpec } from '@danelaw/lab';
import { checkMessage, deliver } from '@danelaw/smtp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../packages/mta/test/free-port.js';
import { makeFolder, removeFolder } from './folder.js';
import { programs, withNeighbours } from './neighbours.js';
import { runOk } from './run.js';
import { atPort53, type SendingPostfix, startSendingPostfix } from './sending-postfix.js';

function domain(name: string, zone: ZoneSpec, hosts: Readonly<Record<string, HostSpec>> = {}): Scenario {
  const expected = { status: 'deferred', because: 'each test says for itself what it expects' } as const;
  return { domain: name, shows: '', rule: 'RFC 7672', zones: { [name]: zone }, hosts, expected };
}

const oneHost = (name: string, host: HostSpec, zone: ZoneSpec = {}): Scenario =>
  domain(name, { ...zone, records: ['@ MX 10 mx'] }, { [`mx.${name}`]: host });

const SCENARIOS: readonly Scenario[] = [
  oneHost('good.example', { tlsa: ['3 1 1'] }),
  oneHost('swapped.example', { tlsa: ['3 1 1'], habits: { presents: {} } }),
  oneHost('stripped.example', { tlsa: ['3 1 1'], habits: { starttls: 'stripped' } }),
  oneHost('no-tlsa.example', {}),
  oneHost(
    'tlsa-fails.example',
    { tlsa: ['3 1 1'] },
    { habits: [{ name: '_{port}._tcp.mx', type: 'TLSA', does: 'SERVFAIL' }] },
  ),
  domain(
    'mixed.example',
    { records: ['@ MX 10 mx1', '@ MX 20 mx2'] },
    {
      'mx1.mixed.example': { tlsa: ['3 1 1'], habits: { presents: {} } },
      'mx2.mixed.example': {},
    },
  ),
  oneHost('ruled.example', {}),
  oneHost('ruled-old.example', { habits: { maxVersion: 'TLSv1.2' } }),
  oneHost('pinned.example', { tlsa: ['3 0 1'] }),
  oneHost('mispinned.example', { tlsa: ['3 0 1'] }),
  oneHost('excepted.example', { tlsa: ['3 1 1'], habits: { presents: {} } }),
  domain('insecure.unsigned', { records: ['@ MX 10 mx.good.example.'], signing: 'unsigned' }),
];

/** Addresses at which nothing of the lab is. */
const VALIDATING = '127.9.0.53';
const STRIPPING = '127.9.0.54';

withNeighbours('Postfix with danelaw policy-server', () => {
  let folder: string;
  let internet: Internet;
  let resolver: Resolver;
  let policyServer: ChildProcess;
  let map: string;
  let postfix: SendingPostfix;
  let deaf: SendingPostfix;
  const open: { close(): Promise<void> }[] = [];

  beforeAll(async () => {
    folder = await makeFolder('postfix-policy');
    internet = await startInternet(SCENARIOS, { smtpPort: 25 });
    open.push(internet);
    open.push(await atPort53(VALIDATING, await internet.startValidatingResolver()));
    // This one never sets the AD bit: Postfix sees no DNSSEC behind it.
    open.push(await atPort53(STRIPPING, internet.resolver));
    resolver = createResolver({ upstream: '127.0.0.1', trust: 'ad' });
    open.push(resolver);
    const port = await freePort();
    policyServer = await startPolicyServer(internet, folder, port);
    map = `socketmap:inet:127.0.0.1:${port}:danelaw`;
    const settings = [
      'smtp_tls_security_level = may',
      'smtp_tls_fingerprint_digest = sha256',
      `smtp_tls_policy_maps = ${map}`,
    ];
    const sender = async (name: string, address: string, asked: string): Promise<SendingPostfix> => {
      await mkdir(join(folder, name));
      return startSendingPostfix({ folder: join(folder, name), address, resolver: asked, settings });
    };
    postfix = await sender('postfix', '127.0.0.7', VALIDATING);
    deaf = await sender('deaf', '127.0.0.8', STRIPPING);
  });

  afterAll(async () => {
    await postfix?.stop();
    await deaf?.stop();
    policyServer?.kill();
    await Promise.all(open.map((each) => each.close()));
    if (folder !== undefined) await removeFolder(folder);
  });

  /** Hands a message to Postfix, and waits for what becomes of it. */
  async function send(recipient: string, by: SendingPostfix = postfix) {
    const text = `From: sender@sender.test\r\nTo: ${recipient}\r\nSubject: policy\r\n\r\nHello\r\n`;
    const checked = checkMessage(Buffer.from(text));
    if (checked.status !== 'ok') throw new Error(checked.reason);
    const { recipients } = await deliver({
      resolver,
      heloName: 'client.test',
      level: 'none',
      relay: { host: `[${by.address}]`, port: by.port },
      envelope: { from: 'sender@sender.test', to: [recipient] },
      message: checked.message,
    });
    expect(recipients).toMatchObject([{ status: 'delivered' }]);
    return await by.fate(recipient);
  }

  test('postmap reads the table as Postfix does', async () => {
    expect(await runOk(programs.postmap, ['-q', 'good.example', map])).toBe('dane-only\n');
    await expect(runOk(programs.postmap, ['-q', 'no-tlsa.example', map])).rejects.toThrow(/ended with 1/u);
  });

  test('delivers to the server that the TLSA records name', async () => {
    const { status, log } = await send('a@good.example');
    expect(status).toBe('sent');
    expect(log).toMatch(/Verified TLS connection established to mx\.good\.example/u);
    expect(internet.mailServers.get('mx.good.example')?.received.messages).toHaveLength(1);
  });

  describe('keeps the mail', () => {
    test.each([
      ['from a server with another certificate', 'swapped.example', /not (?:trusted|verified)/iu],
      ['from a server that hides STARTTLS', 'stripped.example', /TLS is required, but was not offered/u],
      [
        'where a look-up of TLSA records fails',
        'tlsa-fails.example',
        /TLS.*(?:policy|configuration|lookup)/iu,
      ],
    ])('%s', async (_, name, reason) => {
      const { status, line } = await send(`b@${name}`);
      expect(status).toBe('deferred');
      expect(line).toMatch(reason);
      expect(internet.mailServers.get(`mx.${name}`)?.received.messages).toEqual([]);
    });

    test('from everybody, where its own resolver loses the signatures and TLSA is known to be there', async () => {
      const { status, line } = await send('c@good.example', deaf);
      expect(status).toBe('deferred');
      expect(line).toContain('non DNSSEC destination');
    });
  });

  test('delivers as before DANE where nothing is published', async () => {
    const { status, log } = await send('d@no-tlsa.example');
    expect(status).toBe('sent');
    expect(log).toMatch(/Untrusted TLS connection established to mx\.no-tlsa\.example/u);
  });

  test('passes over a server that does not match, and uses the next one, which has no TLSA records', async () => {
    const { status, line } = await send('e@mixed.example');
    expect(status).toBe('sent');
    expect(line).toContain('relay=mx2.mixed.example');
    expect(internet.mailServers.get('mx1.mixed.example')?.received.messages).toEqual([]);
  });

  describe('reads what rules of the policy table become', () => {
    test.each([
      [
        'TLS of a version',
        'ruled.example',
        /Untrusted TLS connection established to mx\.ruled\.example.*TLSv1\.3/u,
      ],
      [
        'a certificate by its digest',
        'pinned.example',
        /Verified TLS connection established to mx\.pinned\.example/u,
      ],
      ['an exception', 'excepted.example', /TLS connection established to mx\.excepted\.example/u],
    ])('%s: sent', async (_, name, log) => {
      const fate = await send(`g@${name}`);
      expect(fate.status).toBe('sent');
      expect(fate.log).toMatch(log);
    });

    test.each([
      ['no TLS of that version', 'ruled-old.example', /Cannot start TLS|TLS.*(?:handshake|version)/iu],
      ['another certificate', 'mispinned.example', /not (?:trusted|verified)/iu],
    ])('%s: the mail waits', async (_, name, reason) => {
      const { status, line } = await send(`h@${name}`);
      expect(status).toBe('deferred');
      expect(line).toMatch(reason);
    });
  });

  test('does not say "Verified" where insecure MX records led to the server', async () => {
    const { status, log } = await send('f@insecure.unsigned');
    expect(status).toBe('sent');
    const dane = /([A-Z][a-z]+) TLS connection established to mx\.good\.example/gu;
    expect([...log.matchAll(dane)].at(-1)?.[1]).not.toBe('Verified');
  });
});

async function startPolicyServer(internet: Internet, folder: string, port: number): Promise<ChildProcess> {
  const anchors = join(folder, 'root.anchor');
  await writeFile(anchors, `${internet.trustAnchors.join('\n')}\n`);
  const config = join(folder, 'danelaw.toml');
  await writeFile(config, rules(internet));
  const program = fileURLToPath(new URL('../packages/mta/bin/danelaw.js', import.meta.url));
  const { resolver } = internet;
  const child = spawn(
    process.execPath,
    [
      ...[program, 'policy-server', '--listen', `127.0.0.1:${port}`],
      ...['--resolver', `${resolver.address}#${resolver.port}`, '--trust-anchor', anchors],
      ...['--config', config],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  await new Promise<void>((resolve, reject) => {
    child.once('exit', () => reject(new Error(`the policy server ended:\n${said}`)));
    child.stderr?.on('data', (octets) => {
      said += String(octets);
      if (said.includes('listening at')) resolve();
    });
  });
  return child;
}

function rules(internet: Internet): string {
  const [record] = internet.mailServers.get('mx.pinned.example')?.tlsa ?? [];
  const digest = Buffer.from(record?.data ?? []).toString('hex');
  return `
    [[policy]]
    domain = "ruled.example"
    level = "encrypt"
    min_tls = "TLSv1.3"
    [[policy]]
    domain = "ruled-old.example"
    level = "encrypt"
    min_tls = "TLSv1.3"
    [[policy]]
    domain = "pinned.example"
    level = "fingerprint"
    fingerprints = ["${'00'.repeat(32)}", "${digest}"]
    [[policy]]
    domain = "mispinned.example"
    level = "fingerprint"
    fingerprints = ["${'00'.repeat(32)}"]
    [[policy]]
    domain = "excepted.example"
    level = "may"
    exception = { reason = "a test", expires = 2999-12-31 }
  `;
}
