/** Internet addresses: text to octets and back (RFC 1035 section 3.4.1, RFC 4291 section 2.2, RFC 5952 section 4). */
import { isIPv4, isIPv6 } from 'node:net';

/** Four octets; undefined where it is not dotted decimal. */
export function parseIpv4(text: string): Uint8Array | undefined {
  return isIPv4(text) ? Uint8Array.from(text.split('.'), Number) : undefined;
}

/** Sixteen octets; undefined where it is not an IPv6 address. A zone index (`%eth0`) is not part of an address. */
export function parseIpv6(text: string): Uint8Array | undefined {
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const octets = new Uint8Array(16);
  const [head = '', tail] = text.split('::', 2);
  octets.set(groups(head));
  if (tail !== undefined) {
    const end = groups(tail);
    octets.set(end, 16 - end.length);
  }
  return octets;
}

/** Octets of `2001:db8` or, with an IPv4 address at its end, `ffff:192.0.2.1`. */
function groups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

/** Of the four octets from `at` on. */
export function formatIpv4(octets: Uint8Array, at = 0): string {
  return `${octets[at] ?? 0}.${octets[at + 1] ?? 0}.${octets[at + 2] ?? 0}.${octets[at + 3] ?? 0}`;
}

/** RFC 5952 section 4, all groups in hexadecimal; of the sixteen octets from `at` on. */
export function formatIpv6(octets: Uint8Array, at = 0): string {
  const group = (i: number) => ((octets[at + 2 * i] ?? 0) << 8) | (octets[at + 2 * i + 1] ?? 0);
  let start = -1;
  let longest = 1;
  for (let i = 0; i < 8; ) {
    let length = 0;
    while (i + length < 8 && group(i + length) === 0) length++;
    if (length > longest) {
      start = i;
      longest = length;
    }
    i += Math.max(1, length);
  }
  let text = '';
  for (let i = 0; i < 8; i++) {
    if (i === start) {
      text += '::';
      i += longest - 1;
    } else {
      const isFirst = i === 0 || i === start + longest;
      text += isFirst ? group(i).toString(16) : `:${group(i).toString(16)}`;
    }
  }
  return text;
}

/** True for two spellings of one address; a zone index counts. */
export function sameAddress(a: string, b: string): boolean {
  if (a === b) return true;
  const [addressA = '', zoneA] = a.split('%', 2);
  const [addressB = '', zoneB] = b.split('%', 2);
  const octetsA = parseIpv6(addressA);
  const octetsB = parseIpv6(addressB);
  if (octetsA === undefined || octetsB === undefined) return false;
  return (
    formatIpv6(octetsA) === formatIpv6(octetsB) &&
    (zoneA === undefined || zoneB === undefined || zoneA === zoneB)
  );
}

/** True for addresses that never leave this machine: 127.0.0.0/8 (also as IPv4-mapped) and ::1. */
export function isLoopback(text: string): boolean {
  const v6 = parseIpv6(text);
  const v4 = v6 === undefined ? parseIpv4(text) : mappedIpv4(v6);
  if (v4 !== undefined) return v4[0] === 127;
  return v6?.every((octet, i) => octet === (i === 15 ? 1 : 0)) ?? false;
}

/** The IPv4 address in ::ffff:0:0/96 (RFC 4291 section 2.5.5.2). */
function mappedIpv4(v6: Uint8Array): Uint8Array | undefined {
  const isMapped = v6.subarray(0, 12).every((octet, i) => octet === (i < 10 ? 0 : 0xff));
  return isMapped ? v6.subarray(12) : undefined;
}
