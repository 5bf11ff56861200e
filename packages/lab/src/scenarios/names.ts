/** Which host, under which name: MX, aliases, base domains. RFC 7672 sections 2.2.1 to 2.2.3 and 3.2.2. */
import type { Scenario } from '../scenario.js';
import { AUTHORITIES, authenticated, deferred, failed, oneHost } from './one-host.js';

export const NAMES: readonly Scenario[] = [
  {
    domain: 'hosted.unsigned',
    shows:
      'An unsigned domain whose MX host lies in a signed zone: the host is authenticated, the domain is not.',
    rule: 'RFC 7672 section 2.2.1',
    zones: {
      'hosted.unsigned': { signing: 'unsigned', records: ['@ MX 10 mx.hosted-provider.example.'] },
      'hosted-provider.example': {},
    },
    hosts: { 'mx.hosted-provider.example': { tlsa: ['3 1 1'] } },
    expected: {
      status: 'delivered',
      host: 'mx.hosted-provider.example',
      mx: 'insecure',
      tls: { by: '3 1 1', baseDomain: 'mx.hosted-provider.example' },
    },
  },
  {
    domain: 'hosted-name.unsigned',
    shows: "The certificate has the domain's name only, which does not count behind an insecure MX record.",
    rule: 'RFC 7672 section 3.2.2',
    zones: {
      'hosted-name.unsigned': { signing: 'unsigned', records: ['@ MX 10 mx.hosted-name-provider.example.'] },
      'hosted-name-provider.example': {},
    },
    hosts: {
      'mx.hosted-name-provider.example': {
        certificate: { issuer: 'Issuer', names: ['hosted-name.unsigned'] },
        tlsa: ['2 0 1'],
      },
    },
    authorities: AUTHORITIES,
    expected: deferred('no reference identifier is in the certificate'),
  },
  {
    domain: 'alias-expanded.example',
    shows: 'The MX host is an alias, secure to its end; the TLSA records lie at the expanded name.',
    rule: 'RFC 7672 section 2.2.2',
    zones: { 'alias-expanded.example': { records: ['@ MX 10 mx', 'mx CNAME real'] } },
    hosts: { 'real.alias-expanded.example': { tlsa: ['3 1 1'], habits: { unknownName: 'alert' } } },
    expected: {
      status: 'delivered',
      host: 'mx.alias-expanded.example',
      mx: 'secure',
      tls: { by: '3 1 1', baseDomain: 'real.alias-expanded.example' },
    },
  },
  {
    domain: 'alias-original.example',
    shows: 'The MX host is an alias, secure to its end; the TLSA records lie at the original name only.',
    rule: 'RFC 7672 section 2.2.3',
    zones: { 'alias-original.example': { records: ['@ MX 10 mx', 'mx CNAME real'] } },
    hosts: {
      'real.alias-original.example': { tlsa: ['3 1 1'], tlsaAt: ['_{port}._tcp.mx.alias-original.example'] },
    },
    expected: authenticated('alias-original.example', '3 1 1'),
  },
  {
    domain: 'alias-insecure.example',
    shows: 'A secure alias to an unsigned host: the TLSA records at the original name are in force.',
    rule: 'RFC 7672 section 2.2.2',
    zones: {
      'alias-insecure.example': { records: ['@ MX 10 mx', 'mx CNAME mx.alias-insecure-provider.unsigned.'] },
      'alias-insecure-provider.unsigned': { signing: 'unsigned' },
    },
    hosts: {
      'mx.alias-insecure-provider.unsigned': {
        tlsa: ['3 1 1'],
        tlsaAt: ['_{port}._tcp.mx.alias-insecure.example'],
      },
    },
    expected: authenticated('alias-insecure.example', '3 1 1'),
  },
  {
    domain: 'alias-insecure-swapped.example',
    shows: 'The same, and someone redirects the unsigned address to a server of his own.',
    rule: 'RFC 7672 section 2.2.2',
    zones: {
      'alias-insecure-swapped.example': {
        records: ['@ MX 10 mx', 'mx CNAME mx.alias-insecure-swapped-provider.unsigned.'],
      },
      'alias-insecure-swapped-provider.unsigned': { signing: 'unsigned' },
    },
    hosts: {
      'mx.alias-insecure-swapped-provider.unsigned': {
        tlsa: ['3 1 1'],
        tlsaAt: ['_{port}._tcp.mx.alias-insecure-swapped.example'],
        habits: { presents: {} },
      },
    },
    expected: deferred('the certificate matches no TLSA record'),
  },
  {
    domain: 'alias-in-between.example',
    shows: 'A name in the middle of a chain of aliases is no base domain, though it has TLSA records.',
    rule: 'RFC 7672 section 2.2.3',
    zones: {
      'alias-in-between.example': {
        records: ['@ MX 10 mx', 'mx CNAME middle', 'middle CNAME real'],
      },
    },
    hosts: {
      'real.alias-in-between.example': {
        tlsa: [{ parameters: '3 1 1', of: 'stranger' }],
        tlsaAt: ['_{port}._tcp.middle.alias-in-between.example'],
      },
    },
    expected: {
      status: 'delivered',
      host: 'mx.alias-in-between.example',
      mx: 'secure',
      tls: 'unauthenticated',
    },
  },
  {
    domain: 'dname.example',
    shows: 'The MX host lies below a DNAME, which makes an alias of it.',
    rule: 'RFC 7672 section 2.1.3',
    zones: { 'dname.example': { records: ['@ MX 10 mx.old', 'old DNAME new'] } },
    hosts: { 'mx.new.dname.example': { tlsa: ['3 1 1'] } },
    expected: {
      status: 'delivered',
      host: 'mx.old.dname.example',
      mx: 'secure',
      tls: { by: '3 1 1', baseDomain: 'mx.new.dname.example' },
    },
  },
  {
    ...oneHost('tlsa-alias.example', {
      records: ['_{port}._tcp.mx CNAME tlsa201._dane'],
      host: {
        certificate: { issuer: 'Issuer' },
        tlsa: ['2 0 1'],
        tlsaAt: ['tlsa201._dane.tlsa-alias.example'],
      },
      authorities: AUTHORITIES,
    }),
    shows: 'The TLSA records are shared through a CNAME; the base domain remains the host.',
    rule: 'RFC 7672 section 2.2.3',
    expected: authenticated('tlsa-alias.example', '2 0 1'),
  },
  {
    domain: 'tlsa-alias-insecure.example',
    shows: 'The CNAME at the TLSA name leads into an unsigned zone: these records do not count.',
    rule: 'RFC 7672 section 2.2.3',
    zones: {
      'tlsa-alias-insecure.example': {
        records: ['@ MX 10 mx', '_{port}._tcp.mx CNAME tlsa.tlsa-alias-insecure.unsigned.'],
      },
      'tlsa-alias-insecure.unsigned': { signing: 'unsigned' },
    },
    hosts: {
      'mx.tlsa-alias-insecure.example': {
        tlsa: [{ parameters: '3 1 1', of: 'stranger' }],
        tlsaAt: ['tlsa.tlsa-alias-insecure.unsigned'],
      },
    },
    expected: {
      status: 'delivered',
      host: 'mx.tlsa-alias-insecure.example',
      mx: 'secure',
      tls: 'unauthenticated',
    },
  },
  {
    domain: 'exchange.next-hop-alias.example',
    shows: 'The recipient domain is an alias; a certificate with its original name is good enough.',
    rule: 'RFC 7672 section 3.2.2',
    zones: {
      'next-hop-alias.example': { records: ['exchange CNAME mail', 'mail MX 10 mx'] },
    },
    hosts: {
      'mx.next-hop-alias.example': {
        certificate: { issuer: 'Issuer', names: ['exchange.next-hop-alias.example'] },
        tlsa: ['2 0 1'],
      },
    },
    authorities: AUTHORITIES,
    expected: authenticated('next-hop-alias.example', '2 0 1'),
  },
  {
    domain: 'implicit-mx.example',
    shows: 'No MX records, and that is proved: the domain itself is the host, with its own TLSA records.',
    rule: 'RFC 7672 section 2.2.2',
    zones: { 'implicit-mx.example': {} },
    hosts: { 'implicit-mx.example': { tlsa: ['3 1 1'] } },
    expected: {
      status: 'delivered',
      host: 'implicit-mx.example',
      mx: 'secure',
      tls: { by: '3 1 1', baseDomain: 'implicit-mx.example' },
    },
  },
  {
    domain: 'null-mx.example',
    shows: 'The domain says that it accepts no mail.',
    rule: 'RFC 7505 section 3',
    zones: { 'null-mx.example': { records: ['@ MX 0 .'] } },
    expected: failed('the domain accepts no mail (null MX)'),
  },
  {
    domain: 'nonexistent.example',
    shows: 'The domain does not exist, and that is proved.',
    rule: 'RFC 5321 section 5.1',
    zones: {},
    expected: failed('the domain does not exist'),
  },
  {
    domain: 'nonexistent.unsigned',
    shows: 'The domain does not exist, says an unsigned zone.',
    rule: 'RFC 5321 section 5.1',
    zones: {},
    expected: failed('the domain does not exist'),
  },
];
