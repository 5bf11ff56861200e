/**
 * What the running relay is to those who hand mail in and to who runs it: logins, certificates, signatures,
 * `danelaw sendmail`, the checks before it starts, and what TLS reports count.
 */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Certificate,
  type Internet,
  SCENARIOS,
  type Scenario,
  selfSigned,
  startInternet,
} from '@danelaw/lab';
import { createTransport } from 'nodemailer';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { keyRecordText } from '../src/dkim/key-record.js';
import { hashPassword } from '../src/listener/password.js';
import { verifyDkim } from '../src/testing/dkim-verifier.js';
import { freePort } from './free-port.js';
import { run } from './program.js';
import { RelayProcess } from './relay-process.js';

const GOOD = 'good-3-1-1.example';
/** Milliseconds. */
const DAY = 86_400_000;
const PASSWORD = 'correct horse';
const KEY = generateKeyPairSync('ed25519').privateKey;

/** Names of relays: one whose address leads back to it, one whose address does not, one without any. */
const NAMES: Scenario = {
  domain: 'names.example',
  shows: 'Names that relays give themselves.',
  rule: 'RFC 5321 section 4.1.4',
  zones: {
    'names.example': { records: ['relay A 127.0.0.77', 'other A 127.0.0.78', 'mute A 127.0.0.79'] },
    '127.in-addr.arpa': {
      records: ['77.0.0 PTR relay.names.example.', '78.0.0 PTR host-78.provider.example.'],
    },
  },
  expected: { status: 'failed', because: 'it has no mail host' },
};

let internet: Internet;
let users: string;
let folder: string;
let ports: { smtp: number; smtps: number };
let config: string;
let relay: RelayProcess;

beforeAll(async () => {
  internet = await startInternet([...SCENARIOS.filter(({ domain }) => domain === GOOD), NAMES]);
  users = `[users]\nann = "${await hashPassword(PASSWORD)}"\n`;
});
afterAll(async () => {
  await internet.close();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'danelaw-clients-'));
  await writeFile(join(folder, 'root.ds'), internet.trustAnchors.join('\n'));
  await writeFile(join(folder, 's1.pem'), KEY.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  ports = { smtp: await freePort(), smtps: await freePort() };
  config = join(folder, 'danelaw.toml');
  relay = new RelayProcess(config, configuration());
});
afterEach(async () => {
  await relay.end('SIGKILL');
  await rm(folder, { recursive: true });
});

interface Changes {
  readonly hostname?: string;
  /** Further addresses. */
  readonly listen?: string;
  readonly more?: string;
}

const configuration = ({
  hostname = 'relay.names.example',
  listen = '',
  more = '',
}: Changes = {}): string => `
hostname = "${hostname}"
state = "${join(folder, 'state')}"
[[listen]]
address = "127.0.0.1:${ports.smtp}"
${listen}
[dns]
resolver = ["${internet.resolver.address}#${internet.resolver.port}"]
trust_anchor = "${join(folder, 'root.ds')}"
[sts]
enabled = false
[delivery]
port = ${internet.smtpPort}
${more}`;

/** A configuration with a certificate, where only who logs in may send. */
const guarded = (): string =>
  configuration({
    listen: `[[listen]]\naddress = "127.0.0.1:${ports.smtps}"\ntls = "implicit"\n`,
    more: `
[clients]
networks = []
[tls]
certificate = "${join(folder, 'cert.pem')}"
key = "${join(folder, 'key.pem')}"
${users}`,
  });

async function useCertificate({ certificatePem, keyPem }: Pem): Promise<void> {
  await writeFile(join(folder, 'cert.pem'), certificatePem);
  await writeFile(join(folder, 'key.pem'), keyPem, { mode: 0o600 });
}

interface Pem {
  readonly certificatePem: string;
  readonly keyPem: string;
}

const pemOf = ({ pem, key }: Certificate): Pem => ({
  certificatePem: pem,
  keyPem: key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
});

const makeCertificate = (): Pem =>
  pemOf(
    selfSigned({
      names: ['relay.names.example'],
      validity: { notBefore: new Date(Date.now() - DAY), notAfter: new Date(Date.now() + DAY) },
    }),
  );

interface Sending {
  readonly pass?: string;
  readonly secure?: boolean;
  readonly plain?: boolean;
  /** Who the client takes for the relay. */
  readonly ca: string;
}

async function submit(subject: string, { pass, secure = false, plain = false, ca }: Sending): Promise<void> {
  const transport = createTransport({
    host: '127.0.0.1',
    port: secure ? ports.smtps : ports.smtp,
    secure,
    requireTLS: !plain,
    ignoreTLS: plain,
    tls: { ca, servername: 'relay.names.example' },
    ...(pass === undefined ? {} : { auth: { user: 'ann', pass } }),
  });
  await transport.sendMail({ from: 'ann@names.example', to: `you@${GOOD}`, subject, text: 'Hello.' });
}

const textsAt = (): string[] =>
  (internet.mailServers.get(`mx.${GOOD}`)?.received.messages ?? []).map(({ content }) =>
    Buffer.from(content).toString('latin1'),
  );
const received = (subject: string): string | undefined =>
  textsAt().find((text) => text.includes(`\r\nSubject: ${subject}\r\n`));
const delivered = (times = 1) =>
  relay.event(() => relay.events.filter(({ event }) => event === 'delivered').length >= times);

describe('users of the configuration', () => {
  it('send after STARTTLS, or under TLS from the start, and nobody else does', async () => {
    const pem = makeCertificate();
    await useCertificate(pem);
    relay.configure(guarded());
    await relay.start();
    const ca = pem.certificatePem;
    await submit('by STARTTLS', { pass: PASSWORD, ca });
    await submit('by TLS from the start', { pass: PASSWORD, secure: true, ca });
    await expect(submit('wrong password', { pass: 'wrong', ca })).rejects.toThrow(/535 5\.7\.8/u);
    await expect(submit('no login', { ca })).rejects.toThrow(/5[35]0 5\.7\./u);
    await expect(submit('login in clear text', { pass: PASSWORD, plain: true, ca })).rejects.toThrow();
    await delivered(2);
    // RFC 3848: the Received field tells how it came.
    expect(received('by STARTTLS')).toContain('with ESMTPSA id ');
    expect(received('by TLS from the start')).toContain('with ESMTPSA id ');
    const others = ['wrong password', 'no login', 'login in clear text'];
    expect(others.map(received)).toEqual([undefined, undefined, undefined]);
  });

  it('meet the new certificate after SIGHUP', async () => {
    const [before, after] = [makeCertificate(), makeCertificate()];
    await useCertificate(before);
    relay.configure(guarded());
    await relay.start();
    await submit('the old one', { pass: PASSWORD, ca: before.certificatePem });
    await useCertificate(after);
    relay.signal('SIGHUP');
    await relay.event(({ event }) => event === 'reloaded');
    await submit('the new one', { pass: PASSWORD, ca: after.certificatePem });
    await expect(submit('gone', { pass: PASSWORD, ca: before.certificatePem })).rejects.toThrow(
      /self-signed/u,
    );
  });
});

describe('what the relay does with a message', () => {
  it('signs it with the key for its From domain', async () => {
    const key = join(folder, 's1.pem');
    const dkim = `[[dkim]]\ndomain = "names.example"\nselector = "s1"\nkey_file = "${key}"\n`;
    relay.configure(configuration({ more: dkim }));
    await relay.start();
    await submit('signed', { plain: true, ca: '' });
    await delivered();
    const text = received('signed') ?? '';
    // Whoever receives it writes his own fields above ours.
    const message = Buffer.from(text.slice(text.search(/^DKIM-Signature:/mu)), 'latin1');
    const published = new Map([['s1._domainkey.names.example', keyRecordText(KEY)]]);
    expect(verifyDkim(message, (name) => published.get(name))).toMatchObject({ ok: true });
    expect(verifyDkim(Buffer.concat([message, Buffer.from('x')]), (name) => published.get(name)).ok).toBe(
      false,
    );
  });
});

describe('danelaw sendmail', () => {
  it('finds the relay by its configuration', async () => {
    await relay.start();
    const message = `To: you@${GOOD}\nSubject: by sendmail\n\nHello.\n`;
    const sent = await run(['sendmail', '--config', config, '-t', '-i', '-f', 'ann@names.example'], message);
    expect(sent).toEqual({ code: 0, out: '', err: '' });
    await delivered();
    expect(received('by sendmail')).toContain('Hello.');
  });
});

describe('before it starts', () => {
  it.each<[string, string, string, string]>([
    ['a name and an address that fit together', 'relay', 'ok', 'leads back to relay.names.example'],
    ['an address with another name', 'other', 'warning', 'its reverse name is host-78.provider.example'],
    ['an address without a name', 'mute', 'warning', 'it has no reverse name (PTR)'],
    ['a name without an address', 'nobody', 'warning', 'it has no address in DNS'],
  ])('--check sees %s', async (_, host, level, words) => {
    relay.configure(configuration({ hostname: `${host}.names.example` }));
    const { code, out } = await run(['serve', '--check', '--json', '--config', config]);
    expect(code).toBe(0);
    expect(JSON.parse(out).findings).toContainEqual(
      expect.objectContaining({ level, words: expect.stringContaining(words) }),
    );
  });

  it('an open relay is refused, not only by --check', async () => {
    // Open to all networks where all networks can reach it.
    const open = configuration({ more: '[clients]\nnetworks = ["0.0.0.0/0"]' });
    relay.configure(open.replace('127.0.0.1:', '0.0.0.0:'));
    await expect(relay.start()).rejects.toThrow(/ended with 78 [\s\S]*0\.0\.0\.0\/0/u);
  });
});

describe('TLS reports', () => {
  // Sessions are counted, and not messages: each has one of its own.
  const WANTED =
    'messages_per_connection = 1\n[tls_reports]\nenabled = true\norganization = "Names"\ncontact = "tlsrpt@names.example"';

  const send = async (headers: Readonly<Record<string, string>> = {}): Promise<void> => {
    const transport = createTransport({ host: '127.0.0.1', port: ports.smtp, ignoreTLS: true });
    await transport.sendMail({ from: 'ann@names.example', to: `you@${GOOD}`, text: 'Hello.', headers });
  };
  const counted = async (): Promise<number> => {
    await relay.end('SIGTERM'); // what was counted is written
    const { out } = await run(['tlsrpt', 'list', '--json', '--state', join(folder, 'state', 'tls-reports')]);
    const days: { domains: { domain: string; successful: number }[] }[] = JSON.parse(out).days;
    // At midnight it is two days.
    const ofGood = days.flatMap(({ domains }) => domains.filter(({ domain }) => domain === GOOD));
    return ofGood.reduce((sum, { successful }) => sum + successful, 0);
  };

  it('count sessions by domain, and none that carried a report (RFC 8460 section 3)', async () => {
    relay.configure(configuration({ more: WANTED }));
    await relay.start();
    await send();
    await send({ 'TLS-Report-Domain': GOOD });
    await send();
    await delivered(3);
    expect(await counted()).toBe(2);
  });

  it('are counted from SIGHUP on where they are wanted from then on', async () => {
    await relay.start();
    await send();
    await delivered(1);
    relay.configure(configuration({ more: WANTED }));
    relay.signal('SIGHUP');
    await relay.event(({ event }) => event === 'reloaded');
    await send();
    await delivered(2);
    expect(await counted()).toBe(1);
  });
});
