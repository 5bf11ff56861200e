/**
 * Unbound as a validating resolver at port 53, which starts at the root servers that it is told and asks
 * whoever they refer it to, as it would on the Internet. Name servers have to be at port 53: a referral has
 * no port in it.
 */
import { Resolver } from 'node:dns/promises';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Internet } from '@danelaw/lab';
import { programs } from './neighbours.js';
import { type ServerProcess, startServer } from './server-process.js';

/**
 * @param folder an empty one
 * @param known a zone that is there: once it is found, Unbound is ready
 */
export async function startIteratingUnbound(
  address: string,
  { rootHintsFile, trustAnchors }: Pick<Internet, 'rootHintsFile' | 'trustAnchors'>,
  folder: string,
  known = 'example',
): Promise<ServerProcess> {
  const [configuration, hints, anchor] = ['unbound.conf', 'root.hints', 'root.anchor'].map((name) =>
    join(folder, name),
  );
  if (configuration === undefined || hints === undefined || anchor === undefined)
    throw new TypeError('no names');
  await writeFile(hints, rootHintsFile);
  await writeFile(anchor, `${trustAnchors.join('\n')}\n`);
  await writeFile(configuration, unboundConf(address, hints, anchor, folder));
  const resolver = new Resolver({ timeout: 1_000, tries: 1 });
  resolver.setServers([address]);
  return await startServer({
    name: 'Unbound',
    program: programs.unbound,
    args: ['-d', '-p', '-c', configuration],
    ready: async () => {
      await resolver.resolveSoa(known);
    },
  });
}

const unboundConf = (address: string, hints: string, anchor: string, folder: string): string => `server:
  interface: ${address}
  port: 53
  do-ip6: no
  username: ""
  chroot: ""
  directory: "${folder}"
  use-syslog: no
  logfile: ""
  num-threads: 1
  do-not-query-localhost: no
  module-config: "validator iterator"
  root-hints: "${hints}"
  trust-anchor-file: "${anchor}"
  val-log-level: 2
remote-control:
  control-enable: no
`;
