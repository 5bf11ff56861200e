import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressOctets, clientKey, contains, isLoopback, type Network, parseNetwork } from './network.js';

const long = Number(process.env['DANELAW_FUZZ'] ?? 0);
const runs = long > 0 ? { numRuns: long } : { numRuns: 1_000, seed: 4632 };
const timeout = long > 0 ? long * 5 : 30_000;

function network(text: string): Network {
  const parsed = parseNetwork(text);
  if (typeof parsed === 'string') throw new Error(parsed);
  return parsed;
}

const holds = (text: string, address: string): boolean =>
  contains(network(text), addressOctets(address) ?? new Uint8Array());

describe('networks', () => {
  it.each<[string, string, string, boolean]>([
    ['an address within', '192.0.2.0/24', '192.0.2.77', true],
    ['the first address', '192.0.2.0/24', '192.0.2.0', true],
    ['the last address', '192.0.2.0/24', '192.0.2.255', true],
    ['the address behind it', '192.0.2.0/24', '192.0.3.0', false],
    ['a prefix within an octet, in', '10.16.0.0/12', '10.31.255.255', true],
    ['a prefix within an octet, out', '10.16.0.0/12', '10.32.0.0', false],
    ['a single address', '192.0.2.1', '192.0.2.1', true],
    ['another single address', '192.0.2.1', '192.0.2.2', false],
    ['everything', '0.0.0.0/0', '203.0.113.9', true],
    ['an address of the other family', '0.0.0.0/0', '2001:db8::1', false],
    ['IPv6', '2001:db8::/32', '2001:DB8:ffff::1', true],
    ['IPv6 outside', '2001:db8::/32', '2001:db9::1', false],
    ['IPv6 with a zone', 'fe80::/10', 'fe80::1%eth0', true],
    ['an IPv4 client as an IPv6 socket shows it', '127.0.0.0/8', '::ffff:127.0.0.1', true],
    ['the same in hexadecimal', '127.0.0.0/8', '::ffff:7f00:1', true],
    ['a mapped network', '::ffff:192.0.2.0/120', '192.0.2.9', true],
    ['a mapped network, from outside', '::ffff:192.0.2.0/120', '192.0.3.9', false],
    ['an embedded IPv4 address that is not mapped', '127.0.0.0/8', '::127.0.0.1', false],
  ])('%s', (_, text, address, expected) => {
    expect(holds(text, address)).toBe(expected);
  });

  it.each([
    ['nothing', ''],
    ['a name', 'localhost'],
    ['a prefix that is too long', '192.0.2.0/33'],
    ['an IPv6 prefix that is too long', '::/129'],
    ['a prefix with a sign', '192.0.2.0/+24'],
    ['a prefix with a leading zero', '192.0.2.0/024'],
    ['an empty prefix', '192.0.2.0/'],
    ['two prefixes', '192.0.2.0/24/24'],
    ['a netmask', '192.0.2.0/255.255.255.0'],
    ['an address in its network', '192.0.2.1/24'],
    ['octal digits', '192.0.02.1'],
    ['a zone', 'fe80::%eth0/64'],
    ['more than all of IPv4 as mapped', '::ffff:0:0/95'],
    ['blanks', ' 192.0.2.0/24'],
  ])('%s is no network', (_, text) => {
    expect(parseNetwork(text)).toBeTypeOf('string');
  });

  it('knows loopback', () => {
    expect(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'].every(isLoopback)).toBe(true);
    expect(['0.0.0.0', '::', '10.0.0.1', '::2', 'localhost'].some(isLoopback)).toBe(false);
  });

  it(
    'has all addresses in /0 and each address in its own network, whatever the prefix',
    () => {
      fc.assert(
        fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(128), (address, bits) => {
          const octets = addressOctets(address);
          if (octets === undefined) throw new Error(address);
          const prefix = Math.min(bits, octets.length * 8);
          const masked = octets.map((octet, index) => {
            const left = Math.max(0, Math.min(8, prefix - index * 8));
            return octet & ((0xff00 >> left) & 0xff);
          });
          expect(contains({ octets: masked, prefix }, octets)).toBe(true);
          if (prefix === 0) return;
          const other = Uint8Array.from(octets);
          const last = (prefix - 1) >> 3;
          other[last] = (other[last] ?? 0) ^ (0x80 >> ((prefix - 1) & 7));
          expect(contains({ octets: masked, prefix }, other)).toBe(false);
        }),
        runs,
      );
    },
    timeout,
  );

  it(
    'gives a network or a sentence, whatever comes',
    () => {
      const parts = fc.constantFrom(
        '192.0.2.0',
        '2001:db8::',
        '::ffff:',
        '/',
        '24',
        '%',
        '.',
        ':',
        '0',
        ' ',
        'x',
      );
      fc.assert(
        fc.property(fc.array(parts, { maxLength: 8 }), (pieces) => {
          const parsed = parseNetwork(pieces.join(''));
          if (typeof parsed !== 'string') expect(parsed.prefix).toBeLessThanOrEqual(parsed.octets.length * 8);
        }),
        runs,
      );
    },
    timeout,
  );
});

describe('who a client is', () => {
  it('is an IPv4 address, in either spelling', () => {
    expect(clientKey('::ffff:192.0.2.1')).toBe(clientKey('192.0.2.1'));
    expect(clientKey('192.0.2.2')).not.toBe(clientKey('192.0.2.1'));
  });

  it('is 64 bits of an IPv6 address', () => {
    expect(clientKey('2001:db8::1')).toBe(clientKey('2001:db8::ffff:1'));
    expect(clientKey('2001:db8:0:1::1')).not.toBe(clientKey('2001:db8::1'));
  });
});
