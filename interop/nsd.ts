/** NSD (NLnet Labs): the authoritative name server of every zone, on one loopback port. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../packages/mta/test/free-port.js';
import { answers } from './dig.js';
import { programs } from './neighbours.js';
import { type ServerProcess, startServer } from './server-process.js';
import type { ServedZone } from './signed-zone.js';

export interface Nsd extends ServerProcess {
  readonly port: number;
}

export async function startNsd(zones: readonly ServedZone[], folder: string): Promise<Nsd> {
  const port = await freePort();
  const configuration = join(folder, 'nsd.conf');
  await writeFile(configuration, nsdConf(zones, port, folder));
  const server = await startServer({
    name: 'NSD',
    program: programs.nsd,
    args: ['-d', '-c', configuration],
    ready: async () => {
      await answers({ port, name: '.', type: 'SOA' });
    },
  });
  return { ...server, port };
}

function nsdConf(zones: readonly ServedZone[], port: number, folder: string): string {
  const zoneClauses = zones.map(({ origin, file }) => `zone:\n  name: "${origin}"\n  zonefile: "${file}"\n`);
  // rrl-ratelimit: everything here comes from one address, and that is no flood.
  return `server:
  ip-address: 127.0.0.1@${port}
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
${zoneClauses.join('')}`;
}
