/**
 * Debian's four authoritative servers, each on an address of its own and all on one port, as one Internet has: NSD, BIND,
 * Knot, and PowerDNS, which signs what it serves while it serves it.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dnsPrograms } from '../interop/neighbours.js';
import { runOk } from '../interop/run.js';
import { type ServerProcess, startServer } from '../interop/server-process.js';
import { ask } from './ask.js';
import type { Algorithm, Server, SigningPlan } from './zone-plan.js';

/** On loopback every address of 127.0.0.0/8 is there; but BIND listens only on those that the interface is said to have. */
export const ADDRESSES: Readonly<Record<Server, string>> = {
  nsd: '127.0.0.2',
  bind: '127.0.0.1',
  knot: '127.0.0.4',
  powerdns: '127.0.0.5',
};

export interface ServedFile {
  readonly origin: string;
  /** The zone's file. */
  readonly file: string;
}

interface Place {
  readonly zones: readonly ServedFile[];
  readonly port: number;
  readonly folder: string;
}

export async function startAuthority(server: Server, place: Place): Promise<ServerProcess> {
  await mkdir(place.folder, { recursive: true });
  switch (server) {
    case 'nsd':
      return startNsd(place);
    case 'bind':
      return startNamed(place);
    case 'knot':
      return startKnot(place);
    case 'powerdns':
      return startPowerDns(place);
  }
}

/** Ready when it answers for a zone that it has. */
function isServing(server: Server, { zones, port }: Place): () => Promise<void> {
  const name = zones[0]?.origin ?? '.';
  return async () => {
    const reply = await ask({ address: ADDRESSES[server], port }, { name, type: 'SOA' }, { rd: false });
    if (reply.rcode !== 0) throw new Error(`rcode ${reply.rcode} for ${name}`);
  };
}

async function startNsd(place: Place): Promise<ServerProcess> {
  const { zones, port, folder } = place;
  const configuration = join(folder, 'nsd.conf');
  const clauses = zones.map(({ origin, file }) => `zone:\n  name: "${origin}"\n  zonefile: "${file}"\n`);
  // rrl-ratelimit: everything here comes from one address, and that is no flood.
  await writeFile(
    configuration,
    `server:
  ip-address: ${ADDRESSES.nsd}@${port}
  username: ""
  zonesdir: "${folder}"
  database: ""
  pidfile: "${folder}/nsd.pid"
  xfrdfile: "${folder}/xfrd.state"
  zonelistfile: "${folder}/zone.list"
  xfrdir: "${folder}"
  server-count: 1
  rrl-ratelimit: 0
  verbosity: 1
remote-control:
  control-enable: no
${clauses.join('')}`,
  );
  return startServer({
    name: 'NSD',
    program: dnsPrograms.nsd,
    args: ['-d', '-c', configuration],
    ready: isServing('nsd', place),
  });
}

async function startNamed(place: Place): Promise<ServerProcess> {
  const { zones, port, folder } = place;
  const configuration = join(folder, 'named.conf');
  const clauses = zones.map(({ origin, file }) => `zone "${origin}" { type primary; file "${file}"; };\n`);
  await writeFile(
    configuration,
    `options {
  directory "${folder}";
  pid-file "${folder}/named.pid";
  session-keyfile "${folder}/session.key";
  lock-file none;
  listen-on port ${port} { ${ADDRESSES.bind}; };
  listen-on-v6 { none; };
  recursion no;
  dnssec-validation no;
  notify no;
  check-names primary ignore;
  check-integrity no;
  querylog no;
};
controls { };
${clauses.join('')}`,
  );
  return startServer({
    name: 'BIND',
    program: dnsPrograms.named,
    args: ['-g', '-n', '1', '-c', configuration],
    ready: isServing('bind', place),
  });
}

async function startKnot(place: Place): Promise<ServerProcess> {
  const { zones, port, folder } = place;
  const configuration = join(folder, 'knot.conf');
  const clauses = zones.map(({ origin, file }) => `  - domain: "${origin}"\n    file: "${file}"\n`);
  await writeFile(
    configuration,
    `server:
  listen: ${ADDRESSES.knot}@${port}
  rundir: "${folder}"
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: "${folder}/db"
log:
  - target: stderr
    any: warning
template:
  - id: default
    storage: "${folder}"
    semantic-checks: off
    journal-content: none
    zonefile-sync: -1
zone:
${clauses.join('')}`,
  );
  return startServer({
    name: 'Knot',
    program: dnsPrograms.knotd,
    args: ['-c', configuration],
    ready: isServing('knot', place),
  });
}

/** The folder holds `pdns.conf`, zones and keys from `preparePowerDns`. */
async function startPowerDns(place: Place): Promise<ServerProcess> {
  return startServer({
    name: 'PowerDNS',
    program: dnsPrograms.pdnsServer,
    args: [`--config-dir=${place.folder}`],
    ready: isServing('powerdns', place),
  });
}

export interface LiveZone extends ServedFile {
  readonly signing: SigningPlan | 'unsigned';
}

const PDNS_ALGORITHM: Readonly<Record<Algorithm, readonly string[]>> = {
  RSASHA1: ['2048', 'rsasha1'],
  NSEC3RSASHA1: ['2048', 'rsasha1-nsec3-sha1'],
  RSASHA256: ['2048', 'rsasha256'],
  RSASHA512: ['2048', 'rsasha512'],
  ECDSAP256SHA256: ['ecdsa256'],
  ECDSAP384SHA384: ['ecdsa384'],
  ED25519: ['ed25519'],
  ED448: ['ed448'],
};

/**
 * Writes PowerDNS's configuration, and gives its zones keys.
 * @returns by origin, the DS records of each signed zone, one of each digest type
 */
export async function preparePowerDns({
  zones,
  port,
  folder,
}: Omit<Place, 'zones'> & { readonly zones: readonly LiveZone[] }): Promise<Map<string, string[]>> {
  await mkdir(folder, { recursive: true });
  const clauses = zones.map(({ origin, file }) => `zone "${origin}" { type master; file "${file}"; };\n`);
  await writeFile(join(folder, 'bind.conf'), clauses.join(''));
  await writeFile(
    join(folder, 'pdns.conf'),
    `launch=bind
bind-config=${folder}/bind.conf
bind-dnssec-db=${folder}/dnssec.db
local-address=${ADDRESSES.powerdns}
local-port=${port}
socket-dir=${folder}
daemon=no
guardian=no
disable-syslog=yes
setuid=
setgid=
loglevel=3
dname-processing=yes
`,
  );
  const pdnsutil = (...args: string[]) =>
    runOk(dnsPrograms.pdnsutil, [`--config-dir=${folder}`, ...args], { cwd: folder });
  await pdnsutil('create-bind-db', join(folder, 'dnssec.db'));
  const published = new Map<string, string[]>();
  for (const { origin, signing } of zones) {
    if (signing === 'unsigned') continue;
    const { denial, keys } = signing;
    const algorithm = PDNS_ALGORITHM[signing.algorithm];
    // A lone key-signing key signs everything.
    for (const role of keys === 'one' ? ['ksk'] : ['ksk', 'zsk']) {
      await pdnsutil('add-zone-key', origin, role, 'active', ...algorithm);
    }
    if (denial.kind === 'nsec3') {
      const salt = denial.salt === 0 ? '-' : 'C0FFEE0123456789'.repeat(2).slice(0, denial.salt * 2);
      const parameters = `1 ${denial.optOut ? 1 : 0} ${denial.iterations} ${salt}`;
      await pdnsutil('set-nsec3', origin, parameters, ...(denial.narrow === true ? ['narrow'] : []));
    }
    const printed = await pdnsutil('export-zone-ds', origin);
    published.set(
      origin,
      printed
        .trim()
        .split('\n')
        .filter((line) => line.includes(' DS ')),
    );
  }
  return published;
}
