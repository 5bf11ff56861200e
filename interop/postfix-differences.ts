/**
 * Where Debian's Postfix 3.7 comes to another outcome than RFC 7672 asks for, or than danelaw where the text
 * leaves a choice; and why, with the words of the RFC. In all other scenarios it must come to the same.
 */
import type { OutcomeWords } from './outcome-words.js';

export interface Difference {
  /** What Postfix comes to, by the scenario's domain. */
  readonly postfix: Readonly<Record<string, PostfixOutcome>>;
  readonly title: string;
  /** Whose words these are: `RFC 7672 section 3.2.2`. */
  readonly section: string;
  /** Literally, but for line breaks. */
  readonly quote: string;
  readonly explanation: string;
}

export interface PostfixOutcome {
  /** Absent where it is the same as danelaw's. */
  readonly dane?: OutcomeWords;
  readonly daneOnly?: OutcomeWords;
}

const DEFERRED = { dane: 'deferred', daneOnly: 'deferred' } as const;

export const DIFFERENCES: readonly Difference[] = [
  {
    title: 'Names behind insecure MX records',
    postfix: {
      'hosted-name.unsigned': { dane: 'host authenticated at mx.hosted-name-provider.example' },
      'twin.unsigned': { dane: 'host authenticated at mx.twin-provider.example' },
    },
    section: 'RFC 7672 section 3.2.2',
    quote:
      'When the client MTA is employing DANE TLS security despite "insecure" MX redirection, the MX ' +
      'hostname is the only reference identifier.',
    explanation:
      'The certificate has the name of the recipient domain and not that of the MX host. Postfix accepts ' +
      'the domain as a name here too, and is laxer than the text. Nothing is claimed by it: the log says ' +
      '"Trusted", not "Verified".',
  },
  {
    title: 'The original name of a domain without MX records',
    postfix: { 'alias.implicit-mx-alias.example': DEFERRED },
    section: 'RFC 7672 section 3.2.2',
    quote:
      'If MX records were not used (e.g., if none exist) and the TLSA base domain is the CNAME-expanded ' +
      'original next-hop domain, then the original next-hop domain MUST be included as a second ' +
      'reference identifier.',
    explanation:
      'The certificate has the original name only. Postfix 3.7 does not look for it, and finds no match; ' +
      'danelaw follows the text.',
  },
  {
    title: 'Clear text after TLS has failed',
    postfix: {
      'no-tlsa-broken-handshake.example': { dane: 'deferred' },
      'no-tlsa-drop-after-handshake.example': { dane: 'deferred' },
    },
    section: 'RFC 7672 section 2.2',
    quote:
      'The MTA MAY retry in cleartext when delivery via TLS fails during the handshake or even during ' +
      'data transfer.',
    explanation:
      'Both do so. Postfix first keeps the message for `minimal_backoff_time` (five minutes) in its ' +
      'queue, and what is shown is its first attempt. danelaw tries at once.',
  },
  {
    title: 'Two ways up from one certificate',
    postfix: { 'ta-cross-signed.example': DEFERRED },
    section: 'RFC 5280 section 6.1',
    quote:
      'The procedure performed to obtain this sequence of certificates is outside the scope of this ' +
      'specification.',
    explanation:
      'The server sends both certificates of a cross-signed authority, and the anchor is above the second' +
      ' one. OpenSSL 3.0, and so Postfix, follows the first and does not come back; danelaw tries both.',
  },
  {
    title: 'An anchor that has expired',
    postfix: {
      'ta-expired-anchor.example': {
        dane: 'authenticated at mx.ta-expired-anchor.example',
        daneOnly: 'authenticated at mx.ta-expired-anchor.example',
      },
    },
    section: 'RFC 7671 section 5.2.1',
    quote:
      'In particular, when authenticating the peer certificate chain via such a TLSA record, the client ' +
      'SHOULD apply any relevant constraints from the TA certificate, such as, for example, path length ' +
      'constraints.',
    explanation:
      'Whether its dates are such a constraint the text leaves open. danelaw asks them of an anchor that ' +
      'is a certificate; OpenSSL does not ask them of an intermediate one.',
  },
  {
    title: 'Audit only',
    postfix: { 'audited.example': DEFERRED },
    section: 'RFC 7672 section 9.1',
    quote:
      'Some implementations MAY support DANE TLS in an "audit only" mode in which failure to achieve the ' +
      'requisite security level is logged as a warning and delivery proceeds at a reduced security level.',
    explanation:
      'danelaw has this mode, Postfix has not; its nearest setting is `may`, as in `disabled.example`.',
  },
];

export const LEVELS = ['dane', 'dane-only'] as const;
export type Level = (typeof LEVELS)[number];

/** What Postfix comes to where that is not what danelaw comes to. */
export function differenceOf(domain: string, level: Level): OutcomeWords | undefined {
  const outcome = DIFFERENCES.find(({ postfix }) => Object.hasOwn(postfix, domain))?.postfix[domain];
  return level === 'dane' ? outcome?.dane : outcome?.daneOnly;
}
