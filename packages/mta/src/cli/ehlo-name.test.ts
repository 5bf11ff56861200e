import type { NetworkInterfaceInfo } from 'node:os';
import { describe, expect, it } from 'vitest';
import { ehloName } from './ehlo-name.js';
import { CommandError } from './exit.js';

const common = { netmask: '', mac: '', cidr: null };
const loopback: NetworkInterfaceInfo = { ...common, family: 'IPv4', address: '127.0.0.1', internal: true };
const ipv4: NetworkInterfaceInfo = { ...common, family: 'IPv4', address: '192.0.2.7', internal: false };
const ipv6: NetworkInterfaceInfo = {
  ...common,
  family: 'IPv6',
  address: '2001:db8::7',
  internal: false,
  scopeid: 0,
};
const linkLocal: NetworkInterfaceInfo = {
  ...common,
  family: 'IPv6',
  address: 'fe80::7',
  internal: false,
  scopeid: 2,
};

describe('ehloName', () => {
  const rows: [what: string, name: string, addresses: NetworkInterfaceInfo[], ehlo: string][] = [
    ['the full name of the machine', 'Mail.Example.org', [loopback, ipv4], 'mail.example.org'],
    ['its address where the name has one label', 'laptop', [loopback, ipv6, ipv4], '[192.0.2.7]'],
    ['its IPv6 address where there is no other', 'laptop', [loopback, linkLocal, ipv6], '[IPv6:2001:db8::7]'],
    ['its address where the name is none', 'my_host.lan', [ipv4], '[192.0.2.7]'],
    ['loopback where there is no network', 'laptop', [loopback, linkLocal], '[127.0.0.1]'],
  ];
  it.each(rows)('is %s', (_, name, addresses, ehlo) => {
    expect(ehloName(undefined, { name, interfaces: { lo: addresses } })).toBe(ehlo);
  });

  it('is what was asked for, if that is a name or a literal', () => {
    expect(ehloName('mx.example.net')).toBe('mx.example.net');
    expect(ehloName('[192.0.2.1]')).toBe('[192.0.2.1]');
    expect(() => ehloName('a b')).toThrow(CommandError);
  });
});
