/** Does the certificate match the TLSA records? RFC 7672 section 3, RFC 7671 sections 4, 5 and 9. */
import type { Scenario } from '../scenario.js';
import { AUTHORITIES, authenticated, deferred, oneHost, unauthenticated } from './one-host.js';

const issued = { issuer: 'Issuer' } as const;

export const MATCHING: readonly Scenario[] = [
  {
    ...oneHost('good-3-1-1.example', { host: { tlsa: ['3 1 1'] } }),
    shows: "The recommended record: the digest of the server's public key.",
    rule: 'RFC 7672 section 3.1.1',
    expected: authenticated('good-3-1-1.example', '3 1 1'),
  },
  {
    ...oneHost('good-3-0-1.example', { host: { tlsa: ['3 0 1'] } }),
    shows: "The digest of the server's whole certificate.",
    rule: 'RFC 7672 section 3.1.1',
    expected: authenticated('good-3-0-1.example', '3 0 1'),
  },
  {
    ...oneHost('good-3-1-0.example', { host: { tlsa: ['3 1 0'] } }),
    shows: "The server's public key itself, not a digest of it.",
    rule: 'RFC 6698 section 2.1.3',
    expected: authenticated('good-3-1-0.example', '3 1 0'),
  },
  {
    ...oneHost('good-2-1-1.example', {
      host: { certificate: issued, tlsa: ['2 1 1'] },
      authorities: AUTHORITIES,
    }),
    shows: "The digest of the issuing authority's key; the certificate has the MX host's name.",
    rule: 'RFC 7672 section 3.1.2',
    expected: authenticated('good-2-1-1.example', '2 1 1'),
  },
  {
    ...oneHost('good-2-0-1.example', {
      host: { certificate: issued, tlsa: [{ parameters: '2 0 1', of: 'Root' }] },
      authorities: AUTHORITIES,
    }),
    shows: "The digest of a private root's certificate, which the server sends along.",
    rule: 'RFC 7672 section 3.1.2',
    expected: authenticated('good-2-0-1.example', '2 0 1'),
  },
  {
    ...oneHost('intermediate-anchor.example', {
      host: { certificate: { issuer: 'Issuer', chain: 'without-root' }, tlsa: ['2 0 1'] },
      authorities: AUTHORITIES,
    }),
    shows: 'The anchor is an intermediate certificate; its root is neither sent nor needed.',
    rule: 'RFC 7671 section 5.2',
    expected: authenticated('intermediate-anchor.example', '2 0 1'),
  },
  {
    ...oneHost('ee-expired-wrong-name.example', {
      host: { certificate: { validity: 'expired', names: ['other.invalid'] }, tlsa: ['3 1 1'] },
    }),
    shows: "With DANE-EE neither the certificate's dates nor its names count.",
    rule: 'RFC 7672 section 3.1.1',
    expected: authenticated('ee-expired-wrong-name.example', '3 1 1'),
  },
  {
    ...oneHost('ta-expired-leaf.example', {
      host: { certificate: { ...issued, validity: 'expired' }, tlsa: ['2 0 1'] },
      authorities: AUTHORITIES,
    }),
    shows: 'With DANE-TA the chain must be valid, and this certificate has expired.',
    rule: 'RFC 7671 section 5.2',
    expected: deferred('the certificate below the DANE-TA anchor has expired'),
  },
  {
    ...oneHost('ta-wrong-name.example', {
      host: { certificate: { ...issued, names: ['mx.other.example'] }, tlsa: ['2 0 1'] },
      authorities: AUTHORITIES,
    }),
    shows: 'With DANE-TA the certificate must have one of the reference names.',
    rule: 'RFC 7672 section 3.2.2',
    expected: deferred('no reference identifier is in the certificate'),
  },
  {
    ...oneHost('ta-next-hop-name.example', {
      host: { certificate: { ...issued, names: ['ta-next-hop-name.example'] }, tlsa: ['2 0 1'] },
      authorities: AUTHORITIES,
    }),
    shows: "The certificate has only the recipient domain's name: enough, as the MX record is secure.",
    rule: 'RFC 7672 section 3.2.2',
    expected: authenticated('ta-next-hop-name.example', '2 0 1'),
  },
  {
    ...oneHost('ta-not-sent.example', {
      host: { certificate: { ...issued, chain: 'leaf-only' }, tlsa: ['2 0 1'] },
      authorities: AUTHORITIES,
    }),
    shows: 'The server does not send the certificate that its DANE-TA record is about.',
    rule: 'RFC 7672 section 3.1.2',
    expected: deferred('no certificate of the chain matches the DANE-TA record'),
  },
  {
    ...oneHost('swapped-certificate.example', {
      host: { tlsa: ['3 1 1'], habits: { presents: {} } },
    }),
    shows: 'Someone in the middle presents a certificate of his own with the right name.',
    rule: 'RFC 7672 section 2.2',
    expected: deferred('the certificate matches no TLSA record'),
  },
  {
    ...oneHost('roll-over.example', {
      host: { tlsa: [{ parameters: '3 1 1', of: 'stranger' }, '3 1 1'] },
    }),
    shows: 'Records for the key of yesterday and that of today: one match is enough.',
    rule: 'RFC 7671 section 8.1',
    expected: authenticated('roll-over.example', '3 1 1'),
  },
  {
    ...oneHost('ee-or-ta.example', {
      host: {
        certificate: issued,
        tlsa: [{ parameters: '3 1 1', of: 'stranger' }, '2 0 1'],
      },
      authorities: AUTHORITIES,
    }),
    shows: 'A DANE-EE record that does not match does not stand in the way of a DANE-TA record that does.',
    rule: 'RFC 6698 section 2.1.1',
    expected: authenticated('ee-or-ta.example', '2 0 1'),
  },
  {
    ...oneHost('digest-agility.example', {
      host: { tlsa: [{ parameters: '3 1 1', of: 'stranger' }, '3 1 2'] },
    }),
    shows: 'SHA2-512 is there, so the SHA2-256 record is set aside; the stronger one matches.',
    rule: 'RFC 7671 section 9',
    expected: authenticated('digest-agility.example', '3 1 2'),
  },
  {
    ...oneHost('weaker-digest-only.example', {
      host: { tlsa: ['3 1 1', { parameters: '3 1 2', of: 'stranger' }] },
    }),
    shows: 'Only the SHA2-256 record would match, but it was set aside for the stronger one.',
    rule: 'RFC 7671 section 9',
    expected: deferred('only the strongest digest counts, and it does not match'),
  },
  {
    ...oneHost('unusable.example', {
      host: { tlsa: ['1 1 1', '0 0 1', { parameters: '3 1 1', hex: 'abcd' }] },
    }),
    shows: 'PKIX usages and a digest too short: nothing to match, but TLS is mandatory.',
    rule: 'RFC 7672 section 2.2',
    expected: unauthenticated('unusable.example', 'secure'),
  },
  {
    ...oneHost('unusable-beside-usable.example', {
      host: { tlsa: ['1 1 1', { parameters: '3 1 1', of: 'stranger' }] },
    }),
    shows: 'An unusable record changes nothing: the usable one is in force, and does not match.',
    rule: 'RFC 7672 section 2.2',
    expected: deferred('the certificate matches no usable TLSA record'),
  },
  {
    ...oneHost('needs-sni.example', {
      host: { tlsa: ['3 1 1'], habits: { withoutSni: 'alert', unknownName: 'alert' } },
    }),
    shows: 'The server speaks only to those who name it: the base domain is sent as SNI.',
    rule: 'RFC 7672 section 8.1',
    expected: authenticated('needs-sni.example', '3 1 1'),
  },
  {
    ...oneHost('agility-unusable.example', {
      host: { tlsa: ['3 1 1', { parameters: '3 1 2', hex: 'ab'.repeat(20) }] },
    }),
    shows: 'A SHA2-512 record that is too short is no record: it sets nothing aside.',
    rule: 'RFC 7671 section 9',
    expected: authenticated('agility-unusable.example', '3 1 1'),
  },
  {
    ...oneHost('agility-full.example', {
      host: { tlsa: ['3 1 0', { parameters: '3 1 2', of: 'stranger' }] },
    }),
    shows: 'A record without digest is never set aside for one with a digest.',
    rule: 'RFC 7671 section 9',
    expected: authenticated('agility-full.example', '3 1 0'),
  },
  {
    ...oneHost('unusable-parameters.example', { host: { tlsa: ['3 2 1', '3 1 3', '4 1 1', '255 0 1'] } }),
    shows: 'Selectors, digests and usages that nobody defined: nothing to match, but TLS is mandatory.',
    rule: 'RFC 7672 section 2.2',
    expected: unauthenticated('unusable-parameters.example', 'secure'),
  },
  {
    ...oneHost('full-garbage.example', { host: { tlsa: [{ parameters: '3 0 0', hex: '5a'.repeat(32) }] } }),
    shows: 'A digest where the whole certificate should stand: unusable, not a mismatch.',
    rule: 'RFC 7672 section 2.2',
    expected: unauthenticated('full-garbage.example', 'secure'),
  },
  {
    ...oneHost('ee-weak-signature.example', {
      host: { certificate: { ...issued, signatureHash: 'sha1' }, tlsa: ['3 1 1'] },
      authorities: AUTHORITIES,
    }),
    shows: 'With DANE-EE the signature on the certificate is of no account, and so is its weakness.',
    rule: 'RFC 7671 section 5.1',
    expected: authenticated('ee-weak-signature.example', '3 1 1'),
  },
  {
    ...oneHost('many-records.example', {
      host: {
        tlsa: [
          ...Array.from({ length: 40 }, () => ({ parameters: '3 1 1', of: 'stranger' }) as const),
          '3 1 1',
        ],
      },
    }),
    shows: 'One of 41 records matches; they fit into no datagram and are fetched over TCP.',
    rule: 'RFC 7671 section 10.1.1',
    expected: authenticated('many-records.example', '3 1 1'),
  },
];
