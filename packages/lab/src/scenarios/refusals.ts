/**
 * Why a message is not delivered, in words for people, and how a sender that stops for that very reason tells of it.
 * One that stops for another reason, and so by chance, is found out.
 */
import type { Evidence } from '../scenario.js';

/** Nobody was connected to: DNS did not say enough. */
const lookUp = (failure: string | null): Evidence => ({ enhancedStatus: '4.4.3', failure, stage: null });

/** The handshake, or the certificate that came with it. */
const handshake = (failure: string): Evidence => ({ enhancedStatus: '4.7.5', failure, stage: 'handshake' });

/** There is no TLS. */
const NO_TLS: Evidence = { enhancedStatus: '4.7.4', failure: 'starttls-not-supported', stage: 'starttls' };

/** The server, or DNS for all its servers, says so itself. */
const said = (enhancedStatus: string): Evidence => ({ enhancedStatus, failure: null, stage: null });

const silent = (stage: string): Evidence => ({ enhancedStatus: '4.4.2', failure: null, stage });

/** Nobody was connected to: by RFC 8460 section 4.3.2 a policy of the domain, or of the sender, forbids it. */
const forbidden = (failure: string): Evidence => ({ enhancedStatus: '4.7.5', failure, stage: null });

export const REFUSALS = {
  'the MX record is bogus': lookUp('dnssec-invalid'),
  'the zone is bogus': lookUp('dnssec-invalid'),
  'the absence of MX records is not proved': lookUp('dnssec-invalid'),
  'the MX look-up failed': lookUp(null),
  'the address records are bogus': lookUp('dnssec-invalid'),
  'the address look-up failed': lookUp(null),
  'the look-up failed behind an alias': lookUp(null),
  'the aliases lead in a circle': lookUp(null),
  'there are too many aliases': lookUp(null),
  'the TLSA look-up failed': lookUp('dnssec-invalid'),
  'the TLSA look-ups failed': lookUp('dnssec-invalid'),
  'the TLSA records are bogus': lookUp('dnssec-invalid'),
  'the absence of TLSA records is not proved': lookUp('dnssec-invalid'),

  'STARTTLS is not offered though TLSA records are published': NO_TLS,
  'the server refused STARTTLS': NO_TLS,
  'no STARTTLS': NO_TLS,
  'the TLS handshake failed': handshake('validation-failure'),
  'TLS 1.0 is retired': handshake('validation-failure'),
  'the TLS handshake was not completed in time': silent('handshake'),
  'the server did not greet in time': silent('greeting'),

  'the certificate matches no TLSA record': handshake('validation-failure'),
  'the certificate matches no TLSA record of the expanded name': handshake('validation-failure'),
  'the certificate matches no usable TLSA record': handshake('validation-failure'),
  'only the strongest digest counts, and it does not match': handshake('validation-failure'),
  'no TLSA record matches': handshake('validation-failure'),
  'no certificate of the chain matches the DANE-TA record': handshake('certificate-not-trusted'),
  'the certificate is no anchor for itself': handshake('certificate-not-trusted'),
  'the path is longer than the anchor allows': handshake('certificate-not-trusted'),
  "the anchor's name constraints forbid the name": handshake('certificate-not-trusted'),
  'the issuer may not sign certificates': handshake('certificate-not-trusted'),
  'the issuer is no CA': handshake('certificate-not-trusted'),
  'a critical extension is not known': handshake('certificate-not-trusted'),
  'the signature is too weak': handshake('certificate-not-trusted'),
  'the signature does not verify': handshake('certificate-not-trusted'),
  'the certificate is not for servers': handshake('certificate-not-trusted'),
  'the certificate leads to no root': handshake('certificate-not-trusted'),
  'the certificate below the DANE-TA anchor has expired': handshake('certificate-expired'),
  'a certificate of the chain has expired': handshake('certificate-expired'),
  'the anchor has expired': handshake('certificate-expired'),
  'no reference identifier is in the certificate': handshake('certificate-host-mismatch'),
  'a wildcard stands for one label only': handshake('certificate-host-mismatch'),

  'local policy asks for DANE, and there are no TLSA records': forbidden('dane-required'),
  'the host is not in the policy': forbidden('validation-failure'),

  'the server answered RCPT with 450': said('4.2.1'),
  'the server answered RCPT with 550': said('5.1.1'),
  'the domain accepts no mail (null MX)': said('5.1.10'),
  'the domain does not exist': said('5.1.2'),
  'no MX host has an address': said('5.4.4'),
} as const satisfies Readonly<Record<string, Evidence>>;

export type Refusal = keyof typeof REFUSALS;
