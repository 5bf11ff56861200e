/**
 * Zones signed by the lab, written as files for a name server: a root, one top-level domain, and zones under it.
 *
 * Signed in this process, as a thousand runs of a signing program take longer than all that is measured.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CLASS_IN, formatRdata, formatRecord, RRTYPE } from '@danelaw/dns';
import { parseZone, type Rrset, SignedZone } from '@danelaw/lab';
import { ADDRESSES, TOP } from '../dns/zones.js';

/** As `startNsd` takes it. */
export interface ZoneFile {
  readonly origin: string;
  readonly file: string;
  /** The record for the parent, and for validators where there is none. */
  readonly ds: string;
  /** Of the server. */
  readonly address: string;
}

export interface Leaf {
  readonly origin: string;
  /** Lines, relative to the origin. */
  readonly records: readonly string[];
}

/** @returns the root first */
export async function signZones(folder: string, leaves: readonly Leaf[]): Promise<readonly ZoneFile[]> {
  const signed = leaves.map(({ origin, records }) => sign(folder, origin, ADDRESSES.zones, records));
  const zones = await Promise.all(signed);
  const top = await sign(folder, TOP, ADDRESSES.top, zones.flatMap(delegation));
  const root = await sign(folder, '.', ADDRESSES.root, delegation(top));
  return [root, top, ...zones];
}

function delegation({ origin, address, ds }: ZoneFile): readonly string[] {
  return [`${origin}. NS ns.${origin}.`, `ns.${origin}. A ${address}`, ds];
}

/** With one key (P-256) and NSEC. */
async function sign(
  folder: string,
  origin: string,
  address: string,
  records: readonly string[],
): Promise<ZoneFile> {
  const own = ['@ SOA ns hostmaster 1 7200 900 1209600 3600', '@ NS ns', `ns A ${address}`];
  const zone = parseZone(origin, [...own, ...records]);
  const signed = new SignedZone(zone, { keys: 'csk' }, Date.now);
  const sets = zone.authoritativeNames().flatMap((name) => {
    const types = [...zone.authoritativeTypes(name), RRTYPE.NSEC];
    if (name.equals(zone.origin)) types.push(RRTYPE.DNSKEY);
    // The delegation itself is the child's, and not signed by its parent (RFC 4035 section 2.2).
    return types.flatMap((type) => {
      const set = signed.set(name, type);
      if (set === undefined) return [];
      return zone.isCut(name) && type === RRTYPE.NS ? [set] : [set, signatureOf(signed, set)];
    });
  });
  const file = join(folder, `${origin === '.' ? 'root' : origin}.zone`);
  const lines = [...sets.flatMap(textOf), ...glueIn(records)];
  await writeFile(file, `$ORIGIN ${zone.origin.toAbsolute()}\n${lines.join('\n')}\n`);
  const [ds = new Uint8Array()] = signed.dsRecords();
  return {
    origin,
    file,
    address,
    ds: `${zone.origin.toAbsolute()} 3600 IN DS ${formatRdata(RRTYPE.DS, ds)}`,
  };
}

const signatureOf = (zone: SignedZone, set: Rrset): Rrset => ({
  ...set,
  type: RRTYPE.RRSIG,
  rdatas: zone.signatures(set),
});

const textOf = ({ name, type, ttl, rdatas }: Rrset): readonly string[] =>
  rdatas.map((rdata) => formatRecord({ name, type, class: CLASS_IN, ttl, rdata }));

/** Addresses of name servers below a delegation are in the parent's file, and not its own. */
const glueIn = (records: readonly string[]): readonly string[] =>
  records.filter((line) => /^ns\.\S+\. A /u.test(line)).map((line) => line.replace(' A ', ' 3600 IN A '));
