/**
 * Why a message did not get through, sorted into the cases that need different words and different deeds.
 *
 * What a server said is told by the enhanced status of its reply (RFC 3463 and its registry), and by the code where it
 * has none. What we decided ourselves has a status too, and @danelaw/smtp's sentence with it; where one status
 * stands for several causes (4.7.5 for DANE, MTA-STS and certificates) the sentence says which.
 */

/** A `RecipientOutcome` of @danelaw/smtp, or the queue's `LastTry`. */
export interface FailureFacts {
  readonly enhancedStatus: string | null;
  /** `550 5.1.1 no such user`; null where no server said it. */
  readonly reply: string | null;
  readonly host: string | null;
  readonly reason: string;
}

export type Cause =
  | 'unknown-user'
  | 'mailbox-full'
  | 'mailbox-disabled'
  | 'no-such-domain'
  | 'null-mx'
  | 'no-server'
  | 'look-up'
  | 'bogus'
  | 'dane'
  | 'sts'
  | 'tls'
  | 'local-tls-policy'
  | 'require-tls'
  | 'size'
  | 'utf8'
  | 'eight-bit'
  | 'sender-unproved'
  | 'refused-by-policy'
  | 'loop'
  | 'server-busy'
  | 'server-refused'
  | 'no-connection'
  | 'connection-lost'
  | 'relay-login'
  | 'unknown';

export function causeOf(facts: FailureFacts): Cause {
  const subject = facts.enhancedStatus?.slice(2) ?? '0.0';
  return facts.reply === null
    ? ourCause(subject, facts.reason)
    : theirCause(subject, facts.reply, facts.reason);
}

/** The statuses that @danelaw/smtp gives where no server was asked, or none answered. */
function ourCause(subject: string, reason: string): Cause {
  switch (subject) {
    case '1.2':
    case '1.3':
      return 'no-such-domain';
    case '1.10':
      return 'null-mx';
    case '4.4':
      return 'no-server';
    case '4.3':
      return /\bbogus\b|DNSSEC|RRSIG|DNSKEY|NSEC|signature|chain of trust/u.test(reason)
        ? 'bogus'
        : 'look-up';
    case '4.1':
      return 'no-connection';
    case '4.2':
      return 'connection-lost';
    case '7.4':
    case '7.5':
      return tlsCause(reason);
    case '7.8':
      return 'relay-login';
    case '7.10':
    case '7.30':
      return 'require-tls';
    case '3.4':
      return 'size';
    case '6.3':
      return 'eight-bit';
    case '6.7':
    case '6.9':
      return 'utf8';
    default:
      return 'unknown';
  }
}

/** No TLS, or not with whom it should be: whose demand was that? */
function tlsCause(reason: string): Cause {
  if (/REQUIRETLS/u.test(reason)) return 'require-tls';
  if (/the policy (?:is )?"/u.test(reason)) return 'local-tls-policy';
  if (/TLSA|\bDANE\b/u.test(reason)) return 'dane';
  if (/MTA-STS/u.test(reason)) return 'sts';
  return 'tls';
}

function theirCause(subject: string, reply: string, reason: string): Cause {
  const code = reply.slice(0, 3);
  const isLater = code.startsWith('4');
  switch (subject) {
    case '1.1':
    case '1.3':
    case '1.6':
      return 'unknown-user';
    case '1.2':
      return 'no-such-domain';
    case '1.10':
      return 'null-mx';
    case '2.1':
      return isLater ? 'server-busy' : 'mailbox-disabled';
    case '2.2':
      return 'mailbox-full';
    case '2.3':
    case '3.4':
      return 'size';
    case '4.6':
      return 'loop';
    case '6.7':
    case '6.9':
      return 'utf8';
    case '7.4':
    case '7.5':
      return tlsCause(reason); // it refused STARTTLS
    case '7.10':
    case '7.30':
      return 'require-tls';
    // RFC 7372, RFC 7489: SPF, DKIM, DMARC, reverse DNS.
    case '7.20':
    case '7.21':
    case '7.22':
    case '7.23':
    case '7.24':
    case '7.25':
    case '7.26':
      return 'sender-unproved';
    default:
      break;
  }
  if (isLater) return 'server-busy';
  if (subject.startsWith('7.')) return 'refused-by-policy';
  if (code === '552') return 'size';
  return 'server-refused';
}
