/** Unbound (NLnet Labs), the validating resolver that ours is compared with. */
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { dnsPrograms } from '../interop/neighbours.js';
import { type ServerProcess, startServer } from '../interop/server-process.js';
import { freePort } from '../packages/mta/test/free-port.js';
import { ask, type ServerAt } from './ask.js';

export interface Unbound extends ServerProcess, ServerAt {
  /** Forgets every record, message and key, and what it has found out about servers. */
  forget(): Promise<void>;
}

export interface UnboundOptions {
  /**
   * Where zones are served: a referral names an address but never a port. Unbound still asks for every DS and DNSKEY, and
   * proves every answer from the root's key down.
   */
  readonly stubs?: readonly (ServerAt & { readonly origin: string })[];
  /** A resolver that answers all questions. */
  readonly forwardTo?: ServerAt;
  readonly trustAnchorFile: string;
  readonly folder: string;
}

export async function startUnbound(options: UnboundOptions): Promise<Unbound> {
  const { folder } = options;
  await mkdir(folder, { recursive: true });
  const address = '127.0.0.1';
  const port = await freePort();
  const configuration = join(folder, 'unbound.conf');
  const control = join(folder, 'control');
  await writeFile(configuration, unboundConf(options, port, control));
  const server = await startServer({
    name: 'Unbound',
    program: dnsPrograms.unbound,
    args: ['-d', '-p', '-c', configuration],
    ready: async () => {
      await ask({ address, port }, { name: '.', type: 'SOA' });
    },
  });
  return { ...server, address, port, forget: () => forget(control) };
}

/**
 * Its defaults, which are what most of the world's validators are run with, except: no answers made of other answers'
 * denials (RFC 8198), as each question here is to be judged by what came for it.
 */
function unboundConf(options: UnboundOptions, port: number, control: string): string {
  const { stubs = [], forwardTo, trustAnchorFile, folder } = options;
  const clauses = stubs.map(
    ({ origin, address, port }) => `stub-zone:\n  name: "${origin}"\n  stub-addr: ${address}@${port}\n`,
  );
  if (forwardTo !== undefined) {
    clauses.push(
      `forward-zone:\n  name: "."\n  forward-addr: ${forwardTo.address}@${forwardTo.port}\n  forward-no-cache: no\n`,
    );
  }
  return `server:
  interface: 127.0.0.1
  port: ${port}
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
  aggressive-nsec: no
  ede: yes
remote-control:
  control-enable: yes
  control-interface: "${control}"
  control-use-cert: no
${clauses.join('')}`;
}

async function forget(control: string): Promise<void> {
  await command(control, 'flush_zone .');
  await command(control, 'flush_infra all');
}

/** One line of unbound-control's protocol. */
async function command(path: string, line: string): Promise<void> {
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect(path);
    let text = '';
    socket.once('error', reject);
    socket.on('data', (chunk) => {
      text += chunk.toString('utf8');
    });
    socket.once('close', () => resolve(text));
    socket.write(`UBCT1 ${line}\n`);
  });
  if (!answer.startsWith('ok')) throw new Error(`unbound-control ${line}: ${answer}`);
}
