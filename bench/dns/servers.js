/** NSD, which serves the zones, and Unbound, which is what our resolver is compared with. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createResolver } from '@danelaw/dns';
import { ADDRESSES } from './zones.js';

/** Of Unbound, on loopback. */
export const UNBOUND = { address: '127.0.0.1', port: 5353 };
const READY_MS = 30_000;

/** @typedef {{ pids: readonly (number | undefined)[], stop(): Promise<void> }} Running */

/**
 * Three of them, as a server that has parent and child would answer for the child and never refer.
 * @param {string} folder
 * @param {readonly import('./zones.js').SignedZone[]} zones
 * @returns {Promise<Running>}
 */
export async function startNsd(folder, zones) {
  const running = [];
  for (const [level, address] of Object.entries(ADDRESSES)) {
    const home = join(folder, `nsd-${level}`);
    const served = zones.filter((zone) => zone.address === address);
    await mkdir(home);
    await writeFile(join(home, 'nsd.conf'), nsdConf(home, address, served));
    const [first] = served;
    if (first === undefined) throw new Error(`nothing to serve on ${address}`);
    running.push(start('nsd', ['-d', '-c', join(home, 'nsd.conf')], `${address}#53`, first.origin));
  }
  const started = await Promise.all(running);
  const pids = started.flatMap((server) => server.pids);
  return { pids, stop: async () => void (await Promise.all(started.map((server) => server.stop()))) };
}

/**
 * @param {string} home
 * @param {string} address
 * @param {readonly import('./zones.js').SignedZone[]} zones
 */
function nsdConf(home, address, zones) {
  // rrl-ratelimit: all questions come from one address, and that is no flood.
  return `server:
  ip-address: ${address}
  port: 53
  username: ""
  zonesdir: "${home}"
  database: ""
  pidfile: "${home}/nsd.pid"
  xfrdfile: "${home}/xfrd.state"
  zonelistfile: "${home}/zone.list"
  xfrdir: "${home}"
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
${zones.map(({ origin, file }) => `zone:\n  name: "${origin}"\n  zonefile: "${file}"\n`).join('')}`;
}

/**
 * With an empty cache. Debian's defaults, one thread, and what it takes to work on loopback.
 * @param {string} folder
 * @param {string} trustAnchor DS record
 * @returns {Promise<Running>}
 */
export async function startUnbound(folder, trustAnchor) {
  const home = join(folder, 'unbound');
  await mkdir(home, { recursive: true });
  await writeFile(join(home, 'root.ds'), `${trustAnchor}\n`);
  await writeFile(join(home, 'root.hints'), `. 3600 IN NS ns.\nns. 3600 IN A ${ADDRESSES.root}\n`);
  const conf = `server:
  interface: ${UNBOUND.address}
  port: ${UNBOUND.port}
  do-ip6: no
  username: ""
  chroot: ""
  directory: "${home}"
  pidfile: ""
  use-syslog: no
  logfile: ""
  num-threads: 1
  do-not-query-localhost: no
  module-config: "validator iterator"
  root-hints: "${home}/root.hints"
  trust-anchor-file: "${home}/root.ds"
remote-control:
  control-enable: no
`;
  await writeFile(join(home, 'unbound.conf'), conf);
  const { address, port } = UNBOUND;
  return start('unbound', ['-d', '-p', '-c', join(home, 'unbound.conf')], `${address}#${port}`, '.');
}

/**
 * Starts a server in the foreground and waits until it answers for the SOA of a zone.
 * @param {string} program
 * @param {string[]} args
 * @param {string} upstream
 * @param {string} zone
 * @returns {Promise<Running>}
 */
async function start(program, args, upstream, zone) {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    log += text;
  });
  const gone = once(child, 'exit');
  // The group, since NSD is several processes.
  const stop = async () => {
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    await gone;
  };
  const giveUp = performance.now() + READY_MS;
  while (child.exitCode === null && performance.now() < giveUp) {
    const resolver = createResolver({ upstream, trust: 'ad' });
    const { status } = await resolver
      .resolve(zone, 'SOA', { signal: AbortSignal.timeout(500) })
      .catch(() => failed);
    await resolver.close();
    if (status === 'secure' || status === 'insecure') return { pids: [child.pid], stop };
    await sleep(20);
  }
  await stop();
  throw new Error(`${program} did not start: ${log}`);
}

const failed = /** @type {const} */ ({ status: 'indeterminate' });
