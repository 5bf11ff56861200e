/**
 * The DNS of the network in `namespaces.ts`: NSD has all zones, and three resolvers stand before it. One is honest (Unbound,
 * over UDP, TCP and TLS), one knows nothing of DNSSEC (PowerDNS Recursor with `dnssec=off`), one lies about every name
 * (Unbound with a zone that redirects all).
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, removeFolder } from './folder.js';
import { inside, makeNetwork, type Network } from './namespaces.js';
import { networkPrograms as programs } from './neighbours.js';
import { signAll } from './private-dns.js';
import { run, runOk } from './run.js';
import { type ServerProcess, startServer } from './server-process.js';
import type { ServedZone, ZonePlan } from './signed-zone.js';

export const ADDRESS = {
  /** NSD: the root and all zones. */
  authority: '198.51.100.53',
  /** Unbound; DNS over TLS at 853 as well. */
  honest: '198.51.100.10',
  /** PowerDNS Recursor without DNSSEC. */
  stripping: '198.51.100.11',
  /** Unbound that says 203.0.113.66 for every name. */
  lying: '198.51.100.12',
  /** Nobody. */
  dead: '198.51.100.99',
} as const;

export const LIE = '203.0.113.66';
/** The name in the honest resolver's certificate. */
export const DOT_NAME = 'dns.resolver.example';

export interface NamespaceDns {
  readonly network: Network;
  readonly trustAnchorFile: string;
  readonly rootHintsFile: string;
  /** Of the key of the honest resolver, Base64. */
  readonly pin: string;
  /** The honest resolver's certificate, self-signed: what Node is to trust beside the Web's roots. */
  readonly certificateFile: string;
  stop(): Promise<void>;
}

export async function startNamespaceDns(plans: readonly ZonePlan[]): Promise<NamespaceDns> {
  const folder = await makeFolder('ways-out');
  const started: { stop(): Promise<void> }[] = [];
  const network = await makeNetwork(Object.values(ADDRESS).filter((address) => address !== ADDRESS.dead));
  const stop = async () => {
    await Promise.all(started.map((server) => server.stop()));
    await network.remove();
    await removeFolder(folder);
  };
  try {
    const zones = await signAll(
      plans.map((plan) => ({ ...plan, nameServer: ADDRESS.authority })),
      folder,
    );
    const trustAnchorFile = await write(folder, 'root.anchor', `${(zones.get('.')?.ds ?? []).join('\n')}\n`);
    const hints = `. 3600 IN NS ns.\nns. 3600 IN A ${ADDRESS.authority}\n`;
    const rootHintsFile = await write(folder, 'root.hints', hints);
    const files = { folder, trustAnchorFile, rootHintsFile, ...(await makeCertificate(folder)) };
    started.push(await startNsd(network, [...zones.values()], folder));
    started.push(await startHonest(network, files), await startLying(network, folder));
    started.push(await startStripping(network, files));
    const { certificateFile, pin } = files;
    return { network, trustAnchorFile, rootHintsFile, certificateFile, pin, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Files {
  readonly folder: string;
  readonly trustAnchorFile: string;
  readonly rootHintsFile: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly pin: string;
}

async function makeCertificate(folder: string): Promise<Pick<Files, 'certificateFile' | 'keyFile' | 'pin'>> {
  const [certificateFile, keyFile] = [join(folder, 'dot.pem'), join(folder, 'dot.key')];
  const { openssl } = programs;
  await runOk(openssl, [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30'],
    ...['-subj', `/CN=${DOT_NAME}`, '-addext', `subjectAltName=DNS:${DOT_NAME}`],
    ...['-keyout', keyFile, '-out', certificateFile],
  ]);
  // As RFC 7858, appendix A, and every guide to pins does it.
  const publicKey = `${openssl} x509 -in ${certificateFile} -noout -pubkey | ${openssl} pkey -pubin -outform der`;
  const pin = await runOk('/bin/sh', [
    '-c',
    `${publicKey} | ${openssl} dgst -sha256 -binary | ${openssl} base64`,
  ]);
  return { certificateFile, keyFile, pin: pin.trim() };
}

function startNsd(network: Network, zones: readonly ServedZone[], folder: string): Promise<ServerProcess> {
  const zoneClauses = zones.map(({ origin, file }) => `zone:\n  name: "${origin}"\n  zonefile: "${file}"\n`);
  const configuration = `server:
  ip-address: ${ADDRESS.authority}
  username: ""
  zonesdir: "${folder}"
  database: ""
  pidfile: "${folder}/nsd.pid"
  xfrdfile: "${folder}/xfrd.state"
  zonelistfile: "${folder}/zone.list"
  xfrdir: "${folder}"
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
${zoneClauses.join('')}`;
  return start(network, folder, 'NSD', programs.nsd, configuration, ADDRESS.authority);
}

function startHonest(network: Network, files: Files): Promise<ServerProcess> {
  const configuration = `${unboundHead(ADDRESS.honest, files.folder)}
  interface: ${ADDRESS.honest}@853
  tls-service-key: "${files.keyFile}"
  tls-service-pem: "${files.certificateFile}"
  module-config: "validator iterator"
  root-hints: "${files.rootHintsFile}"
  trust-anchor-file: "${files.trustAnchorFile}"
remote-control:
  control-enable: no
`;
  return start(network, files.folder, 'Unbound', programs.unbound, configuration, ADDRESS.honest);
}

function startLying(network: Network, folder: string): Promise<ServerProcess> {
  const configuration = `${unboundHead(ADDRESS.lying, folder)}
  module-config: "iterator"
  local-zone: "." redirect
  local-data: ". 60 IN A ${LIE}"
  local-data: ". 60 IN MX 0 mx.attacker.example."
remote-control:
  control-enable: no
`;
  return start(network, folder, 'lying-unbound', programs.unbound, configuration, ADDRESS.lying);
}

function unboundHead(address: string, folder: string): string {
  return `server:
  interface: ${address}@53
  access-control: 0.0.0.0/0 allow
  do-ip6: no
  username: ""
  chroot: ""
  directory: "${folder}"
  pidfile: ""
  use-syslog: no
  logfile: ""
  num-threads: 1`;
}

async function startStripping(network: Network, { folder, rootHintsFile }: Files): Promise<ServerProcess> {
  const configuration = join(folder, 'recursor');
  await runOk('/bin/mkdir', [configuration]);
  await write(
    configuration,
    'recursor.conf',
    `local-address=${ADDRESS.stripping}
query-local-address=${ADDRESS.stripping}
allow-from=0.0.0.0/0
dont-query=
dnssec=off
hint-file=${rootHintsFile}
socket-dir=${configuration}
threads=1
disable-syslog=yes
setuid=
setgid=
security-poll-suffix=
`,
  );
  return startServer({
    name: 'PowerDNS Recursor',
    program: programs.ip,
    args: [
      ...inside(network.internet),
      programs.pdnsRecursor,
      `--config-dir=${configuration}`,
      '--daemon=no',
    ],
    ready: () => answersAt(network, ADDRESS.stripping),
  });
}

async function start(
  network: Network,
  folder: string,
  name: string,
  program: string,
  configuration: string,
  address: string,
): Promise<ServerProcess> {
  const file = await write(folder, `${name.toLowerCase()}.conf`, configuration);
  return startServer({
    name,
    program: programs.ip,
    args: [...inside(network.internet), program, '-d', '-c', file],
    ready: () => answersAt(network, address),
  });
}

/** Seen from the client, so that the way there is proved as well. */
async function answersAt({ client }: Network, address: string): Promise<void> {
  const dig = [programs.dig, `@${address}`, '+tries=1', '+time=2', '-q', '.', '-t', 'NS'];
  const { code, stdout } = await run(programs.ip, [...inside(client), ...dig]);
  if (code !== 0 || !stdout.includes('status: NOERROR'))
    throw new Error(`${address} does not answer: ${stdout}`);
}

async function write(folder: string, name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}
