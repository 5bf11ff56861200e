/**
 * Signs one zone with `ldns-signzone`, `dnssec-signzone` or `kzonesign`. Each has its own order, its own NSEC3 choices, its
 * own use of key-signing and zone-signing keys.
 */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dnsPrograms } from '../interop/neighbours.js';
import { runOk } from '../interop/run.js';
import type { KeyPool } from './key-pool.js';
import type { Algorithm, SigningPlan, Validity } from './zone-plan.js';

interface SigningTask {
  readonly origin: string;
  readonly plan: SigningPlan;
  /** The unsigned zone. */
  readonly file: string;
  readonly signed: string;
  /** For this zone alone. */
  readonly folder: string;
  readonly keys: KeyPool;
}

const MINUTE = 60;
const HOUR = 3600;
const DAY = 24 * HOUR;

/** Seconds from now at which signatures begin and end. */
const VALIDITY: Readonly<Record<Validity, readonly [number, number]>> = {
  now: [-HOUR, 28 * DAY],
  past: [-35 * DAY, -7 * DAY],
  future: [7 * DAY, 35 * DAY],
  'just-expired': [-10 * DAY, -10 * MINUTE],
};

export async function signZone(task: SigningTask): Promise<void> {
  switch (task.plan.signer) {
    case 'ldns':
      return signWithLdns(task);
    case 'bind':
      return signWithBind(task);
    case 'knot':
      return signWithKnot(task);
    case 'powerdns':
      throw new Error(`${task.origin}: PowerDNS signs what it serves by itself`);
  }
}

async function signWithLdns(task: SigningTask): Promise<void> {
  const { plan, origin, file, signed, folder } = task;
  const { denial } = plan;
  const [inception, expiration] = validity(plan);
  const keys = await placeKeys(task);
  const nsec3 =
    denial.kind === 'nsec'
      ? []
      : [
          ...['-n', '-t', String(denial.iterations)],
          ...(denial.salt > 0 ? ['-s', saltOf(denial.salt)] : []),
          ...(denial.optOut ? ['-p'] : []),
        ];
  await runOk(
    dnsPrograms.ldnsSignzone,
    [
      ...['-o', origin, '-f', signed, '-i', String(inception), '-e', String(expiration)],
      ...[...nsec3, file, ...keys],
    ],
    { cwd: folder },
  );
}

async function signWithBind(task: SigningTask): Promise<void> {
  const { plan, origin, file, signed, folder } = task;
  const { denial } = plan;
  const [inception, expiration] = validity(plan);
  await placeKeys(task);
  const salt = denial.kind === 'nsec3' && denial.salt > 0 ? saltOf(denial.salt) : '-';
  await runOk(
    dnsPrograms.dnssecSignzone,
    [
      // Smart signing finds the keys by the zone's name; one record a line; no check afterwards (it refuses expired ones).
      ...['-q', '-S', '-P', '-K', folder, '-O', 'full', '-o', origin, '-f', signed],
      ...['-s', bindTime(inception), '-e', bindTime(expiration), plan.keys === 'two' ? '-x' : '-z'],
      ...(denial.kind === 'nsec' ? [] : ['-3', salt, '-H', String(denial.iterations)]),
      ...(denial.kind === 'nsec3' && denial.optOut ? ['-A'] : []),
      file,
    ],
    { cwd: folder },
  );
}

const KNOT_ALGORITHM: Readonly<Record<Algorithm, string>> = {
  RSASHA1: 'rsasha1',
  NSEC3RSASHA1: 'rsasha1-nsec3-sha1',
  RSASHA256: 'rsasha256',
  RSASHA512: 'rsasha512',
  ECDSAP256SHA256: 'ecdsap256sha256',
  ECDSAP384SHA384: 'ecdsap384sha384',
  ED25519: 'ed25519',
  ED448: 'ed448',
};

/** Knot makes its keys by itself. It counts from the time that it is told: a past one gives signatures of the past. */
async function signWithKnot({ plan, origin, file, signed, folder }: SigningTask): Promise<void> {
  const { denial } = plan;
  const [inception, expiration] = validity(plan);
  const output = join(folder, 'signed');
  await mkdir(output, { recursive: true });
  await mkdir(join(folder, 'kasp'), { recursive: true });
  const nsec3 =
    denial.kind === 'nsec'
      ? ''
      : `
    nsec3: on
    nsec3-opt-out: ${denial.optOut ? 'on' : 'off'}
    nsec3-iterations: ${denial.iterations}
    nsec3-salt-length: ${denial.salt}`;
  const configuration = join(folder, 'knot.conf');
  const apex = origin === '.' ? '.' : `${origin}.`;
  await writeFile(
    configuration,
    `database:
    storage: "${folder}/kasp"
policy:
  - id: only
    algorithm: ${KNOT_ALGORITHM[plan.algorithm]}
    single-type-signing: ${plan.keys === 'one' ? 'on' : 'off'}
    rrsig-lifetime: ${expiration - inception}
    zsk-lifetime: 0
    cds-cdnskey-publish: none${nsec3}
zone:
  - domain: "${apex}"
    file: "${file}"
    dnssec-signing: on
    dnssec-policy: only
`,
  );
  // It dates signatures back by another ninety minutes by itself; they end a lifetime after the time that it is told.
  const time = plan.validity === 'now' ? [] : ['-t', String(inception)];
  await runOk(dnsPrograms.kzonesign, ['-c', configuration, '-o', output, ...time, origin], { cwd: folder });
  await rename(join(output, file.slice(file.lastIndexOf('/') + 1)), signed);
}

async function placeKeys({ plan, origin, folder, keys }: SigningTask): Promise<string[]> {
  const ksk = await keys.place(plan.algorithm, 'ksk', origin, folder);
  return plan.keys === 'one' ? [ksk] : [ksk, await keys.place(plan.algorithm, 'zsk', origin, folder)];
}

/** Inception and expiration, in seconds since the epoch. */
function validity(plan: SigningPlan): [number, number] {
  const now = Math.floor(Date.now() / 1000);
  const [from, to] = VALIDITY[plan.validity];
  return [now + from, now + to];
}

/** `YYYYMMDDHHMMSS` in UTC. */
function bindTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(/\D/g, '').slice(0, 14);
}

function saltOf(octets: number): string {
  return 'C0FFEE0123456789'.repeat(2).slice(0, octets * 2);
}

/** DS records of a signed zone, by digest type, as ISC's tool computes them from its key-signing keys. */
export async function dsRecords(origin: string, signed: string): Promise<string[]> {
  const digests = ['SHA-1', 'SHA-256', 'SHA-384'].flatMap((digest) => ['-a', digest]);
  const printed = await runOk(dnsPrograms.dnssecDsFromKey, [...digests, '-f', signed, origin]);
  return printed.trim().split('\n');
}
