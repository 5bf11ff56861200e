/**
 * What is delivered to: signed zones under one top-level domain, served by NSD, and mail servers in 127.0.0.0/8, each with
 * a key and a certificate of its own that its TLSA record (3 1 1) names.
 *
 *     busy.bench                     one domain on one host                          case a
 *     many0.bench ... many999.bench  1,000 domains whose MX is one of 20 hosts       case b
 *     own0.bench ... own999.bench    1,000 domains, each with a host of its own      cases c and d
 *     warm0.bench ...                the like, for messages that nobody measures
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { selfSigned, tlsaFor } from '@danelaw/lab';
import { startNsd } from '../dns/servers.js';
import { ADDRESSES, TOP } from '../dns/zones.js';
import { signZones } from './signed-zones.js';

const DOMAINS = 1000;
const SHARED_HOSTS = 20;
const WARM_DOMAINS = 1500;
const DAY = 86_400_000;

export interface MailInternet {
  readonly rootHintsFile: string;
  readonly trustAnchors: readonly string[];
  /** A zone that is there. */
  readonly known: string;
  /** The JSON file that the sink reads. */
  readonly hostsFile: string;
  readonly domains: Readonly<Record<'busy' | 'many' | 'own' | 'warm', readonly string[]>>;
  /** Of the name servers. */
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

interface Host {
  readonly address: string;
  readonly cert: string;
  readonly key: string;
  /** Data of its TLSA record. */
  readonly tlsa: string;
}

export async function startMailInternet(folder: string): Promise<MailInternet> {
  const busy = makeHost('127.20.0.100');
  const shared = numbers(SHARED_HOSTS).map((i) => makeHost(`127.20.1.${i + 1}`));
  const own = numbers(DOMAINS).map((i) => makeHost(`127.30.${i >> 7}.${(i & 127) + 1}`));
  const warm = numbers(WARM_DOMAINS).map((i) => makeHost(`127.31.${i >> 7}.${(i & 127) + 1}`));
  const hostsFile = join(folder, 'hosts.json');
  await writeFile(hostsFile, JSON.stringify([busy, ...shared, ...own, ...warm]));
  const leaves = [
    { origin: `busy.${TOP}`, records: ['@ MX 10 mail', ...recordsOf('mail', busy)] },
    { origin: `hosting.${TOP}`, records: shared.flatMap((host, i) => recordsOf(`mx${i}`, host)) },
    ...numbers(DOMAINS).map((i) => ({
      origin: `many${i}.${TOP}`,
      records: [`@ MX 10 mx${i % SHARED_HOSTS}.hosting.${TOP}.`],
    })),
    ...ownHosts('own', own),
    ...ownHosts('warm', warm),
  ];
  const zones = await signZones(folder, leaves);
  const nsd = await startNsd(folder, zones);
  return {
    rootHintsFile: `. 3600 IN NS ns.\nns. 3600 IN A ${ADDRESSES.root}\n`,
    trustAnchors: [zones[0]?.ds ?? ''],
    known: TOP,
    hostsFile,
    domains: {
      busy: [`busy.${TOP}`],
      many: numbers(DOMAINS).map((i) => `many${i}.${TOP}`),
      own: own.map((_, i) => `own${i}.${TOP}`),
      warm: warm.map((_, i) => `warm${i}.${TOP}`),
    },
    pids: nsd.pids.flatMap((pid) => pid ?? []),
    stop: nsd.stop,
  };
}

const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

function makeHost(address: string): Host {
  const now = Date.now();
  const validity = { notBefore: new Date(now - DAY), notAfter: new Date(now + 90 * DAY) };
  const leaf = selfSigned({ names: ['mail.test'], commonName: 'mail.test', validity });
  const { data } = tlsaFor(leaf, 3, 1, 1);
  return { address, cert: leaf.pem, key: leaf.keyPem, tlsa: `3 1 1 ${Buffer.from(data).toString('hex')}` };
}

const recordsOf = (name: string, { address, tlsa }: Host): readonly string[] => [
  `${name} A ${address}`,
  `_25._tcp.${name} TLSA ${tlsa}`,
];

const ownHosts = (kind: string, hosts: readonly Host[]) =>
  hosts.map((host, i) => ({
    origin: `${kind}${i}.${TOP}`,
    records: ['@ MX 10 mail', ...recordsOf('mail', host)],
  }));
