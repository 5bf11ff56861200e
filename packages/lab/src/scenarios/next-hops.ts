/**
 * Several hosts, the way to them, and names that certificates may bear. RFC 7672 sections 2.2.1, 2.2.2,
 * 3.2.2.
 */
import type { Scenario } from '../scenario.js';
import { AUTHORITIES, authenticated, deferred, failed, oneHost, unauthenticated } from './one-host.js';

const issuedFor = (name: string) =>
  ({ certificate: { issuer: 'Issuer', names: [name] }, tlsa: ['2 0 1'] }) as const;

export const NEXT_HOPS: readonly Scenario[] = [
  {
    domain: 'preference.example',
    shows: 'The better MX host has no TLSA records, the worse one has: preference goes before security.',
    rule: 'RFC 7672 section 2.2.1',
    zones: { 'preference.example': { records: ['@ MX 20 mx2', '@ MX 10 mx1'] } },
    hosts: { 'mx1.preference.example': {}, 'mx2.preference.example': { tlsa: ['3 1 1'] } },
    expected: { status: 'delivered', host: 'mx1.preference.example', mx: 'secure', tls: 'unauthenticated' },
    expectedDaneOnly: {
      status: 'delivered',
      host: 'mx2.preference.example',
      mx: 'secure',
      tls: { by: '3 1 1', baseDomain: 'mx2.preference.example' },
    },
  },
  {
    domain: 'second-weaker.example',
    shows: 'The first MX host does not match its TLSA records, the second one has none and is used.',
    rule: 'RFC 7672 section 2.2',
    zones: { 'second-weaker.example': { records: ['@ MX 10 mx1', '@ MX 20 mx'] } },
    hosts: {
      'mx1.second-weaker.example': { tlsa: ['3 1 1'], habits: { presents: {} } },
      'mx.second-weaker.example': {},
    },
    expected: unauthenticated('second-weaker.example', 'secure'),
  },
  {
    domain: 'first-dead.example',
    shows: 'The first MX host hangs up at once; the second one is used.',
    rule: 'RFC 5321 section 5.1',
    zones: { 'first-dead.example': { records: ['@ MX 10 mx1', '@ MX 20 mx'] } },
    hosts: {
      'mx1.first-dead.example': { tlsa: ['3 1 1'], habits: { on: { greeting: 'drop' } } },
      'mx.first-dead.example': { tlsa: ['3 1 1'] },
    },
    expected: authenticated('first-dead.example', '3 1 1'),
  },
  {
    ...oneHost('no-address.example', { host: { withoutAddress: true, tlsa: ['3 1 1'] } }),
    shows: 'The only MX host has no address, and that is proved.',
    rule: 'RFC 7672 section 2.2.2',
    expected: failed('no MX host has an address'),
  },
  {
    ...oneHost('mx-address.example', { host: { tlsa: [{ parameters: '3 1 1', of: 'stranger' }] } }),
    zones: { 'mx-address.example': { records: ['@ MX 10 {address mx.mx-address.example}.'] } },
    shows: 'The MX record has a network address in place of a name: DANE does not apply to it.',
    rule: 'RFC 7672 section 2.2',
    expected: {
      status: 'delivered',
      host: '{address mx.mx-address.example}',
      mx: 'secure',
      tls: 'unauthenticated',
    },
  },
  {
    ...oneHost('literal.example', { host: { tlsa: [{ parameters: '3 1 1', of: 'stranger' }] } }),
    literal: 'mx.literal.example',
    shows: "The recipient's address has a network address in place of a domain: DANE does not apply to it.",
    rule: 'RFC 7672 section 2.2',
    expected: {
      status: 'delivered',
      host: '{address mx.literal.example}',
      mx: 'secure',
      tls: 'unauthenticated',
    },
  },
  {
    domain: 'office.next-hop-insecure.unsigned',
    shows: 'The recipient domain is an unsigned alias to a signed one: its MX records are insecure.',
    rule: 'RFC 7672 section 2.2.1',
    zones: {
      'next-hop-insecure.unsigned': {
        signing: 'unsigned',
        records: ['office CNAME next-hop-insecure-end.example.'],
      },
      'next-hop-insecure-end.example': { records: ['@ MX 10 mx'] },
    },
    hosts: { 'mx.next-hop-insecure-end.example': { tlsa: ['3 1 1'] } },
    expected: {
      status: 'delivered',
      host: 'mx.next-hop-insecure-end.example',
      mx: 'insecure',
      tls: { by: '3 1 1', baseDomain: 'mx.next-hop-insecure-end.example' },
    },
  },
  {
    domain: 'hosted-alias.unsigned',
    shows: 'Unsigned MX records name an alias in a signed zone: logs show that name, not where it leads.',
    rule: 'RFC 7672 section 2.2.1',
    zones: {
      'hosted-alias.unsigned': {
        signing: 'unsigned',
        records: ['@ MX 10 mx.hosted-alias-provider.example.'],
      },
      'hosted-alias-provider.example': { records: ['mx CNAME real'] },
    },
    hosts: { 'real.hosted-alias-provider.example': { tlsa: ['3 1 1'] } },
    expected: {
      status: 'delivered',
      host: 'mx.hosted-alias-provider.example',
      mx: 'insecure',
      tls: { by: '3 1 1', baseDomain: 'real.hosted-alias-provider.example' },
    },
  },
  {
    domain: 'hosted-original.unsigned',
    shows: 'The same, and the certificate has the unexpanded name only, which is not the base domain.',
    rule: 'RFC 7672 section 3.2.2',
    zones: {
      'hosted-original.unsigned': {
        signing: 'unsigned',
        records: ['@ MX 10 mx.hosted-original-provider.example.'],
      },
      'hosted-original-provider.example': { records: ['mx CNAME real'] },
    },
    hosts: { 'real.hosted-original-provider.example': issuedFor('mx.hosted-original-provider.example') },
    authorities: AUTHORITIES,
    expected: deferred('no reference identifier is in the certificate'),
  },
  {
    domain: 'hosted-servfail.unsigned',
    shows: 'Unsigned MX records name a signed host whose TLSA look-up fails: it must not be used.',
    rule: 'RFC 7672 section 2.2.1',
    zones: {
      'hosted-servfail.unsigned': {
        signing: 'unsigned',
        records: ['@ MX 10 mx.hosted-servfail-provider.example.'],
      },
      'hosted-servfail-provider.example': {
        habits: [{ name: '_{port}._tcp.mx', type: 'TLSA', does: 'SERVFAIL' }],
      },
    },
    hosts: { 'mx.hosted-servfail-provider.example': { tlsa: ['3 1 1'] } },
    expected: deferred('the TLSA look-up failed'),
  },
  {
    domain: 'twin-signed.example',
    shows: 'A signed domain and an unsigned one have the same host; its certificate names the two domains.',
    rule: 'RFC 7672 section 3.2.2',
    zones: {
      'twin-signed.example': { records: ['@ MX 10 mx.twin-provider.example.'] },
      'twin-provider.example': {},
    },
    hosts: {
      'mx.twin-provider.example': {
        certificate: { issuer: 'Issuer', names: ['twin-signed.example', 'twin.unsigned'] },
        tlsa: ['2 0 1'],
      },
    },
    authorities: AUTHORITIES,
    expected: {
      status: 'delivered',
      host: 'mx.twin-provider.example',
      mx: 'secure',
      tls: { by: '2 0 1', baseDomain: 'mx.twin-provider.example' },
    },
  },
  {
    domain: 'twin.unsigned',
    shows:
      "The unsigned one: its name on the certificate does not count, and the other's verdict is not its own.",
    rule: 'RFC 7672 section 3.2.2',
    zones: { 'twin.unsigned': { signing: 'unsigned', records: ['@ MX 10 mx.twin-provider.example.'] } },
    expected: deferred('no reference identifier is in the certificate'),
  },
  {
    domain: 'exchange.next-hop-expanded.example',
    shows: 'The recipient domain is an alias; a certificate with its expanded name is good enough.',
    rule: 'RFC 7672 section 3.2.2',
    zones: { 'next-hop-expanded.example': { records: ['exchange CNAME mail', 'mail MX 10 mx'] } },
    hosts: { 'mx.next-hop-expanded.example': issuedFor('mail.next-hop-expanded.example') },
    authorities: AUTHORITIES,
    expected: authenticated('next-hop-expanded.example', '2 0 1'),
  },
  {
    domain: 'exchange.next-hop-between.example',
    shows:
      'The certificate has a name in the middle of the aliases of the recipient domain, which does not ' +
      'count.',
    rule: 'RFC 7672 section 3.2.2',
    zones: {
      'next-hop-between.example': { records: ['exchange CNAME mail', 'mail CNAME end', 'end MX 10 mx'] },
    },
    hosts: { 'mx.next-hop-between.example': issuedFor('mail.next-hop-between.example') },
    authorities: AUTHORITIES,
    expected: deferred('no reference identifier is in the certificate'),
  },
  {
    domain: 'ta-unexpanded-name.example',
    shows: 'The MX host is an alias; the base domain is its end, and the unexpanded name is no reference.',
    rule: 'RFC 7672 section 3.2.2',
    zones: { 'ta-unexpanded-name.example': { records: ['@ MX 10 mx', 'mx CNAME real'] } },
    hosts: { 'real.ta-unexpanded-name.example': issuedFor('mx.ta-unexpanded-name.example') },
    authorities: AUTHORITIES,
    expected: deferred('no reference identifier is in the certificate'),
  },
  {
    domain: 'alias.implicit-mx-alias.example',
    shows: 'No MX records, and the domain is an alias: its original name counts beside the expanded one.',
    rule: 'RFC 7672 section 3.2.2',
    zones: { 'implicit-mx-alias.example': { records: ['alias CNAME real'] } },
    hosts: { 'real.implicit-mx-alias.example': issuedFor('alias.implicit-mx-alias.example') },
    authorities: AUTHORITIES,
    expected: {
      status: 'delivered',
      host: 'alias.implicit-mx-alias.example',
      mx: 'secure',
      tls: { by: '2 0 1', baseDomain: 'real.implicit-mx-alias.example' },
    },
  },
];
