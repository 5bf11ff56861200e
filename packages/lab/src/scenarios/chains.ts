/** From the DANE-TA anchor down to the server's certificate. RFC 7671 section 5.2, RFC 5280 section 6. */
import type { AuthoritySpec, CertificateSpec, TlsaSpec } from '../mail-habits.js';
import type { Scenario } from '../scenario.js';
import { AUTHORITIES, authenticated, deferred, oneHost } from './one-host.js';
import type { Refusal } from './refusals.js';

interface Chain {
  readonly certificate?: CertificateSpec;
  readonly authorities?: Readonly<Record<string, AuthoritySpec>>;
  /** By default the root's certificate. */
  readonly tlsa?: TlsaSpec;
  readonly rule?: string;
  readonly shows: string;
}

const ROOT: TlsaSpec = { parameters: '2 0 1', of: 'Root' };

function chain(domain: string, spec: Chain, because?: Refusal): Scenario {
  const {
    certificate = {},
    authorities = AUTHORITIES,
    tlsa = ROOT,
    rule = 'RFC 7671 section 5.2',
    shows,
  } = spec;
  const by = typeof tlsa === 'string' ? tlsa : '2 0 1';
  return {
    ...oneHost(domain, {
      host: { certificate: { issuer: 'Issuer', ...certificate }, tlsa: [tlsa] },
      authorities,
    }),
    shows,
    rule,
    expected: because === undefined ? authenticated(domain, by) : deferred(because),
  };
}

export const CHAINS: readonly Scenario[] = [
  chain('ta-bare-key.example', {
    certificate: { chain: 'leaf-only' },
    tlsa: '2 1 0',
    rule: 'RFC 7671 section 5.2.3',
    shows: 'The record has the whole key of the authority, whose certificate is not sent and not needed.',
  }),
  chain('ta-full-not-sent.example', {
    certificate: { chain: 'leaf-only' },
    tlsa: '2 0 0',
    rule: 'RFC 7671 section 5.2.2',
    shows: 'The record has the whole certificate of the authority, which is not sent.',
  }),
  chain('ta-out-of-order.example', {
    certificate: { chain: ['Root', 'Issuer'] },
    shows: 'The certificates are sent in disorder.',
  }),
  chain('ta-strangers.example', {
    certificate: { chain: ['stranger', 'Issuer', 'stranger', 'Root'] },
    shows: 'Among the certificates are some that have nothing to do with it.',
  }),
  chain('ta-two-issuers.example', {
    authorities: {
      Root: {},
      Wrong: { name: 'Twin', parent: 'Root' },
      Right: { name: 'Twin', parent: 'Root' },
    },
    certificate: { issuer: 'Right', chain: ['Wrong', 'Right', 'Root'] },
    rule: 'RFC 5280 section 6.1',
    shows: 'Two authorities have one name, and the first of them did not sign.',
  }),
  chain('ta-cross-signed.example', {
    authorities: {
      Root: {},
      OldRoot: {},
      Issuer: { parent: 'Root' },
      CrossIssuer: { name: 'Issuer', sameKeyAs: 'Issuer', parent: 'OldRoot' },
    },
    certificate: { chain: ['Issuer', 'Root', 'CrossIssuer', 'OldRoot'] },
    tlsa: { parameters: '2 0 1', of: 'OldRoot' },
    shows: 'Two roots have signed the authority; the anchor is above its second certificate.',
  }),
  chain('ta-self-issued.example', {
    authorities: { Root: { name: 'Rolling' }, New: { name: 'Rolling', parent: 'Root' } },
    certificate: { issuer: 'New' },
    rule: 'RFC 5280 section 6.1',
    shows: "An authority's new key is signed by its old one: both have one name, and it is not self-signed.",
  }),
  chain(
    'ta-path-length.example',
    {
      authorities: { Root: { pathLength: 0 }, Issuer: { parent: 'Root' } },
      rule: 'RFC 7672 section 3.1.2',
      shows: 'The anchor allows no authority below itself, and there is one.',
    },
    'the path is longer than the anchor allows',
  ),
  chain(
    'ta-name-constraints.example',
    {
      authorities: {
        Root: { nameConstraints: { permitted: ['elsewhere.invalid'] } },
        Issuer: { parent: 'Root' },
      },
      rule: 'RFC 7672 section 3.1.2',
      shows: 'The anchor is good for other names only.',
    },
    "the anchor's name constraints forbid the name",
  ),
  chain(
    'ta-key-usage.example',
    {
      authorities: { Root: {}, Issuer: { parent: 'Root', keyUsage: ['digitalSignature'] } },
      rule: 'RFC 5280 section 6.1.4',
      shows: "The issuer's key is not for signing certificates.",
    },
    'the issuer may not sign certificates',
  ),
  chain(
    'ta-not-an-authority.example',
    {
      authorities: { Root: {}, Issuer: { parent: 'Root', basicConstraints: 'not-ca' } },
      rule: 'RFC 5280 section 6.1.4',
      shows: 'The issuer is no authority: anybody with a certificate could have signed this one.',
    },
    'the issuer is no CA',
  ),
  chain(
    'ta-critical-extension.example',
    {
      authorities: { Root: {}, Issuer: { parent: 'Root', unknownCriticalExtension: true } },
      rule: 'RFC 5280 section 4.2',
      shows: 'The issuer has a critical extension that nobody knows.',
    },
    'a critical extension is not known',
  ),
  chain(
    'ta-weak-signature.example',
    {
      authorities: { Root: {}, Issuer: { parent: 'Root', signatureHash: 'sha1' } },
      shows: 'The signature below the anchor is made with SHA-1.',
    },
    'the signature is too weak',
  ),
  chain(
    'ta-spoiled-signature.example',
    {
      certificate: { spoiledSignature: true },
      shows: "The authority's signature on the certificate is wrong.",
    },
    'the signature does not verify',
  ),
  chain(
    'ta-purpose.example',
    {
      certificate: { extendedKeyUsage: ['clientAuth'] },
      rule: 'RFC 5280 section 4.2.1.12',
      shows: 'The certificate is for TLS clients only.',
    },
    'the certificate is not for servers',
  ),
  chain(
    'ta-expired-issuer.example',
    {
      authorities: { Root: {}, Issuer: { parent: 'Root', validity: 'expired' } },
      shows: 'An authority between anchor and server has expired.',
    },
    'a certificate of the chain has expired',
  ),
  chain(
    'ta-expired-anchor.example',
    {
      authorities: { Root: {}, Issuer: { parent: 'Root', validity: 'expired' } },
      tlsa: '2 0 1',
      rule: 'RFC 7671 section 5.2.1',
      shows: 'The anchor itself, an intermediate certificate, has expired.',
    },
    'the anchor has expired',
  ),
  {
    ...oneHost('ta-self-signed.example', { host: { tlsa: ['2 0 1'] } }),
    shows: "A DANE-TA record for the server's own self-signed certificate, which is no authority.",
    rule: 'RFC 7671 section 5.2',
    expected: deferred('the certificate is no anchor for itself'),
  },
];
