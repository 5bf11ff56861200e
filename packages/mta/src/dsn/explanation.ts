/**
 * What happened and what to do, for the person who wrote the message: no codes, no acronyms without need, and always
 * who has to act. The codes stand below, and in the second part of the report.
 */
import type { Cause } from './cause.js';

export interface ExplanationInput {
  readonly cause: Cause;
  /** Address and domain of the recipient. */
  readonly address: string;
  readonly domain: string;
  /** The server that decided it. */
  readonly host: string | null;
  /** It is still being tried. */
  readonly waiting: boolean;
}

export interface Explanation {
  readonly happened: string;
  readonly advice: string;
}

export function explain(input: ExplanationInput): Explanation {
  const { cause, address, domain, waiting } = input;
  const server = input.host === null ? `the mail server of ${domain}` : `the mail server ${input.host}`;
  const admin = `the administrator of ${domain}`;
  const reach = `by telephone, or at postmaster@${domain} if mail gets there`;
  const patience = 'You need not do anything: it is tried again by itself.';
  const tellAdmin = waiting
    ? `${patience} If it is urgent, tell ${admin}, ${reach}.`
    : `Tell ${admin}, ${reach}, and send your message again when it is mended.`;
  const anyway =
    'If the message may go without this protection, send it with the header field "TLS-Required: No", where your ' +
    'mail program lets you add one.';
  switch (cause) {
    case 'unknown-user':
      return {
        happened: `There is no mailbox ${address}: ${server} does not know it.`,
        advice: 'Check the address, above all its spelling, and ask the recipient for the right one.',
      };
    case 'mailbox-full':
      return {
        happened: `The mailbox of ${address} is full.`,
        advice: waiting ? patience : 'Tell the recipient in another way, and send the message again later.',
      };
    case 'mailbox-disabled':
      return {
        happened: `The mailbox ${address} exists, but takes no mail.`,
        advice: 'Reach the recipient in another way.',
      };
    case 'no-such-domain':
      return {
        happened: `There is no domain ${domain}, or mail can't be sent to it.`,
        advice: 'Check the part of the address behind the @ for its spelling.',
      };
    case 'null-mx':
      return {
        happened: `The domain ${domain} says that it takes no mail at all (a "null MX" record).`,
        advice: 'Check the address: the recipient has one at another domain.',
      };
    case 'no-server':
      return {
        happened: `The domain ${domain} exists, but names no mail server that can be found.`,
        advice: `Check the address. If it is right, tell ${admin} that the domain's MX records lead nowhere.`,
      };
    case 'look-up':
      return {
        happened:
          `It could not be found out which mail servers ${domain} has, or which keys they have: name servers did not ` +
          'answer.',
        advice: tellAdmin,
      };
    case 'bogus':
      return {
        happened:
          `The domain ${domain}, or that of its mail server, is signed (DNSSEC), and the signatures are wrong. That is ` +
          'how a mistake looks, and how a forgery looks; so nothing was sent to whoever was named.',
        advice: tellAdmin,
      };
    case 'dane':
      return {
        happened:
          `The receiving domain promises encryption (TLS) with a key that its server does not have: ${server} did not ` +
          `show the key that is published for it (DANE). Either ${admin} changed one and not the other, or somebody ` +
          'stands in between. So the message was not handed over.',
        advice: `${tellAdmin} ${anyway}`,
      };
    case 'sts':
      return {
        happened:
          `The domain ${domain} asks (by its MTA-STS policy) that mail comes only over verified encryption (TLS), and ` +
          `${server} did not fulfil that. So the message was not handed over.`,
        advice: `${tellAdmin} ${anyway}`,
      };
    case 'tls':
      return {
        happened: `No encrypted connection (TLS) could be made to ${server}, and the mail must not go without.`,
        advice: `${tellAdmin} ${anyway}`,
      };
    case 'local-tls-policy':
      return {
        happened: `This mail system sends to ${domain} only over protection that its servers do not have.`,
        advice: `Ask your own administrator: it is a setting of this system. He can settle it with ${admin}.`,
      };
    case 'require-tls':
      return {
        happened:
          'You asked that the message goes only over verified encryption, all the way (REQUIRETLS), and no server of ' +
          `${domain} promises that.`,
        advice: 'Send it again without that demand, if it may go so; or reach the recipient in another way.',
      };
    case 'size':
      return {
        happened: `The message is larger than ${server} takes for ${address}.`,
        advice: 'Send it with fewer or smaller attachments, or put them where the recipient can fetch them.',
      };
    case 'utf8':
      return {
        happened:
          `The message has an address or a header in letters beyond ASCII (SMTPUTF8), and ${server} does not take such ` +
          'messages.',
        advice: 'Ask the recipient for an address in plain Latin letters, or send from such an address.',
      };
    case 'eight-bit':
      return {
        happened: `The message has text that is not encoded for old mail servers, and ${server} is one.`,
        advice: 'Set your mail program to encode text as quoted-printable or base64, and send it again.',
      };
    case 'sender-unproved':
      return {
        happened: `${capital(server)} does not believe that the message comes from your domain (SPF, DKIM, DMARC).`,
        advice: 'Tell your own administrator: records or signatures of your domain have to be put right.',
      };
    case 'refused-by-policy':
      return {
        happened: `${capital(server)} refuses the message by its own rules; what it said stands below.`,
        advice: `If it says nothing that you can mend, tell ${admin}, ${reach}.`,
      };
    case 'loop':
      return {
        happened: 'The message went round in circles between mail servers.',
        advice: tellAdmin,
      };
    case 'server-busy':
      return {
        happened: `${capital(server)} can't take the message at present; what it said stands below.`,
        advice: waiting ? patience : `Send it again later. If that fails too, tell ${admin}, ${reach}.`,
      };
    case 'server-refused':
      return {
        happened: `${capital(server)} refused the message; what it said stands below.`,
        advice: `Check the address. If it is right, tell ${admin}, ${reach}.`,
      };
    case 'no-connection':
      return {
        happened: `No mail server of ${domain} could be reached.`,
        advice: tellAdmin,
      };
    case 'connection-lost':
      return {
        happened: `The connection to ${server} broke before the message was taken.`,
        advice: tellAdmin,
      };
    case 'relay-login':
      return {
        happened: 'This mail system could not log in at the server that sends its mail on.',
        advice: 'Tell your own administrator: the login in the configuration has to be put right.',
      };
    case 'unknown':
      return {
        happened: 'The message could not be handed over; the reason stands below.',
        advice: tellAdmin,
      };
    default: {
      const never: never = cause;
      return never;
    }
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
