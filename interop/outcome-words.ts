/**
 * What came of a message, in the same few words whoever sent it, so that outcomes can be compared and stand
 * in a table.
 */
import { isIP } from 'node:net';
import type { Expected } from '@danelaw/lab';
import type { RecipientOutcome } from '@danelaw/smtp';
import type { Fate } from './postfix-log.js';

/**
 * How a delivered message went. `host authenticated`: behind insecure MX records, so the host and not the
 * domain.
 */
export type Channel = 'authenticated' | 'host authenticated' | 'TLS' | 'clear';

/** `authenticated at mx.a.example`, `deferred`, `failed` */
export type OutcomeWords = `${Channel} at ${string}` | 'deferred' | 'failed';

export function expectedWords(expected: Expected): OutcomeWords {
  if (expected.status !== 'delivered') return expected.status;
  const { host, mx, tls } = expected;
  return deliveredWords(expectedChannel(tls, mx), host.startsWith('{address ') ? AN_ADDRESS : host);
}

type Delivered = Extract<Expected, { status: 'delivered' }>;

function expectedChannel(tls: Delivered['tls'], mx: Delivered['mx']): Channel {
  if (typeof tls === 'object') return mx === 'secure' ? 'authenticated' : 'host authenticated';
  switch (tls) {
    case 'none':
      return 'clear';
    case 'unauthenticated':
      return 'TLS';
    case 'trusted':
      throw new TypeError('scenarios with MTA-STS are not compared');
    default: {
      const never: never = tls;
      return never;
    }
  }
}

export function danelawWords({ status, host, tls, mx }: RecipientOutcome): OutcomeWords {
  if (status !== 'delivered') return status;
  if (tls === null) return deliveredWords('clear', host ?? '');
  if (tls.authenticated === null) return deliveredWords('TLS', host ?? '');
  return deliveredWords(mx === 'secure' ? 'authenticated' : 'host authenticated', host ?? '');
}

/** @param inTls what the server that took the message says of the session */
export function postfixWords(fate: Fate, inTls: boolean): OutcomeWords {
  switch (fate.status) {
    case 'deferred':
      return 'deferred';
    case 'bounced':
      return 'failed';
    case 'sent':
      return deliveredWords(inTls ? postfixChannel(fate) : 'clear', fate.relay);
    default: {
      const never: never = fate.status;
      return never;
    }
  }
}

function postfixChannel({ session, lines }: Fate): Channel {
  switch (session) {
    case 'Verified':
      return 'authenticated';
    case 'Trusted':
      return 'host authenticated';
    case 'Untrusted':
    case 'Anonymous':
      return 'TLS';
    case undefined:
      throw new TypeError(`Postfix says nothing of a TLS session that there was:\n${lines.join('\n')}`);
    default: {
      const never: never = session;
      return never;
    }
  }
}

const AN_ADDRESS = 'the address';

function deliveredWords(channel: Channel, host: string): OutcomeWords {
  return `${channel} at ${isIP(host) === 0 ? host : AN_ADDRESS}`;
}
