/**
 * MTA-STS (RFC 8461) beside DANE. The certificates of these hosts are issued by `Web`, the lab's public
 * authority, except where somebody could not get one.
 */
import { WEB_AUTHORITY } from '../internet.js';
import type { HostSpec, Scenario, StsSpec } from '../scenario.js';
import { deferred, oneHost, unauthenticated } from './one-host.js';

const WEB: HostSpec = { certificate: { issuer: WEB_AUTHORITY, chain: 'without-root' } };

function policyOf(domain: string, mode: 'enforce' | 'testing' | 'none', host = `mx.${domain}`): string {
  return `version: STSv1\r\nmode: ${mode}\r\nmx: ${host}\r\nmax_age: 604800\r\n`;
}

const trusted = (domain: string, mx: 'secure' | 'insecure'): Scenario['expected'] => ({
  status: 'delivered',
  host: `mx.${domain}`,
  mx,
  tls: 'trusted',
});

/** A domain with one host and a policy. */
function stsHost(
  domain: string,
  host: HostSpec,
  sts: Partial<StsSpec> & Pick<StsSpec, 'policy'>,
): Pick<Scenario, 'domain' | 'zones' | 'hosts' | 'authorities' | 'sts'> {
  const unsigned = domain.endsWith('.unsigned') ? { signing: 'unsigned' as const } : {};
  return { ...oneHost(domain, { host, ...unsigned }), sts: { id: '20261124', ...sts } };
}

export const STS_SCENARIOS: readonly Scenario[] = [
  {
    ...stsHost('sts-enforce.unsigned', WEB, { policy: policyOf('sts-enforce.unsigned', 'enforce') }),
    shows: 'An unsigned domain whose host has the certificate that its policy asks for.',
    rule: 'RFC 8461 section 4',
    expected: trusted('sts-enforce.unsigned', 'insecure'),
  },
  {
    ...stsHost('sts-self-signed.unsigned', {}, { policy: policyOf('sts-self-signed.unsigned', 'enforce') }),
    shows: 'The host has a certificate of its own making, and the policy asks for a public one.',
    rule: 'RFC 8461 section 4.2',
    expected: deferred('the certificate leads to no root'),
  },
  {
    ...stsHost(
      'sts-no-starttls.unsigned',
      { ...WEB, habits: { starttls: 'stripped' } },
      { policy: policyOf('sts-no-starttls.unsigned', 'enforce') },
    ),
    shows: 'Somebody strips STARTTLS, and the policy asks for TLS.',
    rule: 'RFC 8461 section 5',
    expected: deferred('no STARTTLS'),
  },
  {
    ...stsHost('sts-testing.unsigned', {}, { policy: policyOf('sts-testing.unsigned', 'testing') }),
    shows: 'A policy that is only tried out stops nothing.',
    rule: 'RFC 8461 section 5',
    expected: unauthenticated('sts-testing.unsigned', 'insecure'),
  },
  {
    ...stsHost('sts-none.unsigned', {}, { policy: policyOf('sts-none.unsigned', 'none') }),
    shows: 'A policy that has been withdrawn.',
    rule: 'RFC 8461 section 8.3',
    expected: unauthenticated('sts-none.unsigned', 'insecure'),
  },
  {
    ...stsHost('sts-other-host.unsigned', WEB, {
      policy: policyOf('sts-other-host.unsigned', 'enforce', 'mail.sts-other-host.unsigned'),
    }),
    shows: 'The MX record names a host that the policy does not list.',
    rule: 'RFC 8461 section 4.1',
    expected: deferred('the host is not in the policy'),
  },
  {
    ...stsHost('sts-broken.unsigned', {}, { policy: '<html>It works!</html>' }),
    shows: 'The web server has something else there, and no policy is known: as though there were none.',
    rule: 'RFC 8461 section 3.3',
    expected: unauthenticated('sts-broken.unsigned', 'insecure'),
  },
  {
    ...stsHost(
      'sts-dane-decides.example',
      { tlsa: ['3 1 1'] },
      { policy: policyOf('sts-dane-decides.example', 'enforce', 'elsewhere.example') },
    ),
    shows:
      'Signed MX, matching TLSA, and a policy that neither host nor certificate fulfil: DANE alone decides.',
    rule: 'RFC 8461 section 2',
    expected: {
      status: 'delivered',
      host: 'mx.sts-dane-decides.example',
      mx: 'secure',
      tls: { by: '3 1 1', baseDomain: 'mx.sts-dane-decides.example' },
    },
  },
  {
    ...stsHost(
      'sts-no-rescue.example',
      { ...WEB, tlsa: [{ of: 'stranger', parameters: '3 1 1' }] },
      { policy: policyOf('sts-no-rescue.example', 'enforce') },
    ),
    shows: 'The certificate is what the policy asks for and not what TLSA says: no rescue.',
    rule: 'RFC 8461 section 2',
    expected: deferred('no TLSA record matches'),
  },
  {
    ...stsHost('sts-without-tlsa.example', WEB, { policy: policyOf('sts-without-tlsa.example', 'enforce') }),
    shows: 'A signed domain whose host has no TLSA records follows its policy.',
    rule: 'RFC 8461 section 5',
    expected: trusted('sts-without-tlsa.example', 'secure'),
  },
  {
    domain: 'sts-forged-mx.unsigned',
    shows:
      'A forged MX record names an attacker’s own host, signed and with TLSA that matches; a policy is known.',
    rule: 'RFC 8461 section 10.2',
    zones: {
      'sts-forged-mx.unsigned': { signing: 'unsigned', records: ['@ MX 10 mx.sts-attacker.example.'] },
      'sts-attacker.example': {},
    },
    hosts: { 'mx.sts-attacker.example': { ...WEB, tlsa: ['3 1 1'] } },
    // Whoever forges MX records keeps the record of the policy back as well.
    sts: {
      policy: policyOf('sts-forged-mx.unsigned', 'enforce'),
      id: '1',
      record: 'suppressed',
      known: true,
    },
    expected: deferred('the host is not in the policy'),
  },
];
