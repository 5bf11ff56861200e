/** `danelaw tlsa deploy` against servers and zones of the lab: what goes to the server, what waits, and what is refused. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Certificate,
  type HostSpec,
  type Internet,
  type Scenario,
  selfSigned,
  startInternet,
} from '@danelaw/lab';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { main } from '../src/cli/main.js';
import { dnsOptions, type Ended, run } from './program.js';

const DAY = 86_400_000;
const HOUR = 3_600_000;
const VALID = { notBefore: new Date(Date.now() - DAY), notAfter: new Date(Date.now() + DAY) };
const certificate = (host: string): Certificate => selfSigned({ names: [host], validity: VALID });
const digestOf = ({ key }: Certificate): string => createHash('sha256').update(key.spki).digest('hex');
const next = certificate('mx.next.example');

const server = (domain: string, host: HostSpec): Scenario => ({
  domain,
  shows: 'a certificate that is renewed',
  rule: 'RFC 7671 section 8.1',
  zones: { [domain]: { records: ['@ MX 10 mx'] } },
  hosts: { [`mx.${domain}`]: host },
  expected: { status: 'deferred', because: 'no mail is sent here' },
});

let internet: Internet;
let folder: string;
let to: string;
let options: string[];
let runs = 0;

beforeAll(async () => {
  internet = await startInternet([
    server('single.example', { tlsa: ['3 1 1'] }),
    server('next.example', { tlsa: ['3 1 1', { parameters: '3 1 1', hex: digestOf(next) }] }),
    server('none.example', {}),
  ]);
  folder = await mkdtemp(join(tmpdir(), 'danelaw-test-'));
  const anchor = join(folder, 'root.ds');
  await writeFile(anchor, internet.trustAnchors.join('\n'));
  options = [
    ...[...dnsOptions(internet, anchor), '--dns-port', String(internet.dnsPort), '--timeout', '5'],
    ...['--port', String(internet.smtpPort), '--starttls', 'smtp'],
  ];
});
beforeEach(async () => {
  await mkdir(join(folder, `run-${++runs}`));
  to = join(folder, `run-${runs}`, 'tls');
});
afterAll(async () => {
  await internet?.close();
  await rm(folder, { recursive: true });
});

const argvFor = (host: string, ...more: string[]) => [
  'tlsa',
  'deploy',
  host,
  '--to',
  to,
  ...options,
  ...more,
];

async function deploy(host: string, ...more: string[]): Promise<Ended> {
  let out = '';
  let err = '';
  const code = await main(argvFor(host, ...more), {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    stdin: { async *[Symbol.asyncIterator]() {} },
    env: process.env,
    signal: new AbortController().signal,
  });
  return { code, out, err };
}

async function filesOf(pair: Pick<Certificate, 'pem' | 'keyPem'>): Promise<string[]> {
  const files = [join(folder, `run-${runs}`, 'cert.pem'), join(folder, `run-${runs}`, 'key.pem')];
  const [chain = '', key = ''] = files;
  await writeFile(chain, pair.pem);
  await writeFile(key, pair.keyPem);
  return ['--certificate', chain, '--key', key];
}

function ownOf(host: string): Certificate {
  const found = internet.mailServers.get(host);
  if (found === undefined) throw new Error(`the lab has no ${host}`);
  return found.certificate;
}
const at = (milliseconds: number): string[] => ['--at', new Date(Date.now() + milliseconds).toISOString()];
const fileAt = (place: string): Promise<string> =>
  readFile(join(to, place, 'combined.pem'), 'utf8').catch(() => 'none');
const combined = ({ keyPem, pem }: Certificate): string => keyPem + pem;
const flat = (text: string): string => text.replace(/\s+/gu, ' ');

describe('danelaw tlsa deploy', () => {
  it('gives the server a certificate with its own key at once, and looks whether it shows it', async () => {
    const own = ownOf('mx.single.example');
    const reload = ['--reload', `cp '${join(to, 'current/combined.pem')}' '${to}.seen'`];
    const { code, out, err } = await deploy('mx.single.example', ...(await filesOf(own)), ...reload);
    expect([code, out, err]).toEqual([0, expect.stringContaining('deployed, and the server shows it'), '']);
    expect(await readFile(`${to}.seen`, 'utf8')).toBe(combined(own));
    const again = await deploy('mx.single.example', ...(await filesOf(own)), '--reload', 'exit 1');
    expect([again.code, again.out]).toEqual([0, expect.stringContaining('already')]);
    // Cron makes a mail of each word.
    expect(await deploy('mx.single.example')).toEqual({ code: 0, out: '', err: '' });
  });

  it('keeps a new key waiting, says what to publish, and leaves the old where it is (RFC 7671 section 8.1)', async () => {
    const own = ownOf('mx.single.example');
    await deploy('mx.single.example', ...(await filesOf(own)), '--reload', 'true');
    const fresh = certificate('mx.single.example');
    const { code, out } = await deploy('mx.single.example', ...(await filesOf(fresh)), '--client', 'lego');
    expect([code, flat(out)]).toEqual([
      75,
      expect.stringContaining('no name server has a record that matches it'),
    ]);
    const owner = `_${internet.smtpPort}._tcp.mx.single.example`;
    expect(out.split('\n')).toContain(`  ${owner}. IN TLSA 3 1 1 ${digestOf(fresh)}`);
    expect(flat(out)).toContain('renew --reuse-key');
    expect([await fileAt('current'), await fileAt('waiting')]).toEqual([combined(own), combined(fresh)]);
    const json = await deploy('mx.single.example', '--json');
    expect(JSON.parse(json.out)).toMatchObject({
      ...{ status: 'waiting', decision: 'publish', keyKept: false, until: null, name: owner },
      publish: [`3 1 1 ${digestOf(fresh)}`],
    });
    // The client has gone back to what is in use.
    await deploy('mx.single.example', ...(await filesOf(own)));
    expect(await fileAt('waiting')).toBe('none');
  });

  it('never goes early, and goes when every name server had the record for twice the TTL (RFC 7671 section 8.1)', async () => {
    const own = ownOf('mx.next.example');
    await deploy('mx.next.example', ...(await filesOf(own)), '--reload', 'true');
    const first = await deploy('mx.next.example', ...(await filesOf(next)));
    expect([first.code, flat(first.out)]).toEqual([
      75,
      expect.stringMatching(/twice the TTL \(7200 s\) Not before 20/u),
    ]);
    expect((await deploy('mx.next.example', ...at(2 * HOUR - 60_000))).code).toBe(75);
    expect(await fileAt('current')).toBe(combined(own));
    const dry = await deploy('mx.next.example', '--dry-run', ...at(2 * HOUR + 60_000));
    expect([dry.code, flat(dry.out)]).toEqual([0, expect.stringContaining('it would be deployed')]);
    expect(await fileAt('current')).toBe(combined(own));
    const late = await deploy('mx.next.example', '--no-server', '--reload', 'true', ...at(2 * HOUR + 60_000));
    expect([late.code, flat(late.out)]).toEqual([0, expect.stringContaining('for twice the TTL')]);
    expect([await fileAt('current'), await fileAt('previous')]).toEqual([combined(next), combined(own)]);
    expect(await fileAt('waiting')).toBe('none');
  });

  it('changes nothing in a dry run', async () => {
    const { code, out } = await deploy(
      'mx.single.example',
      ...(await filesOf(certificate('mx.single.example'))),
      '--dry-run',
    );
    expect([code, out]).toEqual([75, expect.stringContaining('it would not be deployed')]);
    expect((await readdir(to)).filter((name) => !name.endsWith('.lock'))).toEqual([]);
  });

  it('does not wait where senders have nothing to match, and says so (RFC 7672 section 2.2)', async () => {
    const { code, out } = await deploy('mx.none.example', ...(await filesOf(certificate('mx.none.example'))));
    expect([code, flat(out)]).toEqual([
      0,
      expect.stringMatching(/installed .* no TLSA records .* no --reload/u),
    ]);
  });

  it('waits where the host is not there, which may be a slip of the finger', async () => {
    const { code } = await deploy('mx.nowhere.example', ...(await filesOf(certificate('mx.none.example'))));
    expect([code, await fileAt('current')]).toEqual([75, 'none']);
  });

  it('takes the place of a pair that was damaged, and says what is wrong with it', async () => {
    const own = ownOf('mx.single.example');
    await deploy('mx.single.example', ...(await filesOf(own)), '--reload', 'true');
    await writeFile(join(to, 'current/privkey.pem'), 'gone');
    const next = selfSigned({ names: ['mx.single.example'], validity: VALID, key: own.key });
    const { code, out, err } = await deploy('mx.single.example', ...(await filesOf(next)));
    expect([code, flat(out)]).toEqual([0, expect.stringContaining('The key is the one in use')]);
    expect(err).toMatch(/deployed last can't be read: .*privkey\.pem: it is not PEM/u);
    expect(await fileAt('current')).toBe(combined(next));
  });

  it('reloads again until the server was told', async () => {
    const files = await filesOf(ownOf('mx.single.example'));
    const failed = await deploy('mx.single.example', ...files, '--reload', 'exit 3');
    expect([failed.code, flat(failed.out)]).toEqual([
      75,
      expect.stringContaining('"exit 3" did not succeed: it ended with 3'),
    ]);
    const mended = await deploy('mx.single.example', '--reload', `touch '${to}.reloaded'`);
    expect([mended.code, mended.out]).toEqual([0, expect.stringContaining('the server shows it')]);
    expect(await readdir(join(to, '..'))).toContain('tls.reloaded');
  });

  it('has one pair whole when it is killed, and the next run does the rest', async () => {
    const own = ownOf('mx.single.example');
    const files = await filesOf(own);
    const killed = await run(argvFor('mx.single.example', ...files, '--reload', 'kill -9 $PPID'));
    expect([killed.code, await fileAt('current')]).toEqual([null, combined(own)]);
    const { code, out } = await deploy('mx.single.example', ...files, '--reload', 'true');
    expect([code, out]).toEqual([0, expect.stringContaining('the server shows it')]);
  });

  it.each<[string, () => Promise<string[]>, number, string]>([
    [
      'a key that belongs to another certificate',
      async () => await filesOf({ ...ownOf('mx.single.example'), keyPem: next.keyPem }),
      65,
      'does not belong to the first certificate',
    ],
    [
      'a file that is not there',
      async () => ['--certificate', '/no/such/file', '--key', '/no/such/file'],
      66,
      "can't read",
    ],
    ['a key without a certificate', async () => ['--key', 'key.pem'], 64, 'together'],
    [
      'a folder that is no folder',
      async () => {
        await writeFile(to, '');
        return await filesOf(next);
      },
      73,
      "can't write in",
    ],
    [
      'a folder in which somebody else has put things',
      async () => {
        await mkdir(join(to, 'current'), { recursive: true });
        return await filesOf(next);
      },
      65,
      'is not what danelaw puts there',
    ],
  ])('refuses %s', async (_, files, code, words) => {
    const ended = await deploy('mx.single.example', ...(await files()));
    expect([ended.code, ended.out, flat(ended.err)]).toEqual([code, '', expect.stringContaining(words)]);
  });
});
