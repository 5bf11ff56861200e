/**
 * `danelaw tlsa` beside `openssl`, which makes the files and works out the digests by itself, and with a Postfix that has an RSA and
 * an ECDSA certificate.
 */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Internet, startInternet } from '@danelaw/lab';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { main } from '../packages/mta/src/cli/main.js';
import { freePort } from '../packages/mta/test/free-port.js';
import { danelaw, jsonOf } from './danelaw.js';
import { makeFolder, removeFolder } from './folder.js';
import type { MailServer } from './mail-server.js';
import { programs, withNeighbours } from './neighbours.js';
import { startPostfix } from './postfix.js';
import { type Finished, runOk } from './run.js';

const KINDS = {
  rsa: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  ecdsa: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  ed25519: ['-algorithm', 'ED25519'],
} as const;
type Kind = keyof typeof KINDS;
const kinds: readonly Kind[] = ['rsa', 'ecdsa', 'ed25519'];
const HOST = 'mx.postfix.example';
const ADDRESS = '127.0.0.9';

/** In this process: some thirty files are read here. */
async function here(argv: readonly string[]): Promise<Finished> {
  let stdout = '';
  let stderr = '';
  const code = await main(argv, {
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    stdin: { async *[Symbol.asyncIterator]() {} },
    env: {},
    signal: new AbortController().signal,
  });
  return { code, stdout, stderr };
}

withNeighbours('danelaw tlsa', () => {
  let folder: string;
  const file = (name: string): string => join(folder, name);
  const openssl = (...args: string[]) => runOk(programs.openssl, args);

  beforeAll(async () => {
    folder = await makeFolder('tlsa');
    await writeFile(file('password'), 'secret\n');
    await Promise.all(kinds.map(makeFiles));
  });
  afterAll(async () => {
    await removeFolder(folder);
  });

  /** Every encoding that OpenSSL's command line has for one key. */
  async function makeFiles(kind: Kind): Promise<void> {
    const at = (suffix: string) => file(`${kind}.${suffix}`);
    const secret = ['-passout', 'pass:secret'];
    await openssl('genpkey', ...KINDS[kind], '-out', at('key'));
    await openssl(
      'req',
      '-x509',
      '-key',
      at('key'),
      '-subj',
      `/CN=${HOST}`,
      '-days',
      '30',
      '-out',
      at('crt'),
    );
    await openssl('req', '-new', '-key', at('key'), '-subj', `/CN=${HOST}`, '-out', at('csr'));
    await openssl('req', '-in', at('csr'), '-outform', 'DER', '-out', at('csr.der'));
    await openssl('x509', '-in', at('crt'), '-outform', 'DER', '-out', at('crt.der'));
    await openssl('pkey', '-in', at('key'), '-outform', 'DER', '-out', at('key.der'));
    await openssl('pkey', '-in', at('key'), '-pubout', '-out', at('pub'));
    await openssl('pkey', '-in', at('key'), '-pubout', '-outform', 'DER', '-out', at('pub.der'));
    await openssl('pkcs8', '-topk8', '-in', at('key'), ...secret, '-out', at('encrypted'));
    await openssl('pkcs12', '-export', '-inkey', at('key'), '-in', at('crt'), ...secret, '-out', at('p12'));
    await writeFile(at('all'), (await readFile(at('key'), 'utf8')) + (await readFile(at('crt'), 'utf8')));
  }

  const spkiOf = async (kind: Kind): Promise<Buffer> => {
    // openssl x509 -pubkey | openssl pkey -pubin -outform DER
    const pem = await openssl('x509', '-in', file(`${kind}.crt`), '-noout', '-pubkey');
    await writeFile(file(`${kind}.spki.pem`), pem);
    await openssl(
      'pkey',
      '-pubin',
      '-in',
      file(`${kind}.spki.pem`),
      '-outform',
      'DER',
      '-out',
      file(`${kind}.spki`),
    );
    return readFile(file(`${kind}.spki`));
  };
  const digest = (algorithm: string, octets: Uint8Array) =>
    createHash(algorithm).update(octets).digest('hex');

  describe.each(kinds)('%s', (kind) => {
    test.each([
      'crt',
      'crt.der',
      'csr',
      'csr.der',
      'key',
      'key.der',
      'pub',
      'pub.der',
      'encrypted',
      'p12',
      'all',
    ])('the key is the same in %s', async (suffix) => {
      const argv = ['tlsa', 'create', HOST, file(`${kind}.${suffix}`), '--password-file', file('password')];
      const { code, stdout, stderr } = await here(argv);
      expect({ code, stdout }, stderr).toEqual({
        code: 0,
        stdout: `_25._tcp.${HOST}. IN TLSA 3 1 1 ${digest('sha256', await spkiOf(kind))}\n`,
      });
    });

    test('and whole certificates and other digests are what OpenSSL says', async () => {
      const der = await readFile(file(`${kind}.crt.der`));
      const wanted = ['3 0 1', '3 0 2', '3 1 2', '3 0 0'];
      const options = wanted.flatMap((each) => ['--record', each]);
      const { stdout } = await danelaw(['tlsa', 'create', HOST, file(`${kind}.crt`), ...options, '--json']);
      const data = [
        digest('sha256', der),
        digest('sha512', der),
        digest('sha512', await spkiOf(kind)),
        der.toString('hex'),
      ];
      expect(JSON.parse(stdout).records.map((each: { data: string }) => each.data)).toEqual(data);
    });
  });

  describe('a Postfix with an RSA and an ECDSA certificate', () => {
    let postfix: MailServer;
    let postfixFolder: string;
    let internet: Internet;
    let options: string[];

    beforeAll(async () => {
      await Promise.all(['rsa.all', 'ecdsa.all'].map((name) => runOk('/usr/bin/chmod', ['644', file(name)])));
      postfixFolder = await makeFolder('tlsa-postfix');
      const port = await freePort();
      const certificate = { keyAndChainFile: `${file('rsa.all')},${file('ecdsa.all')}` };
      postfix = await startPostfix({
        listeners: [
          {
            address: ADDRESS,
            certificate: { keyFile: '', chainFile: '', daneEe: '', daneTa: '', ...certificate },
          },
        ],
        port,
        folder: postfixFolder,
      });
      const digests = {
        rsa: digest('sha256', await spkiOf('rsa')),
        ecdsa: digest('sha256', await spkiOf('ecdsa')),
      };
      const zone = (origin: string, ...published: string[]) => ({
        domain: origin,
        shows: 'a Postfix',
        rule: 'RFC 7671 section 8',
        zones: {
          [origin]: {
            records: [
              '@ MX 10 mx',
              `mx A ${ADDRESS}`,
              ...published.map((each) => `_${port}._tcp.mx TLSA 3 1 1 ${each}`),
            ],
          },
        },
        expected: { status: 'deferred', because: 'no mail is sent here' } as const,
      });
      internet = await startInternet([
        zone('postfix.example', digests.rsa, digests.ecdsa),
        zone('rsa-only.example', digests.rsa),
      ]);
      await writeFile(file('root.ds'), internet.trustAnchors.join('\n'));
      const { resolver } = internet;
      options = ['--resolver', `${resolver.address}#${resolver.port}`, '--trust-anchor', file('root.ds')];
      options.push('--dns-port', String(internet.dnsPort), '--port', String(port));
    });
    afterAll(async () => {
      await postfix?.stop();
      await internet?.close();
      await removeFolder(postfixFolder);
    });

    test('shows both, and both match', async () => {
      const finished = await danelaw(['tlsa', 'verify', HOST, ...options, '--json']);
      expect(jsonOf(finished), finished.stderr).toMatchObject({ status: 'fine', findings: [] });
      const { shown } = JSON.parse(finished.stdout);
      expect(
        shown.map(({ kind, seen }: { kind: string; seen: object[] }) => `${kind} ${seen.length}`).sort(),
      ).toEqual(['ecdsa 4', 'rsa 4']);
    });

    test('is not right where only the RSA certificate is published', async () => {
      const finished = await danelaw(['tlsa', 'verify', 'mx.rsa-only.example', ...options, '--json']);
      expect(finished.code, finished.stderr).toBe(69);
      expect(JSON.parse(finished.stdout).findings).toMatchObject([
        { severity: 'error', code: 'tlsa-mismatch' },
      ]);
    });

    test('gives records for both', async () => {
      const { stdout } = await danelaw(['tlsa', 'create', HOST, ...options]);
      const digests = await Promise.all(
        (['rsa', 'ecdsa'] as const).map(async (kind) => digest('sha256', await spkiOf(kind))),
      );
      expect(
        stdout
          .trim()
          .split('\n')
          .map((line) => line.split(' ').at(-1))
          .sort(),
      ).toEqual(digests.sort());
    });
  });
});
