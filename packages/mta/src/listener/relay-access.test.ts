import { describe, expect, it } from 'vitest';
import { openRelayProblem, RelayNetworks } from './relay-access.js';

const on = (host: string) => [{ protocol: 'smtp', host, port: 25 } as const];

describe('a configuration that would be an open relay', () => {
  it.each<[string, string, string]>([
    ['all of IPv4', '0.0.0.0', '0.0.0.0/0'],
    ['all of IPv6', '::', '::/0'],
    ['half of IPv4', '192.0.2.1', '128.0.0.0/1'],
    ['all of IPv4 as IPv6 has it', '::', '::ffff:0:0/96'],
    ['a public network of 16 million', '0.0.0.0', '11.0.0.0/8'],
    ['a private network, made too wide', '0.0.0.0', '10.0.0.0/7'],
    ['a public /15', '0.0.0.0', '198.18.0.0/15'],
    ['a large part of IPv6', '::', '2001::/16'],
    ['more than the private part of IPv6', '::', 'fc00::/6'],
  ])('%s', (_, host, text) => {
    expect(openRelayProblem({ addresses: on(host), networks: ['127.0.0.0/8', text] })).toContain(text);
  });

  it.each<[string, string, string[]]>([
    ['loopback', '0.0.0.0', ['127.0.0.0/8', '::1']],
    ['private networks', '0.0.0.0', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']],
    ['a site of public addresses', '0.0.0.0', ['198.51.100.0/24', '2001:db8::/32', '192.88.0.0/16']],
    ['everybody, where only this machine gets through', '127.0.0.1', ['0.0.0.0/0']],
    ['everybody, on IPv6 loopback', '::1', ['::/0']],
    ['nobody', '0.0.0.0', []],
  ])('is not: %s', (_, host, networks) => {
    expect(openRelayProblem({ addresses: on(host), networks })).toBeUndefined();
  });

  it('is used where it says in as many words that it is meant so', () => {
    const wanted = { addresses: on('0.0.0.0'), networks: ['0.0.0.0/0'], openRelay: true };
    expect(openRelayProblem(wanted)).toBeUndefined();
  });

  it('looks at every address that is listened on', () => {
    const addresses = [...on('127.0.0.1'), ...on('::')];
    expect(openRelayProblem({ addresses, networks: ['::/0'] })).toContain('::');
  });
});

describe('networks that may relay', () => {
  const networks = new RelayNetworks(['127.0.0.0/8', '2001:db8::/32']);

  it.each([
    ['127.0.0.1', true],
    ['::ffff:127.0.0.1', true],
    ['2001:db8::9', true],
    ['192.0.2.1', false],
    ['::1', false],
    ['', false],
    ['nonsense', false],
  ])('%s: %s', (client, expected) => {
    expect(networks.mayRelay(client)).toBe(expected);
  });

  it('refuses what is no network', () => {
    expect(() => new RelayNetworks(['192.0.2.1/8'])).toThrow(TypeError);
  });
});
