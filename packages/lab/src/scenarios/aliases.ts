/**
 * MX hosts and TLSA names that are aliases: which name is the base domain. RFC 7672 sections 2.1.3, 2.2.2,
 * 2.2.3.
 */
import type { HostSpec, Scenario } from '../scenario.js';
import { authenticated, deferred, oneHost, unauthenticated } from './one-host.js';

/** TLSA records that nothing matches: who used them would not deliver. */
const MISLEADING: HostSpec = { tlsa: [{ parameters: '3 1 1', of: 'stranger' }] };
/** Resolvers follow about a dozen. */
const MANY_ALIASES = 40;
const STRANGE_RECORD = `TLSA 3 1 1 ${'5a'.repeat(32)}`;

export const ALIASES: readonly Scenario[] = [
  {
    domain: 'alias-across-zones.example',
    shows:
      "The MX host is an alias to a provider's host, signed all the way; the provider has the TLSA records.",
    rule: 'RFC 7672 section 2.2.2',
    zones: {
      'alias-across-zones.example': {
        records: ['@ MX 10 mx', 'mx CNAME mx.alias-across-zones-provider.example.'],
      },
      'alias-across-zones-provider.example': {},
    },
    hosts: { 'mx.alias-across-zones-provider.example': { tlsa: ['3 1 1'] } },
    expected: {
      status: 'delivered',
      host: 'mx.alias-across-zones.example',
      mx: 'secure',
      tls: { by: '3 1 1', baseDomain: 'mx.alias-across-zones-provider.example' },
    },
  },
  {
    domain: 'alias-both.example',
    shows: 'TLSA records at both ends of an alias: those at the expanded name decide, and they do not match.',
    rule: 'RFC 7672 section 2.2.3',
    zones: {
      'alias-both.example': {
        records: ['@ MX 10 mx', 'mx CNAME real', `_{port}._tcp.real ${STRANGE_RECORD}`],
      },
    },
    hosts: { 'real.alias-both.example': { tlsa: ['3 1 1'], tlsaAt: ['_{port}._tcp.mx.alias-both.example'] } },
    expected: deferred('the certificate matches no TLSA record of the expanded name'),
  },
  {
    domain: 'alias-unusable.example',
    shows: 'Unusable records at the expanded name: it is the base domain for all that, and TLS is mandatory.',
    rule: 'RFC 7672 section 2.2.3',
    zones: {
      'alias-unusable.example': {
        records: ['@ MX 10 mx', 'mx CNAME real', `_{port}._tcp.mx ${STRANGE_RECORD}`],
      },
    },
    hosts: { 'real.alias-unusable.example': { tlsa: ['1 1 1'] } },
    expected: unauthenticated('alias-unusable.example', 'secure'),
  },
  {
    domain: 'alias-no-tlsa.example',
    shows: 'The MX host is an alias, and neither of its names has TLSA records.',
    rule: 'RFC 7672 section 2.2.3',
    zones: { 'alias-no-tlsa.example': { records: ['@ MX 10 mx', 'mx CNAME real'] } },
    hosts: { 'real.alias-no-tlsa.example': {} },
    expected: unauthenticated('alias-no-tlsa.example', 'secure'),
  },
  {
    domain: 'alias-end-fails.example',
    shows: 'The MX host is an alias whose end can not be looked up.',
    rule: 'RFC 7672 section 2.1.3',
    zones: {
      'alias-end-fails.example': { records: ['@ MX 10 mx', 'mx CNAME mx.alias-end-fails-provider.example.'] },
      'alias-end-fails-provider.example': {
        habits: [
          { name: 'mx', type: 'A', does: 'SERVFAIL' },
          { name: 'mx', type: 'AAAA', does: 'SERVFAIL' },
        ],
      },
    },
    hosts: { 'mx.alias-end-fails-provider.example': { tlsa: ['3 1 1'] } },
    expected: deferred('the look-up failed behind an alias'),
  },
  {
    domain: 'alias-loop.example',
    shows: 'The MX host is an alias of an alias of itself.',
    rule: 'RFC 7672 section 2.1.3',
    zones: { 'alias-loop.example': { records: ['@ MX 10 mx', 'mx CNAME other', 'other CNAME mx'] } },
    expected: deferred('the aliases lead in a circle'),
  },
  {
    domain: 'alias-endless.example',
    shows: 'The MX host is the first of more aliases than anybody follows.',
    rule: 'RFC 7672 section 2.1.3',
    zones: {
      'alias-endless.example': {
        records: [
          '@ MX 10 alias0',
          ...Array.from({ length: MANY_ALIASES }, (_, i) => `alias${i} CNAME alias${i + 1}`),
        ],
      },
    },
    hosts: { [`alias${MANY_ALIASES}.alias-endless.example`]: { tlsa: ['3 1 1'] } },
    expected: deferred('there are too many aliases'),
  },
  {
    domain: 'alias-back-to-secure.example',
    shows: 'The way to the host passes through an unsigned alias, behind which nothing is secure any more.',
    rule: 'RFC 7672 section 2.1.3',
    zones: {
      'alias-back-to-secure.example': {
        records: ['@ MX 10 mx', 'mx CNAME mx.alias-back-to-secure.unsigned.'],
      },
      'alias-back-to-secure.unsigned': {
        signing: 'unsigned',
        records: ['mx CNAME mx.alias-back-to-secure-end.example.'],
      },
      'alias-back-to-secure-end.example': {},
    },
    hosts: { 'mx.alias-back-to-secure-end.example': MISLEADING },
    expected: unauthenticated('alias-back-to-secure.example', 'secure'),
  },
  {
    domain: 'alias-begins-insecure.unsigned',
    shows: 'An unsigned alias to a signed host: DANE does not apply, wherever the alias ends.',
    rule: 'RFC 7672 section 2.2.2',
    zones: {
      'alias-begins-insecure.unsigned': {
        signing: 'unsigned',
        records: ['@ MX 10 mx', 'mx CNAME mx.alias-begins-insecure-end.example.'],
      },
      'alias-begins-insecure-end.example': {},
    },
    hosts: { 'mx.alias-begins-insecure-end.example': MISLEADING },
    expected: unauthenticated('alias-begins-insecure.unsigned', 'insecure'),
  },
  {
    ...oneHost('tlsa-dname.example', {
      records: ['_tcp.mx DNAME dane'],
      host: { tlsa: ['3 1 1'], tlsaAt: ['_{port}.dane.tlsa-dname.example'] },
    }),
    shows: 'The TLSA records lie behind a DNAME; the base domain remains the host.',
    rule: 'RFC 7672 section 2.2.3',
    expected: authenticated('tlsa-dname.example', '3 1 1'),
  },
  {
    ...oneHost('tlsa-other-port.example', {
      host: { ...MISLEADING, tlsaAt: ['_465._tcp.mx.tlsa-other-port.example'] },
    }),
    shows: 'The host has TLSA records for another port, which say nothing about this one.',
    rule: 'RFC 7672 section 2.2.3',
    expected: unauthenticated('tlsa-other-port.example', 'secure'),
  },
  {
    ...oneHost('tlsa-at-domain.example', {
      host: { ...MISLEADING, tlsaAt: ['_{port}._tcp.tlsa-at-domain.example'] },
    }),
    shows: 'TLSA records at the domain say nothing about its MX host.',
    rule: 'RFC 7672 section 2.2.3',
    expected: unauthenticated('tlsa-at-domain.example', 'secure'),
  },
];
