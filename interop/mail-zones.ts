/**
 * The domains that mail is sent to: what each publishes, how its zone is signed, and what RFC 7672 asks for.
 */
import { addresses, type MailHosts } from './mail-hosts.js';
import type { Signing, ZonePlan } from './signed-zone.js';

export type Arrival = 'postfix' | 'exim';

/** What has to come of sending to one domain. */
export type Sent =
  /** `authenticated`: the usage and owner of the matching record; null where nobody was authenticated. */
  | {
      readonly status: 'delivered';
      readonly at: Arrival;
      readonly tls: boolean;
      readonly authenticated: { readonly usage: 2 | 3; readonly baseDomain: string } | null;
      readonly mx: 'secure' | 'insecure';
    }
  /** `reason`: what the explanation has to name. */
  | { readonly status: 'deferred' | 'failed'; readonly reason: RegExp };

/** What DNS says of the mail hosts is known once they have a port and keys. */
type PublishedHosts = Pick<MailHosts, 'port' | 'certificates'>;

export interface MailDomain {
  /** A sentence. */
  readonly title: string;
  readonly origin: string;
  readonly signing: Signing | 'unsigned';
  readonly records: (hosts: PublishedHosts) => string;
  readonly expected: Sent;
}

const p256 = 'ECDSAP256SHA256';
const ldnsNsec: Signing = { signer: 'ldns', algorithm: p256, denial: 'nsec' };
const ldnsNsec3: Signing = { signer: 'ldns', algorithm: p256, denial: 'nsec3' };
const bindNsec: Signing = { signer: 'bind', algorithm: p256, denial: 'nsec' };
const bindNsec3: Signing = { signer: 'bind', algorithm: p256, denial: 'nsec3' };

const authenticated = (at: Arrival, usage: 2 | 3, baseDomain: string): Sent => ({
  status: 'delivered',
  at,
  tls: true,
  authenticated: { usage, baseDomain },
  mx: 'secure',
});
const opportunistic = (at: Arrival, mx: 'secure' | 'insecure'): Sent => ({
  status: 'delivered',
  at,
  tls: true,
  authenticated: null,
  mx,
});
const deferred = (reason: RegExp): Sent => ({ status: 'deferred', reason });

/** One mail host, `mx`, at `address`, and its TLSA records. */
const host =
  (address: string, tlsa: (c: MailHosts['certificates']) => string[] = () => []) =>
  ({ port, certificates }: PublishedHosts): string => {
    const published = tlsa(certificates).map((data) => `_${port}._tcp.mx IN TLSA ${data}`);
    return ['@ IN MX 10 mx', `mx IN A ${address}`, ...published].join('\n');
  };

export const mailDomains: readonly MailDomain[] = [
  {
    title: 'Postfix is authenticated by 3 1 1',
    origin: 'postfix-ee.ldns',
    signing: ldnsNsec,
    records: host(addresses.postfixEe, (c) => [c.postfixEe.daneEe]),
    expected: authenticated('postfix', 3, 'mx.postfix-ee.ldns'),
  },
  {
    title: 'Postfix is authenticated by 2 1 1',
    origin: 'postfix-ta.bind',
    signing: { ...bindNsec3, algorithm: 'ECDSAP384SHA384' },
    records: host(addresses.postfixTa, (c) => [c.postfixTa.daneTa]),
    expected: authenticated('postfix', 2, 'mx.postfix-ta.bind'),
  },
  {
    title: 'Exim is authenticated by 3 1 1',
    origin: 'exim-ee.bind',
    signing: { ...bindNsec, algorithm: 'RSASHA256', keys: 'two' },
    records: host(addresses.eximEe, (c) => [c.eximEe.daneEe]),
    expected: authenticated('exim', 3, 'mx.exim-ee.bind'),
  },
  {
    title: 'Exim is authenticated by 2 1 1',
    origin: 'exim-ta.ldns',
    signing: { ...ldnsNsec3, algorithm: 'ED25519' },
    records: host(addresses.eximTa, (c) => [c.eximTa.daneTa]),
    expected: authenticated('exim', 2, 'mx.exim-ta.ldns'),
  },
  {
    title: 'Postfix shows the certificate of the base domain, asked for by SNI',
    origin: 'sni.bind',
    signing: bindNsec,
    records: host(addresses.postfixEe, (c) => [c.sni.daneTa]),
    expected: authenticated('postfix', 2, 'mx.sni.bind'),
  },
  {
    title: 'one matching record among others is enough',
    origin: 'roll-over.ldns',
    signing: ldnsNsec3,
    records: host(addresses.postfixEe, (c) => [c.eximEe.daneEe, c.postfixTa.daneTa, c.postfixEe.daneEe]),
    expected: authenticated('postfix', 3, 'mx.roll-over.ldns'),
  },
  {
    title: 'a mail host that is an alias has the records of its target',
    origin: 'alias.ldns',
    signing: ldnsNsec,
    records: () => '@ IN MX 10 mx\nmx IN CNAME mx.postfix-ta.bind.',
    expected: authenticated('postfix', 2, 'mx.postfix-ta.bind'),
  },
  {
    title: 'TLSA records behind an alias keep the host as base domain',
    origin: 'tlsa-alias.bind',
    signing: bindNsec3,
    records: ({ port, certificates }) =>
      [
        ...['@ IN MX 10 mx', `mx IN A ${addresses.eximEe}`],
        ...[`_${port}._tcp.mx IN CNAME keys`, `keys IN TLSA ${certificates.eximEe.daneEe}`],
      ].join('\n'),
    expected: authenticated('exim', 3, 'mx.tlsa-alias.bind'),
  },
  {
    title: 'a domain without MX is its own mail host',
    origin: 'no-mx.bind',
    signing: bindNsec3,
    records: ({ port, certificates }) =>
      `@ IN A ${addresses.eximEe}\n_${port}._tcp IN TLSA ${certificates.eximEe.daneEe}`,
    expected: authenticated('exim', 3, 'no-mx.bind'),
  },
  {
    title: 'a host that fails is passed over for the next',
    origin: 'second.ldns',
    signing: ldnsNsec,
    records: () => '@ IN MX 10 mx.mismatch.ldns.\n@ IN MX 20 mx.exim-ee.bind.',
    expected: authenticated('exim', 3, 'mx.exim-ee.bind'),
  },
  {
    title: 'an unsigned domain at a signed host is authenticated, its MX insecure',
    origin: 'hosted.ldns',
    signing: 'unsigned',
    records: () => '@ IN MX 10 mx.postfix-ee.ldns.',
    expected: {
      status: 'delivered',
      at: 'postfix',
      tls: true,
      authenticated: { usage: 3, baseDomain: 'mx.postfix-ee.ldns' },
      mx: 'insecure',
    },
  },
  {
    title: 'only unusable records: TLS, and nobody authenticated',
    origin: 'unusable.bind',
    signing: bindNsec,
    records: host(addresses.postfixEe, (c) => [c.postfixEe.daneEe.replace(/^3/, '1')]),
    expected: opportunistic('postfix', 'secure'),
  },
  {
    title: 'no TLSA, proved by NSEC3 of ldns: opportunistic TLS',
    origin: 'no-tlsa.ldns',
    signing: ldnsNsec3,
    records: host(addresses.postfixTa),
    expected: opportunistic('postfix', 'secure'),
  },
  {
    title: 'no TLSA, proved by NSEC3 of BIND: opportunistic TLS',
    origin: 'no-tlsa.bind',
    signing: bindNsec3,
    records: host(addresses.eximTa),
    expected: opportunistic('exim', 'secure'),
  },
  {
    title: 'no TLSA and no STARTTLS: clear text',
    origin: 'clear.bind',
    signing: bindNsec,
    records: host(addresses.postfixClear),
    expected: { status: 'delivered', at: 'postfix', tls: false, authenticated: null, mx: 'secure' },
  },
  {
    title: 'an insecure delegation, proved by NSEC: its TLSA records count for nothing',
    origin: 'unsigned.ldns',
    signing: 'unsigned',
    records: host(addresses.postfixEe, (c) => [c.eximEe.daneEe]),
    expected: opportunistic('postfix', 'insecure'),
  },
  {
    title: 'an insecure delegation, proved by opt-out: its TLSA records count for nothing',
    origin: 'unsigned.bind',
    signing: 'unsigned',
    records: host(addresses.eximEe, (c) => [c.postfixEe.daneEe]),
    expected: opportunistic('exim', 'insecure'),
  },
  {
    title: 'another key than 3 1 1 says: refused',
    origin: 'mismatch.ldns',
    signing: ldnsNsec3,
    records: host(addresses.postfixEe, (c) => [c.eximEe.daneEe]),
    expected: deferred(/TLSA|match/i),
  },
  {
    title: 'another anchor than 2 1 1 says: refused',
    origin: 'mismatch.bind',
    signing: bindNsec,
    records: host(addresses.eximTa, (c) => [c.postfixTa.daneTa]),
    expected: deferred(/TLSA|match/i),
  },
  {
    title: 'the right anchor but another name: refused',
    origin: 'wrong-name.bind',
    signing: bindNsec3,
    records: host(addresses.postfixTa, (c) => [c.postfixTa.daneTa]),
    expected: deferred(/name/i),
  },
  {
    title: 'TLSA but no STARTTLS: refused',
    origin: 'stripped.ldns',
    signing: ldnsNsec,
    records: host(addresses.postfixClear, (c) => [c.postfixEe.daneEe]),
    expected: deferred(/STARTTLS/),
  },
  {
    title: 'a damaged signature over MX: deferred',
    origin: 'bogus-mx.ldns',
    signing: { ...ldnsNsec, damage: ['MX'] },
    records: host(addresses.postfixEe, (c) => [c.postfixEe.daneEe]),
    expected: deferred(/MX/),
  },
  {
    title: 'a damaged signature over the address: deferred',
    origin: 'bogus-address.bind',
    signing: { ...bindNsec, damage: ['A'] },
    records: host(addresses.postfixEe, (c) => [c.postfixEe.daneEe]),
    expected: deferred(/mx\.bogus-address\.bind/),
  },
  {
    title: 'a damaged signature over TLSA: deferred',
    origin: 'bogus-tlsa.bind',
    signing: { ...bindNsec3, damage: ['TLSA'] },
    records: host(addresses.eximEe, (c) => [c.eximEe.daneEe]),
    expected: deferred(/TLSA/),
  },
  {
    title: 'a damaged proof that there is no TLSA: deferred',
    origin: 'bogus-denial.ldns',
    signing: { ...ldnsNsec3, damage: ['NSEC3'] },
    records: host(addresses.postfixEe),
    expected: deferred(/TLSA|AAAA/),
  },
  {
    title: 'expired signatures: deferred',
    origin: 'expired.bind',
    signing: { ...bindNsec, validity: 'expired' },
    records: host(addresses.postfixEe, (c) => [c.postfixEe.daneEe]),
    expected: deferred(/expired\.bind/),
  },
  {
    title: 'a null MX: failed for good',
    origin: 'null-mx.bind',
    signing: bindNsec3,
    records: () => '@ IN MX 0 .',
    expected: { status: 'failed', reason: /MX/ },
  },
];

/** A root and a top-level domain signed by ldns, one with opt-out signed by BIND, and the domains. */
export function mailZones(hosts: PublishedHosts): ZonePlan[] {
  return [
    { origin: '.', records: '', signing: { ...ldnsNsec, keys: 'two' } },
    { origin: 'ldns', records: '', signing: { ...ldnsNsec, keys: 'two' } },
    { origin: 'bind', records: '', signing: { ...bindNsec3, denial: 'nsec3-opt-out', keys: 'two' } },
    ...mailDomains.map(({ origin, signing, records }) => ({ origin, signing, records: records(hosts) })),
  ];
}
