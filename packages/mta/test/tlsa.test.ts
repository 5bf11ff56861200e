/** `danelaw tlsa` against servers, name servers and files as they are met. */
import { createHash } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Name } from '@danelaw/dns';
import {
  type DnsSocket,
  type HostSpec,
  type Internet,
  issue,
  makeAuthority,
  makeCertificateKey,
  NameServer,
  parseZone,
  type Scenario,
  SignedZone,
  selfSigned,
  startInternet,
} from '@danelaw/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../src/cli/main.js';
import { dnsOptions, type Ended, run as runProgram } from './program.js';

const BOTH: HostSpec = { certificate: { key: 'rsa2048' }, secondCertificate: { key: 'p256' } };
const STALE = 'stale.example';
/** Of the second name server of that zone, which has an older version of it. */
const STALE_ADDRESS = '127.54.1.1';
const OLD_DATA = 'ab'.repeat(32);

const next = selfSigned({ names: ['mx.next.example'], validity: validity() });
const nextDigest = createHash('sha256').update(next.key.spki).digest('hex');

function validity() {
  return { notBefore: new Date(Date.now() - 86_400_000), notAfter: new Date(Date.now() + 86_400_000) };
}

function server(
  name: string,
  host: HostSpec,
  zone: Scenario['zones'][string] = {},
  more: object = {},
): Scenario {
  return {
    domain: name,
    shows: 'a publisher',
    rule: 'RFC 7671 section 8',
    zones: { [name]: { ...zone, records: ['@ MX 10 mx', ...(zone.records ?? [])] } },
    hosts: { [`mx.${name}`]: host },
    expected: { status: 'deferred', because: 'no mail is sent here' },
    ...more,
  };
}

const CA = { authorities: { Root: {}, Issuer: { parent: 'Root' } } };
const SCENARIOS: Scenario[] = [
  server('good.example', { tlsa: ['3 1 1'] }),
  server('both.example', { ...BOTH, tlsa: ['3 1 1', { parameters: '3 1 1', of: 'second' }] }),
  server('half.example', { ...BOTH, tlsa: ['3 1 1'] }),
  server(
    'anchored.example',
    { certificate: { issuer: 'Anchored' }, tlsa: ['3 1 1', '2 1 1'] },
    {},
    { authorities: { Anchored: {} } },
  ),
  server(
    'not-sent.example',
    { certificate: { issuer: 'Issuer', chain: 'leaf-only' }, tlsa: ['3 1 1', '2 1 1'] },
    {},
    CA,
  ),
  server('swapped.example', { tlsa: ['3 1 1'], habits: { presents: {} } }),
  server('next.example', { tlsa: ['3 1 1', { parameters: '3 1 1', hex: nextDigest }] }),
  server('by-name.example', { tlsa: ['3 1 1'], certificatesByName: { 'mx.by-name.example': {} } }),
  server('sni.example', { tlsa: ['3 1 1'], habits: { withoutSni: 'alert' } }),
  server('tls12.example', { tlsa: ['3 1 1'], habits: { maxVersion: 'TLSv1.2' } }),
  server('busy.example', { tlsa: ['3 1 1'], habits: { on: { greeting: '421 4.3.2 Try again' } } }),
  server('stripped.example', { tlsa: ['3 1 1'], habits: { starttls: 'stripped' } }),
  server('pkix.example', { tlsa: ['1 1 1'] }),
  server('none.example', {}),
  server('plain.unsigned', { tlsa: ['3 1 1'] }, { signing: 'unsigned' }),
  server(
    'bogus.example',
    { tlsa: ['3 1 1'] },
    { signing: { faults: [{ fault: 'damaged', name: '_{port}._tcp.mx', type: 'TLSA' }] } },
  ),
  server(STALE, { tlsa: ['3 1 1'] }, { records: ['@ NS ns2', `ns2 A ${STALE_ADDRESS}`] }),
];

let internet: Internet;
let folder: string;
let options: string[];
let stale: DnsSocket;

beforeAll(async () => {
  internet = await startInternet(SCENARIOS);
  folder = await mkdtemp(join(tmpdir(), 'danelaw-test-'));
  const anchor = join(folder, 'root.ds');
  await writeFile(anchor, internet.trustAnchors.join('\n'));
  const dns = [...dnsOptions(internet, anchor), '--dns-port', String(internet.dnsPort)];
  options = [...dns, '--port', String(internet.smtpPort), '--timeout', '5', '--starttls', 'smtp'];
  const zone = parseZone(Name.parse(STALE), [
    `@ SOA ns hostmaster 7 7200 900 1209600 300`,
    '@ NS ns',
    '@ NS ns2',
    `ns2 A ${STALE_ADDRESS}`,
    `_${internet.smtpPort}._tcp.mx TLSA 3 1 1 ${OLD_DATA}`,
  ]);
  const signed = new SignedZone(zone, {}, Date.now);
  stale = await new NameServer({ zones: [{ zone, signed }] }).listen(STALE_ADDRESS, internet.dnsPort);
});

afterAll(async () => {
  await stale?.close();
  await internet?.close();
  await rm(folder, { recursive: true });
});

/** In this process: what the command does, without what a process costs. */
async function run(argv: readonly string[]): Promise<Ended> {
  let out = '';
  let err = '';
  const code = await main(argv, {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    stdin: { async *[Symbol.asyncIterator]() {} },
    env: {},
    signal: new AbortController().signal,
  });
  return { code, out, err };
}

const file = async (name: string, content: string | Uint8Array, mode = 0o600): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, content);
  await chmod(path, mode);
  return path;
};

interface Verified {
  readonly status: string;
  readonly findings: readonly { readonly severity: string; readonly code: string; readonly text: string }[];
  readonly shown: readonly { readonly kind: string; readonly authenticated: boolean }[];
  readonly nameServers: readonly { readonly serial: number }[];
  readonly certificates: readonly { readonly ready: boolean }[];
}

async function verify(host: string, ...more: string[]): Promise<Verified & { readonly code: number | null }> {
  const { code, out, err } = await run(['tlsa', 'verify', host, ...options, '--json', ...more]);
  expect(err).toBe('');
  const verified: Verified = JSON.parse(out);
  return { code, ...verified };
}
const codes = ({ findings }: Verified): string[] =>
  [...new Set(findings.map(({ severity, code }) => `${severity} ${code}`))].sort();

describe('danelaw tlsa verify', () => {
  it.each<[domain: string, shows: string, code: number, findings: string[]]>([
    ['good.example', 'all of it matches', 0, []],
    ['both.example', 'an RSA and an ECDSA certificate, both published', 0, []],
    [
      'half.example',
      'an ECDSA certificate that is not published (RFC 7671 section 8)',
      69,
      ['error tlsa-mismatch'],
    ],
    ['anchored.example', 'a key and its issuer', 0, []],
    [
      'not-sent.example',
      'an issuer that is published and not sent (RFC 7672 section 3.1.2)',
      0,
      ['note record-unmatched', 'warning combination-unmatched'],
    ],
    [
      'swapped.example',
      'another certificate than the published one',
      69,
      ['error tlsa-mismatch', 'note record-unmatched'],
    ],
    ['next.example', 'a key that is to come', 0, ['note record-unmatched']],
    ['by-name.example', 'another certificate for its own name', 69, ['error tlsa-mismatch']],
    ['sni.example', 'no handshake without SNI (RFC 7672 section 8.1)', 0, ['warning sni-enforced']],
    ['tls12.example', 'TLS 1.2 alone', 0, ['note version-not-spoken']],
    ['busy.example', 'a server that takes nobody now', 75, ['unclear unreachable']],
    ['stripped.example', 'no STARTTLS', 69, ['error starttls-missing']],
    ['pkix.example', 'PKIX-EE alone (RFC 7672 section 3.1.3)', 69, ['error tlsa-unusable']],
    ['none.example', 'no records', 69, ['error no-tlsa']],
    ['plain.unsigned', 'records that are not signed', 69, ['error tlsa-unsigned']],
    ['bogus.example', 'records whose signature does not hold', 69, ['error tlsa-bogus']],
    [STALE, 'a name server with an older zone', 69, ['error records-differ', 'warning serials-differ']],
  ])('%s: %s', async (domain, _, code, findings) => {
    const verified = await verify(`mx.${domain}`);
    expect(codes(verified)).toEqual(findings);
    expect(verified.code).toBe(code);
  });

  it('sees the certificates of both kinds, and the serial of each name server', async () => {
    const both = await verify('mx.both.example');
    expect(both.shown.map(({ kind, authenticated }) => `${kind} ${authenticated}`).sort()).toEqual([
      'ecdsa true',
      'rsa true',
    ]);
    const { nameServers } = await verify(`mx.${STALE}`);
    expect(nameServers.map(({ serial }) => serial)).toEqual([1, 7]);
  });

  it('says of a certificate whether the server may be switched to it (RFC 7671 section 8.1)', async () => {
    const path = await file('next.pem', next.pem);
    const published = await verify('mx.next.example', '--certificate', path);
    expect([published.code, published.certificates.map(({ ready }) => ready)]).toEqual([0, [true]]);
    expect(codes(published)).toContain('note deployable');
    const early = await verify('mx.good.example', '--certificate', path);
    expect([early.code, early.certificates.map(({ ready }) => ready)]).toEqual([69, [false]]);
    expect(early.findings.find(({ code }) => code === 'not-deployable')?.text).toContain('no record');
  });

  it('does not call a certificate deployable that one name server does not publish', async () => {
    const own = internet.mailServers.get(`mx.${STALE}`)?.tlsa[0];
    expect(own).toBeDefined();
    const other = selfSigned({ names: ['x.example'], validity: validity() });
    const verified = await verify(
      `mx.${STALE}`,
      '--no-server',
      '--certificate',
      await file('other.pem', other.pem),
    );
    expect([verified.code, verified.shown]).toEqual([69, []]);
  });

  it('tells a person in words', async () => {
    const { code, out, err } = await runProgram(['tlsa', 'verify', 'mx.half.example', ...options]);
    expect([code, err]).toEqual([69, '']);
    const text = out.replace(/\s+/g, ' ');
    expect(text).toContain('RSA certificate');
    expect(text).toContain('TLSv1.3 and TLSv1.2, with and without SNI); matches 3 1 1');
    expect(text).toContain('matches no record');
    expect(out.split('\n').filter((line) => line.length > 100)).toEqual([]);
  });
});

describe('danelaw tlsa create', () => {
  const create = (...argv: string[]) => run(['tlsa', 'create', ...argv]);

  it('takes the certificates of both kinds from the server itself, and says that nothing proves them', async () => {
    const { code, out, err } = await create('mx.both.example', ...options);
    const published = internet.mailServers.get('mx.both.example')?.tlsa ?? [];
    const digests = published.map(({ data }) => Buffer.from(data).toString('hex'));
    expect(code).toBe(0);
    expect(out.trim().split('\n').sort()).toEqual(
      digests.map((digest) => `_${internet.smtpPort}._tcp.mx.both.example. IN TLSA 3 1 1 ${digest}`).sort(),
    );
    expect(err.replace(/\s+/g, ' ')).toContain('nothing proves that it was your server');
  });

  it.each([
    ['mx.stripped.example', 69, /STARTTLS/],
    ['mx.nowhere.example', 69, /can't be asked/],
  ])('prints nothing where %s shows nothing', async (host, code, reason) => {
    const ended = await create(host, ...options);
    expect({ code: ended.code, out: ended.out }).toEqual({ code, out: '' });
    expect(ended.err).toMatch(reason);
  });

  const root = makeAuthority({ name: 'Root', validity: validity() });
  const leaf = issue(root, { names: ['mx.example.org'], validity: validity() });

  it('prints records, and what to know of them on standard error', async () => {
    const chain = await file('chain.pem', leaf.pem + root.pem);
    const ended = await create(
      'MX.Example.ORG.',
      chain,
      '--record',
      '3 1 1',
      '--record',
      '2 1 1',
      '--ttl',
      '300',
    );
    expect(ended.code).toBe(0);
    const digest = (spki: Uint8Array) => createHash('sha256').update(spki).digest('hex');
    expect(ended.out).toBe(
      `_25._tcp.mx.example.org. 300 IN TLSA 3 1 1 ${digest(leaf.key.spki)}\n` +
        `_25._tcp.mx.example.org. 300 IN TLSA 2 1 1 ${digest(root.key.spki)}\n`,
    );
    expect(ended.err).toContain('warning  2 1 1 names the root CN=Root');
  });

  it('warns of a private key that everybody can read, and of none that a group can', async () => {
    const open = await create('mx.example.org', await file('open.key', leaf.keyPem, 0o644));
    expect([open.code, open.err]).toEqual([0, expect.stringContaining('everybody on this machine can read')]);
    const group = await create('mx.example.org', await file('group.key', leaf.keyPem, 0o640));
    expect([group.code, group.err]).toEqual([0, '']);
  });

  it('opens what is encrypted with --password-file, and never hangs without one', async () => {
    const key = leaf.key.privateKey.export({
      format: 'pem',
      type: 'pkcs8',
      cipher: 'aes-128-cbc',
      passphrase: 'secret',
    });
    const path = await file('encrypted.key', String(key));
    const password = await file('password', 'secret\nand more\n');
    expect((await create('mx.example.org', path, '--password-file', password)).code).toBe(0);
    const without = await create('mx.example.org', path);
    expect([without.code, without.out]).toEqual([64, '']);
    expect(without.err).toContain('--password-file');
  });

  it.each<[what: string, argv: (chain: string) => Promise<string[]> | string[], code: number]>([
    ['a key of another certificate', async (chain) => [chain, await file('other.key', makeKeyPem())], 65],
    ['a file that is not there', () => ['/nowhere/at-all.pem'], 66],
    ['a file that is no certificate', async () => [await file('text', 'hello')], 65],
    ['parameters that do not exist', (chain) => [chain, '--record', '4 1 1'], 64],
  ])('prints nothing for %s', async (_, argv, code) => {
    const chain = await file('chain.pem', leaf.pem + root.pem);
    const ended = await create('mx.example.org', ...(await argv(chain)));
    expect({ code: ended.code, out: ended.out }).toEqual({ code, out: '' });
  });
});

const makeKeyPem = (): string =>
  String(makeCertificateKey().privateKey.export({ format: 'pem', type: 'pkcs8' }));
