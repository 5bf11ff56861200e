/** How zones are signed, not signed, or broken. RFC 7672 section 2.1.1, RFC 4035, RFC 5155. */

import type { Scenario } from '../scenario.js';
import type { Fault, Signing } from '../sign.js';
import { authenticated, deferred, oneHost, unauthenticated } from './one-host.js';

/** A good host in a zone that is signed in this way. */
function signedBy(domain: string, shows: string, rule: string, signing: Signing): Scenario {
  return {
    ...oneHost(domain, { host: { tlsa: ['3 1 1'] }, signing }),
    shows,
    rule,
    expected: authenticated(domain, '3 1 1'),
  };
}

/** The same in a zone that is broken. */
function broken(domain: string, shows: string, fault: Fault['fault']): Scenario {
  return {
    ...oneHost(domain, { host: { tlsa: ['3 1 1'] }, signing: { faults: [{ fault }] } }),
    shows,
    rule: 'RFC 4035 section 4.3',
    expected: deferred('the zone is bogus'),
  };
}

/** TLSA records that match nothing: who used them although they are insecure would not deliver. */
const MISLEADING = { tlsa: [{ parameters: '3 1 1', of: 'stranger' }] } as const;

export const ZONES: readonly Scenario[] = [
  signedBy('nsec3.example', 'The zone denies by NSEC3.', 'RFC 5155', { denial: {} }),
  signedBy(
    'nsec3-salted.example',
    'The zone denies by NSEC3, with salt and iterations.',
    'RFC 9276 section 3.1',
    {
      denial: { salt: 'aabbccdd', iterations: 10 },
    },
  ),
  signedBy('signed.optout', 'A signed delegation from a zone with opt-out.', 'RFC 5155 section 6', {}),
  signedBy('rsa.example', 'The zone is signed with RSA and SHA-256.', 'RFC 5702', { algorithm: 'RSASHA256' }),
  signedBy('ed25519.example', 'The zone is signed with Ed25519 by one key.', 'RFC 8080', {
    algorithm: 'ED25519',
    keys: 'csk',
  }),
  {
    ...oneHost('nsec3-no-tlsa.example', { host: {}, signing: { denial: {} } }),
    shows: 'No TLSA records, proved by NSEC3.',
    rule: 'RFC 5155 section 8.4',
    expected: unauthenticated('nsec3-no-tlsa.example', 'secure'),
  },
  {
    ...oneHost('nsec3-iterations.example', { host: {}, signing: { denial: { iterations: 500 } } }),
    shows:
      'The denial costs more hashing than anybody should be made to do: it proves nothing, and is insecure.',
    rule: 'RFC 9276 section 3.2',
    expected: unauthenticated('nsec3-iterations.example', 'secure'),
  },
  {
    domain: 'anything.wildcard.example',
    shows: 'The MX record comes from a wildcard; the proof that nothing is closer comes with it.',
    rule: 'RFC 4035 section 5.3.4',
    zones: { 'wildcard.example': { records: ['* MX 10 mx'] } },
    hosts: { 'mx.wildcard.example': { tlsa: ['3 1 1'] } },
    expected: authenticated('wildcard.example', '3 1 1'),
  },
  broken('expired.example', 'All signatures of the zone have expired.', 'expired'),
  broken('not-yet-valid.example', 'All signatures of the zone are of tomorrow.', 'not-yet-valid'),
  broken('signatures-missing.example', 'The zone has keys and a DS, but no signatures.', 'missing'),
  broken('ds-mismatch.example', "The parent's DS matches no key of the zone.", 'ds-mismatch'),
  broken('dnskey-missing.example', 'The zone has no DNSKEY records.', 'no-dnskey'),
  broken('unsigned-with-ds.example', 'The parent has a DS, the zone is not signed.', 'unsigned'),
  broken('wrong-key.example', 'The zone is signed with another key than it publishes.', 'wrong-key'),
  broken('wrong-signer.example', 'The signatures name the parent as their signer.', 'wrong-signer'),
  broken('wrong-labels.example', 'The signatures count one label too many.', 'wrong-labels'),
  {
    ...oneHost('insecure.optout', { host: MISLEADING, signing: 'unsigned' }),
    shows: 'An unsigned delegation within an opt-out span: its TLSA records are not to be believed.',
    rule: 'RFC 5155 section 8.9',
    expected: unauthenticated('insecure.optout', 'insecure'),
  },
  {
    ...oneHost('insecure.example', { host: MISLEADING, signing: 'unsigned' }),
    shows: 'An unsigned delegation, proved by NSEC: its TLSA records are not to be believed.',
    rule: 'RFC 7672 section 2.2.2',
    expected: unauthenticated('insecure.example', 'insecure'),
  },
  {
    ...oneHost('plain.unsigned', { host: {}, signing: 'unsigned' }),
    shows: 'Nothing is signed from the top-level domain downwards.',
    rule: 'RFC 7672 section 2.1.1',
    expected: unauthenticated('plain.unsigned', 'insecure'),
  },
  {
    ...oneHost('island.unsigned', { host: MISLEADING, withoutDs: true }),
    shows: 'A signed zone that no parent vouches for is as good as unsigned.',
    rule: 'RFC 4035 section 4.3',
    expected: unauthenticated('island.unsigned', 'insecure'),
  },
  {
    ...oneHost('unknown-algorithm.example', { host: MISLEADING, signing: { algorithm: 200 } }),
    shows: 'Signed with an algorithm that nobody knows: treated as unsigned.',
    rule: 'RFC 4035 section 5.2',
    expected: unauthenticated('unknown-algorithm.example', 'insecure'),
  },
  {
    ...oneHost('unknown-digest.example', { host: MISLEADING, signing: { digests: [200] } }),
    shows: 'The only DS has a digest type that nobody knows: treated as unsigned.',
    rule: 'RFC 6840 section 5.2',
    expected: unauthenticated('unknown-digest.example', 'insecure'),
  },
];
