/** A failed look-up is not an absence. RFC 7672 sections 2.1.1 and 2.1.2. */
import type { Deed } from '../habit.js';
import type { Scenario } from '../scenario.js';
import { authenticated, deferred, oneHost, unauthenticated } from './one-host.js';

const TLSA_NAME = '_{port}._tcp.mx';

/**
 * A signed zone whose server does this when asked for the TLSA records; the host speaks TLS and would match.
 */
function tlsaTrouble(domain: string, shows: string, does: Deed): Scenario {
  return {
    ...oneHost(domain, { host: { tlsa: ['3 1 1'] }, habits: [{ name: TLSA_NAME, type: 'TLSA', does }] }),
    shows,
    rule: 'RFC 7672 section 2.1.2',
    expected: deferred('the TLSA look-up failed'),
  };
}

export const LOOKUP_FAILURES: readonly Scenario[] = [
  tlsaTrouble('tlsa-servfail.example', 'A signed zone answers the TLSA query with SERVFAIL.', 'SERVFAIL'),
  tlsaTrouble('tlsa-refused.example', 'A signed zone answers the TLSA query with REFUSED.', 'REFUSED'),
  tlsaTrouble('tlsa-notimp.example', 'A signed zone answers the TLSA query with NOTIMP.', 'NOTIMP'),
  tlsaTrouble(
    'tlsa-malformed.example',
    'A signed zone answers the TLSA query with a broken message.',
    'malformed',
  ),
  tlsaTrouble('tlsa-denied-forged.example', 'Someone says, without proof, that there are no TLSA records.', {
    forge: [],
  }),
  tlsaTrouble(
    'tlsa-stripped.example',
    'A middlebox takes the signature off the TLSA records.',
    'strip-signatures',
  ),
  tlsaTrouble('tlsa-forged.example', 'Someone puts TLSA records of his own under the true signature.', {
    forge: [`@ TLSA 3 1 1 ${'5a'.repeat(32)}`],
    keepSignatures: true,
  }),
  tlsaTrouble('tlsa-wrong-id.example', 'The TLSA query is answered with the id of another one.', 'wrong-id'),
  tlsaTrouble(
    'tlsa-wrong-question.example',
    'The TLSA query is answered with the answer to another question.',
    'wrong-question',
  ),
  tlsaTrouble('tlsa-silent.example', 'A signed zone does not answer TLSA queries at all.', 'silence'),
  tlsaTrouble(
    'tlsa-truncated.example',
    'A signed zone answers the TLSA query with a truncated message, over TCP too.',
    'truncated',
  ),
  {
    ...oneHost('tlsa-over-tcp.example', {
      host: { tlsa: ['3 1 1'] },
      habits: [{ name: TLSA_NAME, type: 'TLSA', protocol: 'udp', does: 'truncated' }],
    }),
    shows: 'The answer is truncated over UDP and complete over TCP: no failure.',
    rule: 'RFC 7671 section 10.1.1',
    expected: authenticated('tlsa-over-tcp.example', '3 1 1'),
  },
  {
    ...oneHost('tlsa-expired.example', {
      host: { tlsa: ['3 1 1'] },
      signing: { faults: [{ fault: 'expired', name: TLSA_NAME, type: 'TLSA' }] },
    }),
    shows: 'The signature over the TLSA records has expired; the records themselves would match.',
    rule: 'RFC 7672 section 2.1.2',
    expected: deferred('the TLSA records are bogus'),
  },
  {
    domain: 'tlsa-alias-servfail.example',
    shows: 'The TLSA name is an alias, and asking for the records behind it fails.',
    rule: 'RFC 7672 section 2.1.3',
    zones: {
      'tlsa-alias-servfail.example': {
        records: ['@ MX 10 mx', '_{port}._tcp.mx CNAME tlsa.tlsa-alias-servfail-provider.example.'],
      },
      'tlsa-alias-servfail-provider.example': { habits: [{ name: 'tlsa', type: 'TLSA', does: 'SERVFAIL' }] },
    },
    hosts: {
      'mx.tlsa-alias-servfail.example': {
        tlsa: ['3 1 1'],
        tlsaAt: ['tlsa.tlsa-alias-servfail-provider.example'],
      },
    },
    expected: deferred('the TLSA look-up failed'),
  },
  {
    ...oneHost('ad-forged.example', {
      host: { tlsa: ['3 1 1'] },
      habits: [{ name: TLSA_NAME, type: 'TLSA', does: { forge: [], authenticData: true } }],
    }),
    shows: 'Someone says that there are no TLSA records, and sets the AD bit to be believed.',
    rule: 'RFC 7672 section 2.1.1',
    expected: deferred('the absence of TLSA records is not proved'),
  },
  {
    ...oneHost('tlsa-bogus.example', {
      host: { tlsa: ['3 1 1'] },
      signing: { faults: [{ fault: 'damaged', name: TLSA_NAME, type: 'TLSA' }] },
    }),
    shows: 'The signature over the TLSA records is wrong; the records themselves would match.',
    rule: 'RFC 7672 section 2.1.2',
    expected: deferred('the TLSA records are bogus'),
  },
  {
    ...oneHost('tlsa-denial-missing.example', { host: {}, signing: { faults: [{ fault: 'no-denial' }] } }),
    shows: 'There are no TLSA records, but the zone does not prove it.',
    rule: 'RFC 7672 section 2.1.2',
    expected: deferred('the absence of TLSA records is not proved'),
  },
  {
    ...oneHost('tlsa-denial-wrong.example', { host: {}, signing: { faults: [{ fault: 'wrong-denial' }] } }),
    shows: 'There are no TLSA records, and the proof that comes with that speaks of another name.',
    rule: 'RFC 7672 section 2.1.2',
    expected: deferred('the absence of TLSA records is not proved'),
  },
  {
    ...oneHost('tlsa-servfail.unsigned', {
      host: {},
      signing: 'unsigned',
      habits: [{ name: TLSA_NAME, type: 'TLSA', does: 'SERVFAIL' }],
    }),
    shows: 'An unsigned zone fails on TLSA queries, as some load balancers do: nobody should have asked.',
    rule: 'RFC 7672 section 2.2.2',
    expected: unauthenticated('tlsa-servfail.unsigned', 'insecure'),
  },
  {
    ...oneHost('mx-bogus.example', {
      host: { tlsa: ['3 1 1'] },
      signing: { faults: [{ fault: 'damaged', name: '@', type: 'MX' }] },
    }),
    shows: "The signature over the MX record is wrong: it can't be said where the mail should go.",
    rule: 'RFC 7672 section 2.1.2',
    expected: deferred('the MX record is bogus'),
  },
  {
    domain: 'mx-forged.example',
    shows: 'Someone puts an MX record of his own in place of the signed one; his host is perfectly signed.',
    rule: 'RFC 7672 section 1.3.2',
    zones: {
      'mx-forged.example': {
        records: ['@ MX 10 mx'],
        habits: [{ name: '@', type: 'MX', does: { forge: ['@ MX 0 mx.mx-forged-attacker.example.'] } }],
      },
      'mx-forged-attacker.example': {},
    },
    hosts: {
      'mx.mx-forged.example': { tlsa: ['3 1 1'] },
      'mx.mx-forged-attacker.example': { tlsa: ['3 1 1'] },
    },
    expected: deferred('the MX record is bogus'),
  },
  {
    ...oneHost('mx-servfail.example', {
      host: { tlsa: ['3 1 1'] },
      habits: [{ name: '@', type: 'MX', does: 'SERVFAIL' }],
    }),
    shows: 'The MX query fails: the domain must not be taken for one without MX records.',
    rule: 'RFC 7672 section 2.1.2',
    expected: deferred('the MX look-up failed'),
  },
  {
    ...oneHost('address-bogus.example', {
      host: { tlsa: ['3 1 1'] },
      signing: { faults: [{ fault: 'damaged', name: 'mx', type: 'A' }] },
    }),
    shows: 'The signature over the only address of the only host is wrong.',
    rule: 'RFC 7672 section 2.1.2',
    expected: deferred('the address records are bogus'),
  },
  {
    domain: 'second-host.example',
    shows: 'The first MX host presents a strange certificate; the second one matches.',
    rule: 'RFC 7672 section 2.2',
    zones: { 'second-host.example': { records: ['@ MX 10 mx1', '@ MX 20 mx'] } },
    hosts: {
      'mx1.second-host.example': { tlsa: ['3 1 1'], habits: { presents: {} } },
      'mx.second-host.example': { tlsa: ['3 1 1'] },
    },
    expected: authenticated('second-host.example', '3 1 1'),
  },
  {
    domain: 'second-lookup.example',
    shows: 'The TLSA look-up of the first MX host fails: that host is skipped, the second one is used.',
    rule: 'RFC 7672 section 2.1.2',
    zones: {
      'second-lookup.example': {
        records: ['@ MX 10 mx1', '@ MX 20 mx'],
        habits: [{ name: '_{port}._tcp.mx1', type: 'TLSA', does: 'SERVFAIL' }],
      },
    },
    hosts: {
      'mx1.second-lookup.example': { tlsa: ['3 1 1'] },
      'mx.second-lookup.example': { tlsa: ['3 1 1'] },
    },
    expected: authenticated('second-lookup.example', '3 1 1'),
  },
  {
    domain: 'all-lookups-fail.example',
    shows: 'The TLSA look-ups of both MX hosts fail, so nobody can be reached.',
    rule: 'RFC 7672 section 2.1.2',
    zones: {
      'all-lookups-fail.example': {
        records: ['@ MX 10 mx1', '@ MX 20 mx2'],
        habits: [{ below: '@', type: 'TLSA', does: 'REFUSED' }],
      },
    },
    hosts: {
      'mx1.all-lookups-fail.example': { tlsa: ['3 1 1'] },
      'mx2.all-lookups-fail.example': { tlsa: ['3 1 1'] },
    },
    expected: deferred('the TLSA look-ups failed'),
  },
  {
    ...oneHost('mx-refused.unsigned', {
      host: {},
      signing: 'unsigned',
      habits: [{ name: '@', type: 'MX', does: 'REFUSED' }],
    }),
    shows: 'An unsigned zone refuses the MX query: an error is no absence, signed or not.',
    rule: 'RFC 7672 section 2.1.1',
    expected: deferred('the MX look-up failed'),
  },
  {
    ...oneHost('mx-silent.example', {
      host: { tlsa: ['3 1 1'] },
      habits: [{ name: '@', type: 'MX', does: 'silence' }],
    }),
    shows: 'The MX query is not answered.',
    rule: 'RFC 7672 section 2.1.2',
    expected: deferred('the MX look-up failed'),
  },
  {
    domain: 'mx-denied-forged.example',
    shows: 'Someone says, without proof, that there are no MX records: mail would go to the domain itself.',
    rule: 'RFC 7672 section 2.1.2',
    zones: {
      'mx-denied-forged.example': {
        records: ['@ MX 10 mx'],
        habits: [{ name: '@', type: 'MX', does: { forge: [] } }],
      },
    },
    hosts: { 'mx-denied-forged.example': {}, 'mx.mx-denied-forged.example': { tlsa: ['3 1 1'] } },
    expected: deferred('the absence of MX records is not proved'),
  },
  {
    ...oneHost('a-servfail.example', {
      host: { tlsa: ['3 1 1'] },
      habits: [{ name: 'mx', type: 'A', does: 'SERVFAIL' }],
    }),
    shows: 'The look-up of A records fails, and AAAA records are denied with proof: no address is known.',
    rule: 'RFC 7672 section 2.2.2',
    expected: deferred('the address look-up failed'),
  },
  {
    ...oneHost('aaaa-servfail.example', {
      host: { tlsa: ['3 1 1'] },
      habits: [{ name: 'mx', type: 'AAAA', does: 'SERVFAIL' }],
    }),
    shows: 'The look-up of AAAA records fails, and A records are there: only these are used.',
    rule: 'RFC 7672 section 2.2.2',
    expected: authenticated('aaaa-servfail.example', '3 1 1'),
  },
  {
    domain: 'second-address.example',
    shows: 'The addresses of the first MX host are bogus: that host is left out, the second one is used.',
    rule: 'RFC 7672 section 2.1.2',
    zones: {
      'second-address.example': {
        records: ['@ MX 10 mx1', '@ MX 20 mx'],
        signing: { faults: [{ fault: 'damaged', name: 'mx1', type: 'A' }] },
      },
    },
    hosts: {
      'mx1.second-address.example': { tlsa: ['3 1 1'] },
      'mx.second-address.example': { tlsa: ['3 1 1'] },
    },
    expected: authenticated('second-address.example', '3 1 1'),
  },
  {
    domain: 'second-missing.unsigned',
    shows: 'The first MX host does not exist, says an unsigned zone: the second one is there all the same.',
    rule: 'RFC 7672 section 2.1.2',
    zones: { 'second-missing.unsigned': { signing: 'unsigned', records: ['@ MX 10 gone', '@ MX 20 mx'] } },
    hosts: { 'mx.second-missing.unsigned': {} },
    expected: unauthenticated('second-missing.unsigned', 'insecure'),
  },
];
