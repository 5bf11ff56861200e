/**
 * One zone, signed by a tool that nobody here wrote: NLnet Labs' `ldns-signzone` or ISC's `dnssec-signzone`.
 *
 * Their output is what real name servers serve: each tool has its own order, its own NSEC3 choices, its own
 * use of key-signing and zone-signing keys. A validator that is right about both is right about most of what
 * is out there.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { programs } from './neighbours.js';
import { runOk } from './run.js';

/** A zone as a test declares it. */
export interface ZonePlan {
  /** Without trailing dot; `.` is the root. */
  readonly origin: string;
  /**
   * In presentation format, names relative to the origin. SOA, NS and the delegations of child zones are
   * added.
   */
  readonly records: string;
  readonly signing: Signing | 'unsigned';
  /** Address of the zone's name server. Default: 127.0.0.1. */
  readonly nameServer?: string;
}

export interface Signing {
  readonly signer: 'ldns' | 'bind';
  readonly algorithm: Algorithm;
  readonly denial: 'nsec' | 'nsec3' | 'nsec3-opt-out';
  /** Extra hash iterations of NSEC3; RFC 9276 says 0. */
  readonly iterations?: number;
  /** One key for everything, or a key-signing key and a zone-signing key. Default: one. */
  readonly keys?: 'one' | 'two';
  /** What the parent says about the keys. Default: `published`. */
  readonly ds?: 'published' | 'sha384' | 'none' | 'of-another-key';
  /** `expired`: signatures that ended a week ago. Default: valid for four weeks. */
  readonly validity?: 'valid' | 'expired';
  /** Types whose signatures are damaged after signing. */
  readonly damage?: readonly string[];
}

export type Algorithm =
  | 'RSASHA1'
  | 'RSASHA256'
  | 'RSASHA512'
  | 'ECDSAP256SHA256'
  | 'ECDSAP384SHA384'
  | 'ED25519'
  | 'ED448';

export interface ServedZone {
  readonly origin: string;
  /** The zone file as the name server reads it. */
  readonly file: string;
  readonly nameServer: string;
  /** DS records for the parent (or the trust anchor file), in presentation format. */
  readonly ds: readonly string[];
}

const HOUR = 3600;
const WEEK = 7 * 24 * HOUR;

/** Writes `plan`'s zone into `folder`, signs it there, and breaks it where the plan says so. */
export async function makeZone(plan: ZonePlan, delegations: string, folder: string): Promise<ServedZone> {
  const label = plan.origin === '.' ? 'root' : plan.origin;
  const file = join(folder, `${label}.zone`);
  await writeFile(file, zoneText(plan, delegations));
  const { nameServer = LOOPBACK } = plan;
  if (plan.signing === 'unsigned') return { origin: plan.origin, file, nameServer, ds: [] };

  const { signing, origin } = plan;
  const keys = await makeKeys(signing, origin, folder);
  const signed = `${file}.signed`;
  await (signing.signer === 'ldns' ? signWithLdns : signWithBind)(signing, origin, {
    file,
    signed,
    keys,
    folder,
  });
  if (signing.damage) await damageSignatures(signed, signing.damage);

  const [ksk] = keys;
  const ds = ksk === undefined ? [] : await dsRecords(signing, origin, ksk, folder);
  return { origin, file: signed, nameServer, ds };
}

const LOOPBACK = '127.0.0.1';

/** SOA and NS are the same for every zone: all of them live on one name server. */
function zoneText({ origin, records, nameServer = LOOPBACK }: ZonePlan, delegations: string): string {
  const apex = origin === '.' ? '.' : `${origin}.`;
  return `$ORIGIN ${apex}
$TTL 300
@ IN SOA ns hostmaster 1 7200 3600 1209600 60
@ IN NS ns
ns IN A ${nameServer}
${records}
${delegations}
`;
}

/** The NS record, glue and DS records by which a parent delegates to a child. */
export function delegation({
  origin,
  nameServer,
  ds,
}: Pick<ServedZone, 'origin' | 'nameServer' | 'ds'>): string {
  return [`${origin}. IN NS ns.${origin}.`, `ns.${origin}. IN A ${nameServer}`, ...ds].join('\n');
}

/** Base names of the key files, the key that DS records point to first. */
async function makeKeys(signing: Signing, origin: string, folder: string): Promise<string[]> {
  const roles = signing.keys === 'two' ? (['ksk', 'zsk'] as const) : (['ksk'] as const);
  const keys: string[] = [];
  for (const role of roles) keys.push(await makeKey(signing, origin, role, folder));
  return keys;
}

async function makeKey(
  { signer, algorithm }: Signing,
  origin: string,
  role: 'ksk' | 'zsk',
  folder: string,
): Promise<string> {
  const bits = algorithm.startsWith('RSA') ? ['-b', '2048'] : [];
  const [program, args] =
    signer === 'ldns'
      ? [programs.ldnsKeygen, ['-a', algorithm, ...bits, ...(role === 'ksk' ? ['-k'] : [])]]
      : [programs.dnssecKeygen, ['-q', '-a', algorithm, ...bits, ...(role === 'ksk' ? ['-f', 'KSK'] : [])]];
  return (await runOk(program, [...args, origin], { cwd: folder })).trim();
}

interface SigningFiles {
  readonly file: string;
  readonly signed: string;
  readonly keys: readonly string[];
  readonly folder: string;
}

/** Inception and expiration, in seconds since the epoch. Unbound forgives clocks that are up to a day off. */
function validity(signing: Signing): [number, number] {
  const now = Math.floor(Date.now() / 1000);
  return signing.validity === 'expired' ? [now - 5 * WEEK, now - WEEK] : [now - HOUR, now + 4 * WEEK];
}

async function signWithLdns(signing: Signing, origin: string, files: SigningFiles): Promise<void> {
  const [inception, expiration] = validity(signing);
  const nsec3 = ['-n', '-t', String(signing.iterations ?? 0)];
  await runOk(
    programs.ldnsSignzone,
    [
      ...['-o', origin, '-f', files.signed, '-i', String(inception), '-e', String(expiration)],
      ...(signing.denial === 'nsec' ? [] : nsec3),
      ...(signing.denial === 'nsec3-opt-out' ? ['-p'] : []),
      files.file,
      ...files.keys,
    ],
    { cwd: files.folder },
  );
}

async function signWithBind(signing: Signing, origin: string, files: SigningFiles): Promise<void> {
  const [inception, expiration] = validity(signing);
  const nsec3 = ['-3', '-', '-H', String(signing.iterations ?? 0)];
  await runOk(
    programs.dnssecSignzone,
    [
      // Smart signing finds the keys by the zone's name; one record a line; no check afterwards (it refuses
      // expired ones).
      ...['-q', '-S', '-P', '-O', 'full', '-o', origin, '-f', files.signed],
      ...['-s', bindTime(inception), '-e', bindTime(expiration)],
      ...(signing.keys === 'two' ? ['-x'] : ['-z']),
      ...(signing.denial === 'nsec' ? [] : nsec3),
      ...(signing.denial === 'nsec3-opt-out' ? ['-A'] : []),
      files.file,
    ],
    { cwd: files.folder },
  );
}

/** `YYYYMMDDHHMMSS` in UTC. */
function bindTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(/\D/g, '').slice(0, 14);
}

async function dsRecords(signing: Signing, origin: string, key: string, folder: string): Promise<string[]> {
  if (signing.ds === 'none') return [];
  const published = signing.ds === 'of-another-key' ? await makeKey(signing, origin, 'ksk', folder) : key;
  const sha384 = signing.ds === 'sha384';
  const printed =
    signing.signer === 'ldns'
      ? await runOk(programs.ldnsKeyToDs, ['-n', sha384 ? '-4' : '-2', `${published}.key`], { cwd: folder })
      : await runOk(programs.dnssecDsFromKey, ['-a', sha384 ? 'SHA-384' : 'SHA-256', published], {
          cwd: folder,
        });
  return printed.trim().split('\n');
}

/** Changes one bit in every signature over `types`: the records stay, their proof does not hold any more. */
async function damageSignatures(signedZone: string, types: readonly string[]): Promise<void> {
  const lines = (await readFile(signedZone, 'utf8')).split('\n');
  const damagedTypes = new Set<string>();
  const damaged = lines.map((line) => {
    const fields = line.split(/\s+/);
    const type = fields[3] === 'RRSIG' ? fields[4] : undefined;
    if (type === undefined || !types.includes(type)) return line;
    damagedTypes.add(type);
    return fields.map((field, index) => (index === SIGNATURE_FIELD ? flipBit(field) : field)).join(' ');
  });
  const untouched = types.filter((type) => !damagedTypes.has(type));
  if (untouched.length > 0)
    throw new Error(`${signedZone} has no signature over ${untouched.join(', ')} to damage`);
  await writeFile(signedZone, damaged.join('\n'));
}

/** owner ttl IN RRSIG type algorithm labels original-ttl expiration inception tag signer signature */
const SIGNATURE_FIELD = 12;

function flipBit(base64: string): string {
  const bytes = Buffer.from(base64, 'base64');
  const middle = bytes.length >> 1;
  bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle);
  return bytes.toString('base64');
}
