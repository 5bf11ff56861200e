/**
 * Networks of clients: `192.0.2.0/24`, `2001:db8::/32`, or a single address.
 *
 * An IPv4 address that an IPv6 socket reports as `::ffff:192.0.2.1` is that IPv4 address (RFC 4291 section
 * 2.5.5.2), both as a client and in a network; otherwise a rule for one spelling would not hold for the
 * other.
 */
import { isIP, isIPv4, isIPv6 } from 'node:net';

export interface Network {
  /** 4 octets or 16; those behind the prefix are zero. */
  readonly octets: Uint8Array;
  /** Bits that count. */
  readonly prefix: number;
}

const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
const MAPPED_BITS = 96;

/** @returns 4 octets or 16; undefined where it is no address. A zone (`%eth0`) does not count. */
export function addressOctets(text: string): Uint8Array | undefined {
  const [address = ''] = text.split('%', 1);
  if (isIPv4(address)) return Uint8Array.from(address.split('.'), Number);
  if (!isIPv6(address)) return undefined;
  const octets = ipv6Octets(address);
  return MAPPED.every((octet, index) => octets[index] === octet) ? octets.subarray(12) : octets;
}

function ipv6Octets(text: string): Uint8Array {
  const octets = new Uint8Array(16);
  const [head = '', tail] = text.split('::', 2);
  octets.set(groupOctets(head));
  if (tail !== undefined) {
    const end = groupOctets(tail);
    octets.set(end, 16 - end.length);
  }
  return octets;
}

function groupOctets(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

/** @returns the network, or why `text` is none */
export function parseNetwork(text: string): Network | string {
  const [address = '', length, ...rest] = text.split('/');
  const octets = address.includes('%') ? undefined : addressOctets(address);
  if (octets === undefined || rest.length > 0)
    return `"${text}" is no address and no network like 192.0.2.0/24`;
  const writtenBits = isIP(address) === 4 ? 32 : 128;
  if (length !== undefined && (!/^(?:0|[1-9][0-9]{0,2})$/.test(length) || Number(length) > writtenBits)) {
    return `"${text}" has no prefix length between 0 and ${writtenBits}`;
  }
  const mapped = writtenBits === 128 && octets.length === 4;
  const prefix = Number(length ?? writtenBits) - (mapped ? MAPPED_BITS : 0);
  if (prefix < 0) return `"${text}" is wider than all of IPv4, in the notation of IPv6`;
  for (let bit = prefix; bit < octets.length * 8; bit++) {
    // An address within a network instead of the network's own is a slip in one of its two halves.
    if (bitOf(octets, bit)) return `"${text}" has bits behind its prefix; is the prefix length right?`;
  }
  return { octets, prefix };
}

const bitOf = (octets: Uint8Array, bit: number): boolean =>
  ((octets[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0;

export function contains(network: Network, address: Uint8Array): boolean {
  const { octets, prefix } = network;
  if (octets.length !== address.length) return false;
  const whole = prefix >> 3;
  for (let index = 0; index < whole; index++) if (octets[index] !== address[index]) return false;
  const rest = prefix & 7;
  if (rest === 0) return true;
  const mask = (0xff00 >> rest) & 0xff;
  return ((octets[whole] ?? 0) & mask) === ((address[whole] ?? 0) & mask);
}

/** True where every address of `inner` is one of `outer`. */
export const covers = (outer: Network, inner: Network): boolean =>
  outer.prefix <= inner.prefix && contains(outer, inner.octets);

/** For tables in the code, whose entries are right. */
function known(text: string): Network {
  const network = parseNetwork(text);
  if (typeof network === 'string') throw new TypeError(network);
  return network;
}

export const LOOPBACK: readonly Network[] = ['127.0.0.0/8', '::1'].map(known);

/** Nobody on the Internet has these addresses: RFC 1918, 6598, 3927 and 4193, RFC 4291 section 2.5.6. */
export const PRIVATE: readonly Network[] = [
  ...LOOPBACK,
  ...['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '169.254.0.0/16'].map(known),
  ...['fc00::/7', 'fe80::/10'].map(known),
];

export const isLoopback = (address: string): boolean => {
  const octets = addressOctets(address);
  return octets !== undefined && LOOPBACK.some((network) => contains(network, octets));
};

/**
 * Who a client is where clients are counted: an IPv4 address; of an IPv6 address the first 64 bits, for the
 * rest is chosen by the client itself (RFC 4291 section 2.5.1).
 */
export function clientKey(address: string): string {
  const octets = addressOctets(address);
  if (octets === undefined) return address;
  return octets.length === 4 ? octets.join('.') : Buffer.from(octets.subarray(0, 8)).toString('hex');
}
