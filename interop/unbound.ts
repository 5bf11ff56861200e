/** Unbound (NLnet Labs): the validating recursive resolver between danelaw and NSD. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../packages/mta/test/free-port.js';
import { answers } from './dig.js';
import { programs } from './neighbours.js';
import { type ServerProcess, startServer } from './server-process.js';

export interface Unbound extends ServerProcess {
  readonly port: number;
}

export interface UnboundOptions {
  /** Zones, all of them served by the name server at `authority`. */
  readonly origins: readonly string[];
  /** The port of the authoritative server on 127.0.0.1. */
  readonly authority: number;
  readonly trustAnchorFile: string;
  readonly folder: string;
}

export async function startUnbound(options: UnboundOptions): Promise<Unbound> {
  const port = await freePort();
  const configuration = join(options.folder, 'unbound.conf');
  await writeFile(configuration, unboundConf(options, port));
  const server = await startServer({
    name: 'Unbound',
    program: programs.unbound,
    args: ['-d', '-p', '-c', configuration],
    ready: async () => {
      await answers({ port, name: '.', type: 'SOA' });
    },
  });
  return { ...server, port };
}

/**
 * A referral names an address but never a port, so Unbound is told for each zone where it is served. It still
 * asks for every DS and DNSKEY, and proves every answer from the root's key down.
 */
function unboundConf({ origins, authority, trustAnchorFile, folder }: UnboundOptions, port: number): string {
  const stubs = origins.map(
    (origin) => `stub-zone:\n  name: "${origin}"\n  stub-addr: 127.0.0.1@${authority}\n`,
  );
  return `server:
  interface: 127.0.0.1
  port: ${port}
  do-ip6: no
  username: ""
  chroot: ""
  directory: "${folder}"
  use-syslog: no
  logfile: ""
  num-threads: 1
  do-not-query-localhost: no
  module-config: "validator iterator"
  trust-anchor-file: "${trustAnchorFile}"
  val-log-level: 2
  ede: yes
remote-control:
  control-enable: no
${stubs.join('')}`;
}
