/** Names in certificates under DANE-TA. RFC 7672 section 3.2.3, RFC 6125 section 6.4. */
import type { CertificateSpec } from '../mail-habits.js';
import type { Scenario } from '../scenario.js';
import { AUTHORITIES, authenticated, deferred, oneHost } from './one-host.js';

/** A host `mx` with this certificate, whose authority a DANE-TA record names. */
function named(
  domain: string,
  certificate: CertificateSpec,
  shows: string,
  expected: Scenario['expected'],
): Scenario {
  const host = { certificate: { ...certificate, issuer: 'Issuer' }, tlsa: ['2 0 1'] } as const;
  return {
    ...oneHost(domain, { host, authorities: AUTHORITIES }),
    shows,
    rule: 'RFC 7672 section 3.2.3',
    expected,
  };
}

const NO_MATCH = deferred('no reference identifier is in the certificate');

export const CERTIFICATE_NAMES: readonly Scenario[] = [
  named(
    'ta-common-name.example',
    { names: [], commonName: 'mx.ta-common-name.example' },
    'The certificate has no DNS name at all: then its common name counts.',
    authenticated('ta-common-name.example', '2 0 1'),
  ),
  named(
    'ta-common-name-beside.example',
    { names: ['other.invalid'], commonName: 'mx.ta-common-name-beside.example' },
    'Beside a DNS name the common name does not count.',
    NO_MATCH,
  ),
  named(
    'ta-common-name-address.example',
    { names: [], otherNames: { ip: ['192.0.2.1'] }, commonName: 'mx.ta-common-name-address.example' },
    'An IP address is no DNS name: the common name still counts.',
    authenticated('ta-common-name-address.example', '2 0 1'),
  ),
  named(
    'ta-many-names.example',
    { names: ['a.invalid', 'b.invalid', 'mx.ta-many-names.example', 'c.invalid'] },
    'One name of many is enough.',
    authenticated('ta-many-names.example', '2 0 1'),
  ),
  named(
    'ta-upper-case.example',
    { names: ['MX.TA-Upper-Case.EXAMPLE'] },
    'Upper and lower case are the same.',
    authenticated('ta-upper-case.example', '2 0 1'),
  ),
  named(
    'ta-wildcard.example',
    { names: ['*.ta-wildcard.example'] },
    'A wildcard stands for the first label.',
    authenticated('ta-wildcard.example', '2 0 1'),
  ),
  named(
    'ta-wildcard-part.example',
    { names: ['m*.ta-wildcard-part.example'] },
    'A wildcard within a label is none.',
    NO_MATCH,
  ),
  named(
    'ta-wildcard-top.example',
    { names: ['*.example'] },
    'A wildcard directly below a top-level domain is none.',
    NO_MATCH,
  ),
  {
    domain: 'ta-wildcard-deep.example',
    shows: 'A wildcard that would have to stand for two labels.',
    rule: 'RFC 7672 section 3.2.3',
    zones: { 'ta-wildcard-deep.example': { records: ['@ MX 10 mx.below'] } },
    hosts: {
      'mx.below.ta-wildcard-deep.example': {
        certificate: { issuer: 'Issuer', names: ['*.ta-wildcard-deep.example'] },
        tlsa: ['2 0 1'],
      },
    },
    authorities: AUTHORITIES,
    expected: deferred('a wildcard stands for one label only'),
  },
  named(
    'ta-printed-name.example',
    { names: ['other.invalid'], otherNames: { uri: ['http://a.invalid/, DNS:mx.ta-printed-name.example'] } },
    'A URI that would look like a DNS name if the certificate were printed.',
    NO_MATCH,
  ),
  named(
    'ta-nul.example',
    { names: ['mx.ta-nul.example\0.attacker.invalid'] },
    'A NUL does not end a name.',
    NO_MATCH,
  ),
];
