/** RDATA of the lab's types from their presentation form. */
import { isIPv4, isIPv6 } from 'node:net';
import { concatBytes, Name, RRTYPE, WireError } from '@danelaw/dns';

export function parseRdataText(type: number, text: string): Uint8Array {
  const fields = text.split(/\s+/);
  const field = (i: number): string => {
    const value = fields[i];
    if (value === undefined) throw new WireError(`field ${i + 1} of the RDATA is missing`);
    return value;
  };
  const number = (i: number): number => {
    const value = Number(field(i));
    if (!Number.isInteger(value) || value < 0) throw new WireError(`"${field(i)}" is not a number`);
    return value;
  };
  const name = (i: number): Uint8Array => Name.parse(field(i)).wire;
  const u16 = (value: number): Uint8Array => Uint8Array.of((value >> 8) & 0xff, value & 0xff);
  const u32 = (value: number): Uint8Array => concatBytes([u16(Math.floor(value / 0x10000)), u16(value)]);
  const hex = (i: number): Uint8Array => Buffer.from(fields.slice(i).join(''), 'hex');
  if (field(0) === '\\#') return hex(2);
  switch (type) {
    case RRTYPE.A:
      if (!isIPv4(field(0))) throw new WireError(`"${field(0)}" is no IPv4 address`);
      return Uint8Array.from(field(0).split('.').map(Number));
    case RRTYPE.AAAA:
      return ipv6(field(0));
    case RRTYPE.NS:
    case RRTYPE.CNAME:
    case RRTYPE.DNAME:
    case RRTYPE.PTR:
      return name(0);
    case RRTYPE.SOA:
      return concatBytes([name(0), name(1), ...[2, 3, 4, 5, 6].map((i) => u32(number(i)))]);
    case RRTYPE.MX:
      return concatBytes([u16(number(0)), name(1)]);
    case RRTYPE.SRV:
      return concatBytes([u16(number(0)), u16(number(1)), u16(number(2)), name(3)]);
    case RRTYPE.TXT: {
      const strings = [...text.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '');
      return concatBytes(
        strings.flatMap((string) => [Uint8Array.of(string.length), Buffer.from(string, 'latin1')]),
      );
    }
    case RRTYPE.TLSA:
      return concatBytes([Uint8Array.of(number(0), number(1), number(2)), hex(3)]);
    case RRTYPE.DS:
      return concatBytes([u16(number(0)), Uint8Array.of(number(1), number(2)), hex(3)]);
    default:
      throw new WireError(`no presentation form for type ${type}; write it as \\# LENGTH HEX (RFC 3597)`);
  }
}

function ipv6(text: string): Uint8Array {
  if (!isIPv6(text) || text.includes('.') || text.includes('%'))
    throw new WireError(`"${text}" is no IPv6 address`);
  const [head = '', tail] = text.split('::');
  const groups = (part: string) =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const zeros = new Array<number>(8 - before.length - after.length).fill(0);
  return Uint8Array.from([...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 0xff]));
}
