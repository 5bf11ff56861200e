/**
 * A signed Internet whose zones change: NSD has the root; BIND and Knot have a zone each, which they sign by
 * themselves and change when they are sent updates; and Unbound, at port 53, resolves it all, as mail servers
 * ask it.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../packages/mta/test/free-port.js';
import { answers } from './dig.js';
import { type DynamicZone, startBindZone, startKnotZone } from './dynamic-zone.js';
import { programs } from './neighbours.js';
import { startNsd } from './nsd.js';
import { startServer } from './server-process.js';
import { delegation, makeZone } from './signed-zone.js';

export interface RollingDns {
  readonly trustAnchorFile: string;
  /** Of the name servers of the zones. */
  readonly port: number;
  readonly bind: DynamicZone;
  readonly knot: DynamicZone;
  stop(): Promise<void>;
}

export interface RollingZone {
  readonly origin: string;
  readonly records: string;
}

/** Unbound's address; at port 53. */
export const ROLLING_RESOLVER = '127.9.0.63';
/** BIND listens at addresses of interfaces alone. */
const [BIND, KNOT] = ['127.0.0.1', '127.9.1.2'];

/** @param ttl seconds, of all records in the zones */
export async function startRollingDns(
  zones: { readonly bind: RollingZone; readonly knot: RollingZone },
  ttl: number,
  folder: string,
): Promise<RollingDns> {
  const started: { stop(): Promise<void> }[] = [];
  const stop = async () => {
    await Promise.all(started.map((server) => server.stop()));
  };
  const port = await freePort();
  const zone = async (
    start: typeof startBindZone,
    { origin, records }: RollingZone,
    address: string,
  ): Promise<DynamicZone> => {
    const own = join(folder, origin);
    await mkdir(own);
    const server = await start({
      ...{ origin, address, port, folder: own, ttl, records },
      changeable: ['_25._tcp.mx'],
    });
    started.push(server);
    return server;
  };
  try {
    const [bind, knot] = await Promise.all([
      zone(startBindZone, zones.bind, BIND),
      zone(startKnotZone, zones.knot, KNOT),
    ]);
    const delegations = [bind, knot].map(({ origin, address, ds }) =>
      delegation({ origin, nameServer: address, ds }),
    );
    const signing = { signer: 'ldns', algorithm: 'ECDSAP256SHA256', denial: 'nsec' } as const;
    const root = await makeZone({ origin: '.', records: '', signing }, delegations.join('\n'), folder);
    const trustAnchorFile = join(folder, 'root.anchor');
    await writeFile(trustAnchorFile, `${root.ds.join('\n')}\n`);
    const nsd = await startNsd([root], folder);
    started.push(nsd);
    started.push(await startUnbound(nsd.port, [bind, knot], trustAnchorFile, folder));
    return { trustAnchorFile, port, bind, knot, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startUnbound(
  rootPort: number,
  zones: readonly DynamicZone[],
  trustAnchorFile: string,
  folder: string,
) {
  const configuration = join(folder, 'unbound.conf');
  const stubs = [{ origin: '.', address: '127.0.0.1', port: rootPort }, ...zones].map(
    ({ origin, address, port }) => `stub-zone:\n  name: "${origin}"\n  stub-addr: ${address}@${port}\n`,
  );
  await writeFile(
    configuration,
    `server:
  interface: ${ROLLING_RESOLVER}
  port: 53
  do-ip6: no
  username: ""
  chroot: ""
  directory: "${folder}"
  pidfile: ""
  use-syslog: no
  logfile: ""
  num-threads: 1
  do-not-query-localhost: no
  module-config: "validator iterator"
  trust-anchor-file: "${trustAnchorFile}"
  val-log-level: 2
remote-control:
  control-enable: no
${stubs.join('')}`,
  );
  return await startServer({
    name: 'Unbound',
    program: programs.unbound,
    args: ['-d', '-p', '-c', configuration],
    ready: async () => {
      for (const { origin } of zones) {
        const { flags } = await answers(
          { address: ROLLING_RESOLVER, port: 53, name: origin, type: 'SOA' },
          '+adflag',
        );
        if (!flags.has('ad')) throw new Error(`${origin} is not secure`);
      }
    },
  });
}
