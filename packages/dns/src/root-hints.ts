/**
 * Where iteration begins: names and addresses of the root servers (RFC 8109, RFC 1035 section 5.3.3's SBELT). They need not
 * be complete or current; one that answers gives the rest.
 */
import { parseRecords } from './master-file.js';
import { parseRdata } from './record.js';
import { RRTYPE } from './rrtype.js';
import { WireError } from './wire.js';

/** One address of a root server. */
export interface RootHint {
  readonly name: string;
  readonly address: string;
}

/**
 * Reads a root hints file (`named.root`): the addresses of the servers that its NS records of the root name.
 * @throws WireError where the text is malformed or holds no such address
 */
export function parseRootHints(text: string): RootHint[] {
  const records = parseRecords(text);
  const servers = new Set<string>();
  for (const record of records) {
    if (record.type !== RRTYPE.NS || !record.name.isRoot) continue;
    const data = parseRdata(record.type, record.rdata);
    if (data.type === 'NS') servers.add(data.target.key);
  }
  const hints: RootHint[] = [];
  for (const record of records) {
    if (!servers.has(record.name.key)) continue;
    const data = parseRdata(record.type, record.rdata);
    if (data.type === 'A' || data.type === 'AAAA')
      hints.push({ name: record.name.toString(), address: data.address });
  }
  if (hints.length === 0)
    throw new WireError('root hints hold no address of a server that an NS record of "." names');
  return hints;
}

/** InterNIC's named.root of 2024-04-18, from Debian's dns-root-data. */
export const ROOT_HINTS: readonly RootHint[] = [
  { name: 'a.root-servers.net', address: '198.41.0.4' },
  { name: 'a.root-servers.net', address: '2001:503:ba3e::2:30' },
  { name: 'b.root-servers.net', address: '170.247.170.2' },
  { name: 'b.root-servers.net', address: '2801:1b8:10::b' },
  { name: 'c.root-servers.net', address: '192.33.4.12' },
  { name: 'c.root-servers.net', address: '2001:500:2::c' },
  { name: 'd.root-servers.net', address: '199.7.91.13' },
  { name: 'd.root-servers.net', address: '2001:500:2d::d' },
  { name: 'e.root-servers.net', address: '192.203.230.10' },
  { name: 'e.root-servers.net', address: '2001:500:a8::e' },
  { name: 'f.root-servers.net', address: '192.5.5.241' },
  { name: 'f.root-servers.net', address: '2001:500:2f::f' },
  { name: 'g.root-servers.net', address: '192.112.36.4' },
  { name: 'g.root-servers.net', address: '2001:500:12::d0d' },
  { name: 'h.root-servers.net', address: '198.97.190.53' },
  { name: 'h.root-servers.net', address: '2001:500:1::53' },
  { name: 'i.root-servers.net', address: '192.36.148.17' },
  { name: 'i.root-servers.net', address: '2001:7fe::53' },
  { name: 'j.root-servers.net', address: '192.58.128.30' },
  { name: 'j.root-servers.net', address: '2001:503:c27::2:30' },
  { name: 'k.root-servers.net', address: '193.0.14.129' },
  { name: 'k.root-servers.net', address: '2001:7fd::1' },
  { name: 'l.root-servers.net', address: '199.7.83.42' },
  { name: 'l.root-servers.net', address: '2001:500:9f::42' },
  { name: 'm.root-servers.net', address: '202.12.27.33' },
  { name: 'm.root-servers.net', address: '2001:dc3::35' },
];
