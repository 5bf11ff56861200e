/**
 * The DNS that the bench asks: a root, one top-level domain, and under it zones that receive mail with DANE.
 *
 * Every zone has an ECDSA P-256 key of its own and is signed by NLnet Labs' `ldns-signzone` with NSEC. Each of the
 * three levels is served on an address of its own, so that resolvers are referred down as they are on the Internet.
 */
import { execFile } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Name } from '@danelaw/dns';

/** Of the servers: loopback, in a network namespace of the bench's own. */
export const ADDRESSES = { root: '127.0.1.1', top: '127.0.1.2', zones: '127.0.1.3' };
export const TOP = 'bench';
/** Programs that sign at one time: the machine has two cores. */
const SIGNERS = 2;
const TTL = 3_600;
const HOUR = 3_600;
/** Flags of a key that signs everything: zone key, secure entry point. */
const FLAGS = 257;
const ALGORITHM = 13;

const run = promisify(execFile);

/**
 * @typedef {{ origin: string, file: string, ds: string, address: string }} SignedZone
 *   `ds` is the record for the parent, in presentation format
 */

/**
 * @param {string} folder where key and zone files go
 * @param {number} count of the zones under the top-level domain
 * @param {number} hosts in each of these zones, besides its mail host: h0, h1, ... with A and TLSA in turn
 * @returns {Promise<SignedZone[]>} the root first
 */
export async function makeZones(folder, count, hosts) {
  const origins = zoneNames(count);
  /** @type {SignedZone[]} */
  const leaves = [];
  const entries = origins.entries();
  const signer = async () => {
    for (const [i, origin] of entries)
      leaves[i] = await sign(folder, origin, ADDRESSES.zones, mailRecords(hosts));
  };
  await Promise.all(Array.from({ length: SIGNERS }, signer));
  const top = await sign(folder, TOP, ADDRESSES.top, leaves.map(delegation).join('\n'));
  const root = await sign(folder, '.', ADDRESSES.root, delegation(top));
  return [root, top, ...leaves];
}

/** @param {number} count */
export function zoneNames(count) {
  return Array.from({ length: count }, (_, i) => `zone${i}.${TOP}`);
}

/** @param {number} hosts */
function mailRecords(hosts) {
  const others = Array.from({ length: hosts }, (_, i) => {
    const data = i % 2 === 0 ? `A 192.0.2.${i % 256}` : `TLSA 3 1 1 ${fingerprint(`host ${i}`)}`;
    return `h${i} IN ${data}`;
  });
  const mail = [
    '@ IN MX 10 mail',
    'mail IN A 192.0.2.25',
    `_25._tcp.mail IN TLSA 3 1 1 ${fingerprint('mail')}`,
  ];
  return [...mail, ...others].join('\n');
}

/** @param {string} text */
function fingerprint(text) {
  return createHash('sha256').update(text).digest('hex');
}

/** @param {SignedZone} child */
function delegation({ origin, address, ds }) {
  return `${origin}. IN NS ns.${origin}.\nns.${origin}. IN A ${address}\n${ds}`;
}

/**
 * @param {string} folder
 * @param {string} origin
 * @param {string} address
 * @param {string} records
 * @returns {Promise<SignedZone>}
 */
async function sign(folder, origin, address, records) {
  const apex = Name.parse(origin).toAbsolute();
  const file = join(folder, `${origin === '.' ? 'root' : origin}.zone`);
  const signed = `${file}.signed`;
  const key = makeKey(apex);
  await writeFile(
    file,
    `$ORIGIN ${apex}\n$TTL ${TTL}\n@ IN SOA ns hostmaster 1 7200 3600 1209600 3600\n@ IN NS ns\nns IN A ${address}\n${records}\n`,
  );
  await writeFile(`${file}.key`, key.record);
  await writeFile(`${file}.private`, key.secret);
  const now = Math.floor(Date.now() / 1000);
  const times = ['-i', String(now - HOUR), '-e', String(now + 24 * HOUR)];
  await run('ldns-signzone', [...times, '-o', origin, '-f', signed, file, file]);
  return { origin, file: signed, ds: key.ds, address };
}

/**
 * A key pair as `ldns-signzone` reads it. Made here: a thousand runs of `ldns-keygen` take as long as the bench.
 * @param {string} apex
 */
function makeKey(apex) {
  const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
  const octets = (/** @type {string | undefined} */ part) => Buffer.from(part ?? '', 'base64url');
  const point = Buffer.concat([octets(jwk.x), octets(jwk.y)]);
  const rdata = Buffer.concat([Buffer.of(FLAGS >> 8, FLAGS & 0xff, 3, ALGORITHM), point]);
  const digest = createHash('sha256').update(Name.parse(apex).canonical()).update(rdata).digest('hex');
  return {
    record: `${apex} ${TTL} IN DNSKEY ${FLAGS} 3 ${ALGORITHM} ${point.toString('base64')}\n`,
    secret: `Private-key-format: v1.2\nAlgorithm: ${ALGORITHM} (ECDSAP256SHA256)\nPrivateKey: ${octets(jwk.d).toString('base64')}\n`,
    ds: `${apex} ${TTL} IN DS ${keyTag(rdata)} ${ALGORITHM} 2 ${digest}`,
  };
}

/**
 * RFC 4034 appendix B.
 * @param {Buffer} rdata
 */
function keyTag(rdata) {
  let sum = 0;
  for (const [i, octet] of rdata.entries()) sum += i & 1 ? octet : octet << 8;
  return (sum + (sum >>> 16)) & 0xffff;
}
