import { describe, expect, it } from 'vitest';
import { MAX_MX_HOSTS, relayRoute, route } from './route.js';
import { type Fixed, fixedResolver, mx } from './testing/fixed-resolver.js';

const find = (answer: Fixed, random = () => 0.999) =>
  route(fixedResolver({ 'example.org MX': answer }), 'example.org', { random });
const hostsOf = (found: Awaited<ReturnType<typeof route>>): string[] =>
  found.status === 'hosts' ? found.hosts.map(({ host }) => host) : [];

describe('route', () => {
  it('sorts MX hosts by preference, whatever order they come in (RFC 5321 section 5.1)', async () => {
    const records = [mx(30, 'c.example.'), mx(10, 'a.example.'), mx(20, 'b.example.')];
    expect(hostsOf(await find({ records }))).toEqual(['a.example', 'b.example', 'c.example']);
  });

  it('mixes hosts of equal preference, and only those (RFC 5321 section 5.1)', async () => {
    const records = [mx(10, 'a.example.'), mx(10, 'b.example.'), mx(20, 'c.example.')];
    expect(hostsOf(await find({ records }, () => 0.999))).toEqual(['a.example', 'b.example', 'c.example']);
    expect(hostsOf(await find({ records }, () => 0))).toEqual(['b.example', 'a.example', 'c.example']);
  });

  it.each(['secure', 'insecure'] as const)('says how the list was learned: %s', async (status) => {
    expect(await find({ status, records: [mx(10, 'a.example.')] })).toMatchObject({ via: 'mx', mx: status });
  });

  it.each(['secure', 'insecure'] as const)(
    'takes the domain for its own server where MX is absent, %s',
    async (status) => {
      const hosts = [{ kind: 'name', host: 'example.org', port: 25 }];
      expect(await find({ status })).toMatchObject({
        status: 'hosts',
        via: 'implicit-mx',
        mx: status,
        hosts,
      });
    },
  );

  it.each(['secure', 'insecure'] as const)('reports a domain that does not exist, %s', async (status) => {
    expect(await find({ status, rcode: 'NXDOMAIN' })).toMatchObject({ status: 'no-such-domain', mx: status });
  });

  it.each(['bogus', 'indeterminate'] as const)(
    'never takes a %s answer for an absence (RFC 7672 section 2.1.2)',
    async (status) => {
      expect(await find({ status })).toMatchObject({ status: 'failed', cause: status });
    },
  );

  it('knows the null MX (RFC 7505)', async () => {
    expect(await find({ records: [mx(0, '.')] })).toMatchObject({ status: 'null-mx' });
  });

  it('passes over a null MX beside other records', async () => {
    expect(hostsOf(await find({ records: [mx(0, '.'), mx(10, 'a.example.')] }))).toEqual(['a.example']);
  });

  it('follows a CNAMEd domain and keeps its expansion (RFC 7672 section 2.2.1)', async () => {
    const found = await find({ aliases: ['b.example', 'c.example'], records: [mx(10, 'a.example.')] });
    expect(found).toMatchObject({ domain: 'example.org', expandedDomain: 'c.example' });
  });

  it('keeps the original name as host of a CNAMEd domain without MX (RFC 7672 section 2.2.2)', async () => {
    const found = await find({ aliases: ['b.example'] });
    expect(found).toMatchObject({
      via: 'implicit-mx',
      expandedDomain: 'b.example',
      hosts: [{ host: 'example.org' }],
    });
  });

  it('takes a network address in an MX record as an address (RFC 7672 section 2.2)', async () => {
    const found = await find({ records: [mx(10, '192.0.2.7.')] });
    expect(found).toMatchObject({ hosts: [{ kind: 'address', host: '192.0.2.7' }] });
  });

  it('has each host once, with its best preference', async () => {
    const records = [mx(20, 'A.example.'), mx(10, 'a.example.'), mx(15, 'b.example.')];
    expect(hostsOf(await find({ records }))).toEqual(['a.example', 'b.example']);
  });

  it('passes over what is no host name, and says so', async () => {
    const found = await find({ records: [mx(10, 'not\\032a\\032host.example.'), mx(20, 'b.example.')] });
    expect(hostsOf(found)).toEqual(['b.example']);
    expect(found).toMatchObject({ notes: [expect.stringContaining('no host name')] });
  });

  it('never uses the domain itself where no MX record is usable (RFC 5321 section 5.1)', async () => {
    expect(await find({ records: [mx(10, 'not\\032a\\032host.')] })).toMatchObject({
      status: 'no-usable-host',
    });
  });

  it(`keeps the best ${MAX_MX_HOSTS} hosts of a long list`, async () => {
    const records = Array.from({ length: 100 }, (_, index) => mx(100 - index, `h${100 - index}.example.`));
    const found = await find({ records });
    expect(hostsOf(found)).toEqual(
      Array.from({ length: MAX_MX_HOSTS }, (_, index) => `h${index + 1}.example`),
    );
  });

  it.each<[string, string]>([
    ['[192.0.2.1]', '192.0.2.1'],
    ['[IPv6:2001:db8::1]', '2001:db8::1'],
  ])('takes the address literal %s without a look-up', async (literal, address) => {
    const resolver = fixedResolver({});
    expect(await route(resolver, literal)).toMatchObject({
      via: 'literal',
      hosts: [{ kind: 'address', host: address }],
    });
    expect(resolver.asked).toEqual([]);
  });

  it.each(['[192.0.2]', '[2001:db8::1]', '[IPv6:nonsense]', 'a b', '', 'a..b'])(
    'refuses "%s"',
    async (nextHop) => {
      expect(await route(fixedResolver({}), nextHop)).toMatchObject({ status: 'invalid-domain' });
    },
  );

  it('takes the port that it is given', async () => {
    const resolver = fixedResolver({ 'example.org MX': { records: [mx(10, 'a.example.')] } });
    expect(await route(resolver, 'example.org', { port: 2525 })).toMatchObject({ hosts: [{ port: 2525 }] });
  });

  it.each<[string, object]>([
    ['relay.example', { kind: 'name', host: 'relay.example', port: 26 }],
    ['192.0.2.9', { kind: 'address', host: '192.0.2.9', port: 26 }],
    ['[IPv6:2001:db8::9]', { kind: 'address', host: '2001:db8::9', port: 26 }],
  ])('takes the relay %s as secure a priori (RFC 7672 section 2.2.2)', (host, expected) => {
    expect(relayRoute(host, 26)).toMatchObject({ via: 'relay', mx: 'secure', hosts: [expected] });
  });
});
