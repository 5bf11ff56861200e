/**
 * A zone that its name server signs by itself and changes when it is sent updates: BIND (`dnssec-policy`,
 * inline signing, `update-policy`) or Knot (automatic signing, `acl`), with a key as its own tool writes it.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { answers } from './dig.js';
import { updatePrograms as programs } from './neighbours.js';
import { runOk } from './run.js';
import { type ServerProcess, startServer } from './server-process.js';

export interface DynamicZoneOptions {
  /** Without a dot at the end. */
  readonly origin: string;
  /** Of the name server, in 127.0.0.0/8. */
  readonly address: string;
  readonly port: number;
  /** An empty one. */
  readonly folder: string;
  /** Seconds, of everything in it. */
  readonly ttl: number;
  /** In presentation format, names relative to the origin. */
  readonly records: string;
  /** Names whose TLSA records the key may change, without the origin. */
  readonly changeable: readonly string[];
}

export interface DynamicZone extends ServerProcess {
  readonly origin: string;
  readonly address: string;
  readonly port: number;
  /** As `tsig-keygen` or `keymgr -t` wrote it. */
  readonly keyFile: string;
  /** For the parent zone. */
  readonly ds: readonly string[];
}

export const UPDATE_KEY = 'update.key';

export async function startBindZone(options: DynamicZoneOptions): Promise<DynamicZone> {
  const { origin, address, port, folder, changeable } = options;
  const [keyFile, configuration] = [join(folder, 'update.key'), join(folder, 'named.conf')];
  await writeFile(keyFile, await runOk(programs.tsigKeygen, ['-a', 'hmac-sha256', UPDATE_KEY]), {
    mode: 0o600,
  });
  const zoneFile = await writeZone(options);
  const grants = changeable.map((name) => `grant ${UPDATE_KEY} name ${name}.${origin}. TLSA;`);
  await writeFile(
    configuration,
    `include "${keyFile}";
options {
  directory "${folder}";
  key-directory "${folder}";
  listen-on port ${port} { ${address}; };
  listen-on-v6 { none; };
  recursion no;
  dnssec-validation no;
  notify no;
  pid-file none;
  session-keyfile none;
};
controls { };
zone "${origin}" {
  type primary;
  file "${zoneFile}";
  dnssec-policy default;
  inline-signing yes;
  update-policy { ${grants.join(' ')} };
};
`,
  );
  return await startZone(options, keyFile, {
    name: 'BIND',
    program: programs.named,
    args: ['-g', '-n', '1', '-c', configuration],
  });
}

export async function startKnotZone(options: DynamicZoneOptions): Promise<DynamicZone> {
  const { origin, address, port, folder, changeable } = options;
  const [keyFile, configuration] = [join(folder, 'update.key'), join(folder, 'knot.conf')];
  await writeFile(keyFile, await runOk(programs.keymgr, ['-t', UPDATE_KEY, 'hmac-sha512']), { mode: 0o600 });
  const zoneFile = await writeZone(options);
  const names = changeable.map((name) => `${name}.${origin}.`);
  await writeFile(
    configuration,
    `server:
    rundir: "${folder}"
    listen: ${address}@${port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "${folder}"
${await readFile(keyFile, 'utf8')}
acl:
  - id: update
    key: ${UPDATE_KEY}
    action: update
    update-owner: name
    update-owner-match: equal
    update-owner-name: [${names.join(', ')}]
    update-type: [TLSA]
policy:
  - id: one-key
    single-type-signing: on
zone:
  - domain: ${origin}
    file: "${zoneFile}"
    storage: "${folder}"
    acl: update
    dnssec-signing: on
    dnssec-policy: one-key
    zonefile-sync: -1
    zonefile-load: difference
    journal-content: all
`,
  );
  return await startZone(options, keyFile, {
    name: 'Knot',
    program: programs.knotd,
    args: ['-c', configuration],
  });
}

interface Daemon {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
}

async function startZone(
  { origin, address, port }: DynamicZoneOptions,
  keyFile: string,
  daemon: Daemon,
): Promise<DynamicZone> {
  const server = await startServer({
    ...daemon,
    ready: async () => {
      const { answer } = await answers({ address, port, name: origin, type: 'SOA' }, '+dnssec');
      if (!answer.some((line) => line.includes('RRSIG'))) throw new Error('it is not signed yet');
    },
  });
  const keys = await answers({ address, port, name: origin, type: 'DNSKEY' });
  const printed = await runOk(programs.dnssecDsFromKey, ['-a', 'SHA-256', '-f', '-', origin], {
    input: `${keys.answer.join('\n')}\n`,
  });
  return { ...server, origin, address, port, keyFile, ds: printed.trim().split('\n') };
}

async function writeZone({ origin, address, folder, ttl, records }: DynamicZoneOptions): Promise<string> {
  const file = join(folder, 'zone');
  await writeFile(
    file,
    `$ORIGIN ${origin}.
$TTL ${ttl}
@ IN SOA ns hostmaster 1 7200 3600 1209600 ${ttl}
@ IN NS ns
ns IN A ${address}
${records}
`,
  );
  return file;
}
