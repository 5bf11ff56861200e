import { describe, expect, it } from 'vitest';
import { referenceNames, type ServerOrigin } from './reference-names.js';

const secureMx: ServerOrigin = {
  kind: 'mx',
  status: 'secure',
  nextHop: 'exchange.example.org',
  expandedNextHop: 'example.com',
};
const plainMx: ServerOrigin = { ...secureMx, nextHop: 'example.com' };
const insecureMx: ServerOrigin = { ...secureMx, status: 'insecure' };

/** The examples of RFC 7672 section 3.2.2, and the cases around them. */
describe('reference names besides the base domain (RFC 7672 section 3.2.2)', () => {
  it.each<[string, ServerOrigin, string, string[]]>([
    ['secure MX: the next-hop domain', plainMx, 'mx10.example.com', ['example.com']],
    [
      'secure MX of an aliased domain: the original and the expanded one',
      secureMx,
      'mx10.example.com',
      ['exchange.example.org', 'example.com'],
    ],
    [
      'secure MX with an expanded host: not the unexpanded one',
      secureMx,
      'mxbackup.example.net',
      ['exchange.example.org', 'example.com'],
    ],
    ['secure MX that is the domain itself: no name twice', plainMx, 'example.com', []],
    ['insecure MX: the base domain alone', insecureMx, 'mx10.example.com', []],
    [
      'no MX, no alias: the base domain alone',
      { kind: 'implicit-mx', nextHop: 'example.com' },
      'example.com',
      [],
    ],
    [
      'no MX, expanded: the original next-hop domain',
      { kind: 'implicit-mx', nextHop: 'example.com' },
      'host.example.net',
      ['example.com'],
    ],
    [
      'a relay: the base domain alone',
      { kind: 'relay', relay: 'relay.example.com' },
      'relay.example.com',
      [],
    ],
    [
      'an expanded relay: its original name',
      { kind: 'relay', relay: 'relay.example.com' },
      'host.example.net',
      ['relay.example.com'],
    ],
    [
      'case and a dot at the end make no other name',
      { kind: 'relay', relay: 'Relay.Example.COM.' },
      'relay.example.com',
      [],
    ],
  ])('%s', (_, origin, baseDomain, expected) => {
    expect(referenceNames(origin, baseDomain)).toEqual(expected);
  });
});
