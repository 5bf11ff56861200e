import { isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatIpv6, isLoopback, parseIpv4, parseIpv6, sameAddress } from './address.js';

describe('addresses in text', () => {
  test('are read as octets exactly where Node calls them addresses, zone indexes apart', () => {
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.string({ unit: fc.constantFrom(...'0123456789abcdef:.%') }),
    );
    fc.assert(
      fc.property(text, (any) => {
        expect(parseIpv4(any) !== undefined).toBe(isIPv4(any));
        expect(parseIpv6(any) !== undefined).toBe(isIPv6(any) && !any.includes('%'));
      }),
      { numRuns: 2_000 },
    );
  });

  test('of IPv6 are printed in the form of RFC 5952 section 4, which is read back to the same octets', () => {
    const groups = fc.array(fc.constantFrom(0, 0, 0, 1, 0xff, 0xabcd), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(groups, (any) => {
        const octets = Uint8Array.from(any.flatMap((group) => [group >> 8, group & 0xff]));
        const text = formatIpv6(octets);
        expect(parseIpv6(text)).toEqual(octets);
        // The URL standard prints IPv6 addresses by the same rules; another implementation agrees.
        expect(`[${text}]`).toBe(new URL(`http://[${text}]/`).hostname);
      }),
    );
  });

  test.each([
    ['2001:db8::1', '2001:0DB8:0:0:0:0:0:1', true],
    ['fe80::1%eth0', 'fe80:0::1%eth0', true],
    ['fe80::1%eth0', 'fe80:0::1%eth1', false],
    ['192.0.2.1', '192.0.2.1', true],
    ['192.0.2.1', '192.0.2.2', false],
    ['192.0.2.1', '::ffff:192.0.2.1', false],
    ['2001:db8::1', '2001:db8::2', false],
  ])('%s and %s are the same: %s', (a, b, same) => {
    expect(sameAddress(a, b)).toBe(same);
    expect(sameAddress(b, a)).toBe(same);
  });

  test.each([
    ['127.0.0.1', true],
    ['127.255.0.9', true],
    ['::1', true],
    ['0:0:0:0:0:0:0:1', true],
    ['::ffff:127.0.0.1', true],
    ['128.0.0.1', false],
    ['::', false],
    ['::2', false],
    ['1::1', false],
    ['::ffff:192.0.2.127', false],
    ['::127.0.0.1', false],
    ['localhost', false],
    ['', false],
  ])('"%s" never leaves this machine: %s', (text, loopback) => {
    expect(isLoopback(text)).toBe(loopback);
  });
});
