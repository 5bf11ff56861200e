/**
 * The hooks of `packaging/hooks` in certbot, lego and dehydrated, with certificates from Pebble and a Postfix that is reloaded; and
 * acme.sh's, called as acme.sh does. What counts is what the server shows in the end, and that its records match it all the time.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { askCertificate } from '@danelaw/dane';
import { type Internet, startInternet } from '@danelaw/lab';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../packages/mta/test/free-port.js';
import {
  type AcmeClient,
  acmeSh,
  type ClientSurroundings,
  certbot,
  dehydrated,
  lego,
} from './acme-clients.js';
import { danelaw } from './danelaw.js';
import { makeFolder, removeFolder } from './folder.js';
import type { MailServer } from './mail-server.js';
import { acmePrograms, withNeighbours } from './neighbours.js';
import { type Pebble, startPebble } from './pebble.js';
import { startPostfix } from './postfix.js';
import type { Finished } from './run.js';

const PROGRAM = fileURLToPath(new URL('../packages/mta/bin/danelaw.js', import.meta.url));

/** What becomes of a hook that waits is each program's own affair: `waits` is the code that it ends with then. */
const CLIENTS = {
  certbot: { make: certbot, zone: 'certbot.example', address: '127.0.0.21', waits: 0 },
  lego: { make: lego, zone: 'lego.example', address: '127.0.0.22', waits: 75 },
  dehydrated: { make: dehydrated, zone: 'dehydrated.example', address: '127.0.0.23', waits: 0 },
  'acme.sh': { make: acmeSh, zone: 'acme-sh.example', address: '127.0.0.24', waits: 1 },
} as const;
type Name = keyof typeof CLIENTS;
const names: readonly Name[] = ['certbot', 'lego', 'dehydrated', 'acme.sh'];

withNeighbours(
  'hooks of programs that get certificates',
  () => {
    let folder: string;
    let pebble: Pebble;
    let postfix: MailServer;
    let internet: Internet;
    let dns: { dnsPort: number; resolverPort: number } | undefined;
    let port: number;
    let options: readonly string[];
    const clients = new Map<Name, AcmeClient>();
    /** Lines of each zone; TTL 0, so that nothing has to be waited for. */
    const published = new Map<Name, string[]>(names.map((name) => [name, []]));

    const at = (...path: readonly string[]): string => join(folder, ...path);
    const hostOf = (name: Name): string => `mx.${CLIENTS[name].zone}`;
    const clientOf = (name: Name): AcmeClient => {
      const client = clients.get(name);
      if (client === undefined) throw new Error(`no ${name}`);
      return client;
    };
    const said = ({ stdout, stderr }: Finished): string => stdout + stderr;

    /** The lab's zones are made at start: a zone that changes is another Internet at the same ports. */
    async function publish(): Promise<void> {
      await internet?.close();
      internet = await startInternet(
        names.map((name) => ({
          domain: CLIENTS[name].zone,
          shows: 'a certificate that is renewed',
          rule: 'RFC 7671 section 8.1',
          zones: {
            [CLIENTS[name].zone]: {
              records: ['@ MX 10 mx', `mx A ${CLIENTS[name].address}`, ...(published.get(name) ?? [])],
            },
          },
          expected: { status: 'deferred', because: 'no mail is sent here' } as const,
        })),
        dns,
      );
      dns = { dnsPort: internet.dnsPort, resolverPort: internet.resolver.port };
      await writeFile(at('root.ds'), internet.trustAnchors.join('\n'));
    }

    beforeAll(async () => {
      folder = await makeFolder('hooks');
      port = await freePort();
      await Promise.all(['deploy', 'tls', 'pebble', 'postfix', ...names].map((each) => mkdir(at(each))));
      await publish();
      const { address, port: resolverPort } = internet.resolver;
      options = [
        ...['--resolver', `${address}#${resolverPort}`, '--trust-anchor', at('root.ds')],
        ...['--dns-port', String(internet.dnsPort), '--port', String(port), '--starttls', 'smtp'],
      ];
      pebble = await startPebble(at('pebble'));
      postfix = await startPostfix({
        listeners: names.map((name) => ({
          address: CLIENTS[name].address,
          certificate: {
            ...{ keyFile: '', chainFile: '', daneEe: '', daneTa: '' },
            keyAndChainFile: at('tls', name, 'current/combined.pem'),
          },
        })),
        port,
        folder: at('postfix'),
      });
      await writeFile(at('danelaw'), `#!/bin/sh\nexec '${process.execPath}' '${PROGRAM}' "$@"\n`);
      await chmod(at('danelaw'), 0o755);
      for (const name of names) {
        await mkdir(at('deploy', name));
        const surroundings: ClientSurroundings = {
          ...{ host: hostOf(name), folder: at(name), pebble, configurations: at('deploy', name) },
        };
        await writeFile(
          at('deploy', name, `${hostOf(name)}.conf`),
          `to=${at('tls', name)}\nreload='kill -HUP ${postfix.pid}'\noptions='${options.join(' ')}'\ndanelaw=${at('danelaw')}\n`,
        );
        clients.set(name, CLIENTS[name].make(surroundings));
      }
    });
    afterAll(async () => {
      await Promise.all([postfix?.stop(), pebble?.stop(), internet?.close()]);
      await removeFolder(folder);
    });

    async function shown(name: Name): Promise<X509Certificate> {
      const { address } = CLIENTS[name];
      const asked = await askCertificate({
        ...{ version: 'TLSv1.3', signatures: 'any', serverName: hostOf(name), starttls: 'smtp' },
        ...{ address, port, timeout: 10_000 },
      });
      if (asked.status !== 'shown') throw new Error(`${asked.reason}\n${await postfix.log()}`);
      return new X509Certificate(asked.chain[0] ?? new Uint8Array());
    }
    const gotten = async (name: Name): Promise<X509Certificate> =>
      new X509Certificate(await readFile(clientOf(name).chainFile));
    const keyDigest = ({ publicKey }: X509Certificate): string =>
      createHash('sha256')
        .update(publicKey.export({ type: 'spki', format: 'der' }))
        .digest('hex');
    const recordOf = (certificate: X509Certificate): string => `TLSA 3 1 1 ${keyDigest(certificate)}`;
    const verified = async (name: Name): Promise<[number | null, string]> => {
      const finished = await danelaw(['tlsa', 'verify', hostOf(name), ...options]);
      return [finished.code, said(finished)];
    };

    describe('the first certificate, where there are no records yet', () => {
      test.concurrent.each(names)('goes to the server at once (%s)', async (name) => {
        const finished = await clientOf(name).issue();
        expect([finished.code, said(finished)]).toEqual([0, expect.stringContaining('shows it')]);
        expect((await shown(name)).fingerprint256).toBe((await gotten(name)).fingerprint256);
      });
    });

    describe('a renewal that keeps the key (RFC 7671 section 8.1)', () => {
      beforeAll(async () => {
        for (const name of names) {
          published.get(name)?.push(`_${port}._tcp.mx 0 ${recordOf(await gotten(name))}`);
        }
        await publish();
      });
      test.concurrent.each(names)(
        'goes to the server at once, and its record matches it (%s)',
        async (name) => {
          const before = await gotten(name);
          const finished = await clientOf(name).renew('kept');
          const after = await gotten(name);
          expect([finished.code, said(finished)]).toEqual([
            0,
            expect.stringContaining('key is the one in use'),
          ]);
          expect(after.fingerprint256).not.toBe(before.fingerprint256);
          expect(keyDigest(after)).toBe(keyDigest(before));
          expect((await shown(name)).fingerprint256).toBe(after.fingerprint256);
          expect(await verified(name)).toEqual([0, expect.stringContaining('matches what is shown')]);
        },
      );
    });

    describe('a renewal with a new key (RFC 7671 section 8.1)', () => {
      test.concurrent.each(names)(
        'waits, says what to publish, and leaves the server as it is (%s)',
        async (name) => {
          const before = await gotten(name);
          const finished = await clientOf(name).renew('new');
          const after = await gotten(name);
          expect(keyDigest(after)).not.toBe(keyDigest(before));
          const output = said(finished);
          expect([finished.code, output]).toEqual([
            CLIENTS[name].waits,
            expect.stringContaining('not deployed'),
          ]);
          expect(output).toContain(`_${port}._tcp.${hostOf(name)}. IN ${recordOf(after)}`);
          expect(output).toContain(`${name} keeps it`);
          expect((await shown(name)).fingerprint256).toBe(before.fingerprint256);
          expect((await verified(name))[0]).toBe(0);
        },
      );
    });

    describe('a new key whose record is not published yet (RFC 7671 section 8.1)', () => {
      test.concurrent.each(names)('still waits when it is asked again (%s)', async (name) => {
        const finished = await clientOf(name).again();
        expect(said(finished)).toContain('not deployed');
        expect((await shown(name)).fingerprint256).not.toBe((await gotten(name)).fingerprint256);
      });
    });

    describe('a new key whose record is published at last (RFC 7671 section 8.1)', () => {
      beforeAll(async () => {
        for (const name of names) {
          published.get(name)?.push(`_${port}._tcp.mx 0 ${recordOf(await gotten(name))}`);
        }
        await publish();
      });
      test.concurrent.each(names)('goes to the server by the next run (%s)', async (name) => {
        const finished = await clientOf(name).again();
        expect([finished.code, said(finished)]).toEqual([0, expect.stringContaining('shows it')]);
        expect((await shown(name)).fingerprint256).toBe((await gotten(name)).fingerprint256);
        expect((await verified(name))[0]).toBe(0);
        const later = await clientOf(name).again();
        expect([later.code, said(later)]).toEqual([0, expect.not.stringContaining('deployed')]);
      });
    });
  },
  acmePrograms,
);
