/**
 * Why mail waits, in the kinds that need different deeds of whoever runs this relay, and what he can do. The causes are
 * those of delivery status notifications, which tell them to senders; some of them are split further, as an
 * administrator can do different things about them.
 */
import { type Cause, causeOf, type FailureFacts } from '../dsn/cause.js';

export type DeferralCause = Cause | 'no-starttls' | 'timeout' | 'greylisted';

export interface Advice {
  readonly title: string;
  /** What the administrator of this relay can do. */
  readonly advice: string;
}

/** The sentences are those of @danelaw/smtp and of `relay/own-outcomes.ts`. */
export function deferralCauseOf(facts: FailureFacts): DeferralCause {
  const cause = causeOf(facts);
  switch (cause) {
    case 'dane':
    case 'sts':
    case 'tls':
      return /does not offer STARTTLS|refused STARTTLS/u.test(facts.reason) ? 'no-starttls' : cause;
    case 'no-connection':
    case 'connection-lost':
      return /nothing came for|ETIMEDOUT/u.test(facts.reason) ? 'timeout' : cause;
    case 'server-busy':
    case 'unknown-user':
      return /gr[ae]y[- ]?list/iu.test(facts.reply ?? '') ? 'greylisted' : cause;
    default:
      return cause;
  }
}

const CHECK = 'Check the domain to see the records, the certificate and the remedy';
const TELL = 'tell its postmaster by another way than mail to it, with the reason below';
const BY_ITSELF = 'Nothing has to be done: it is tried again by itself.';

const ADVICE: Readonly<Record<DeferralCause, Advice>> = {
  dane: {
    title: 'The server does not match its TLSA records (DANE)',
    advice:
      `${CHECK}: the usual cause is a new key without a new record, but an attacker in between looks the same. If it stays so, ` +
      `${TELL}. Where mail must go before it is mended, and it may be read on the way, an exception in the policy table that ends ` +
      'by itself lets it through.',
  },
  'no-starttls': {
    title: 'The server does not offer STARTTLS, and TLS is a must',
    advice:
      `TLSA records or an MTA-STS policy promise TLS, and it is not there. ${CHECK}. If other relays see STARTTLS there, a firewall ` +
      `between takes it away (look at your own first); else ${TELL}.`,
  },
  sts: {
    title: 'The server does not fulfil the MTA-STS policy of the domain',
    advice:
      `${CHECK}: a certificate that has expired or is for another name, or a host that the policy does not list. If it stays so, ` +
      `${TELL}.`,
  },
  tls: {
    title: 'No TLS session could be made, and TLS is a must',
    advice: `${CHECK}. If the handshake fails with other domains too, look at this machine first: its clock, a firewall, its OpenSSL.`,
  },
  'local-tls-policy': {
    title: 'A rule of this relay demands more than the server has',
    advice:
      'The rule stands in the policy table ("danelaw policy show DOMAIN" names it). Settle with the other side what its servers ' +
      'can do, or change the rule.',
  },
  'require-tls': {
    title: 'The message demands protection (REQUIRETLS) that the server does not have',
    advice:
      'Nothing can be done here but to wait: the sender asked for it, and is told if it does not come about.',
  },
  bogus: {
    title: 'The DNSSEC signatures of the domain, or of its servers, are wrong',
    advice:
      `${CHECK}: expired signatures, or a DS record that matches no key. It is mended by whoever runs the zone; ${TELL}. If many ` +
      "domains fail so, look at this machine's clock and at the resolver.",
  },
  'look-up': {
    title: 'Name servers did not answer',
    advice:
      'With one domain it is the name servers of that domain: wait, and tell its postmaster if it stays so. With many it is the ' +
      'resolver or the network of this machine ("danelaw serve --check" says which).',
  },
  timeout: {
    title: 'The server did not answer in time',
    advice:
      'With one destination the server is down, or slow: wait. With many, this machine may not be allowed to connect to port 25 ' +
      '(many providers block it), or loses packets.',
  },
  'no-connection': {
    title: 'No server could be connected to',
    advice:
      'The server is down, or refuses connections: wait. If it is so with many destinations, see that this machine may connect ' +
      'to port 25, and over IPv6 if it has it.',
  },
  'connection-lost': {
    title: 'The connection broke before the message was taken',
    advice:
      'Wait. If it is always so with large messages, something on the way loses large packets (path MTU); if always with one ' +
      'server, tell its postmaster.',
  },
  greylisted: {
    title: 'The server asks to come again later (greylisting)',
    advice: `${BY_ITSELF} It passes when the same relay comes again after some minutes.`,
  },
  'server-busy': {
    title: 'The server refuses for now (4yz)',
    advice:
      `${BY_ITSELF} The reply says why: load, a limit of messages, or doubt in this relay. If it speaks of reputation or block lists, ` +
      "look up this machine's address there.",
  },
  'sender-unproved': {
    title: 'The server does not believe whose mail it is (SPF, DKIM, DMARC, reverse DNS)',
    advice:
      "Put your own records right: SPF and DKIM of the sender's domain, and a PTR record for this machine's address.",
  },
  'relay-login': {
    title: 'The login at the next relay failed',
    advice:
      'Put the login right under [credentials] of the configuration, and let the relay read it again (SIGHUP).',
  },
  'mailbox-full': {
    title: 'The mailbox is full',
    advice: `${BY_ITSELF} The sender is told if it does not come about.`,
  },
  'mailbox-disabled': {
    title: 'The mailbox takes no mail',
    advice: `${BY_ITSELF} The sender is told if it does not come about.`,
  },
  'unknown-user': {
    title: 'The server does not know the mailbox, for now',
    advice: `${BY_ITSELF} The sender is told if it does not come about.`,
  },
  'no-such-domain': {
    title: 'There is no such domain',
    advice: 'Look at the spelling; delete the message from the queue if nobody needs to hear of it.',
  },
  'null-mx': { title: 'The domain takes no mail', advice: 'Look at the spelling of the address.' },
  'no-server': {
    title: 'The domain names no mail server that can be found',
    advice: `${CHECK}; ${TELL}.`,
  },
  size: {
    title: 'The message is too large for the server, for now',
    advice: 'The reply says how large it may be.',
  },
  utf8: {
    title: 'The server does not take addresses beyond ASCII',
    advice: 'The sender is told; an address in ASCII goes through.',
  },
  'eight-bit': {
    title: 'The server takes no 8-bit text',
    advice: 'The sender is told; text that is encoded goes through.',
  },
  loop: {
    title: 'The message goes round in circles',
    advice: 'See which of the relays sends it back, and put own_domains and the MX records right.',
  },
  'refused-by-policy': {
    title: 'The server refuses it by its own rules',
    advice: 'The reply says why; if it says nothing that you can mend, tell its postmaster.',
  },
  'server-refused': {
    title: 'The server refuses the message',
    advice: 'The reply says why; if it says nothing that you can mend, tell its postmaster.',
  },
  unknown: {
    title: 'Another reason',
    advice:
      'The reason stands below. If it is one of this relay (disk, database, a thread), the log has more, with the level "error".',
  },
};

/** Of every cause that a message can wait for. */
export const DEFERRAL_TITLES: readonly string[] = Object.values(ADVICE).map(({ title }) => title);

export const adviceFor = (cause: DeferralCause): Advice => ADVICE[cause];
