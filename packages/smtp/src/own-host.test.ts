import { describe, expect, it } from 'vitest';
import { withoutOurselves } from './own-host.js';
import { type HostsRoute, hostsRoute, type RouteHost, relayRoute } from './route.js';

const host = (name: string, preference: number | undefined): RouteHost => ({
  kind: 'name',
  host: name,
  port: 25,
  preference,
});

const routeOf = (first: RouteHost, ...others: RouteHost[]): HostsRoute => ({
  status: 'hosts',
  domain: 'there.example',
  expandedDomain: 'there.example',
  via: first.preference === undefined ? 'implicit-mx' : 'mx',
  mx: 'secure',
  hosts: [first, ...others],
  notes: [],
});

const OURS = new Set(['us.example']);

describe('MX records that name ourselves (RFC 5321 section 5.1)', () => {
  it('lose the hosts of our preference and worse', () => {
    const route = withoutOurselves(
      routeOf(host('a.example', 10), host('b.example', 20), host('us.example', 20), host('c.example', 30)),
      OURS,
    );
    expect(route).toMatchObject({ status: 'hosts', hosts: [{ host: 'a.example' }] });
    expect(route).toHaveProperty('notes.length', 1);
  });

  it('are a loop where we are the best of them', () => {
    const route = withoutOurselves(routeOf(host('us.example', 10), host('b.example', 20)), OURS);
    expect(route).toMatchObject({ status: 'loop', domain: 'there.example', mx: 'secure' });
  });

  it('are a loop where the domain itself is our name, and has no MX records', () => {
    const route = withoutOurselves(routeOf(host('us.example', undefined)), OURS);
    expect(route).toMatchObject({ status: 'loop' });
  });

  it('do not count where the administrator named the host', () => {
    const relay = relayRoute('us.example', 25);
    expect(withoutOurselves(relay, OURS)).toBe(relay);
    const listed = hostsRoute('there.example', [{ host: 'us.example', port: 25 }]);
    expect(withoutOurselves(listed, OURS)).toBe(listed);
  });

  it('stay as they are where none is ours', () => {
    const route = routeOf(host('a.example', 10));
    expect(withoutOurselves(route, OURS)).toBe(route);
  });
});
