import { describe, expect, it } from 'vitest';
import { type Cause, causeOf, type FailureFacts } from './cause.js';
import { explain } from './explanation.js';

const said = (reply: string, enhancedStatus: string | null) => ({
  reply,
  enhancedStatus,
  host: 'mx.b.example',
  reason: `mx.b.example [192.0.2.1]: the server said: ${reply}`,
});
const ours = (enhancedStatus: string, reason: string) => ({
  reply: null,
  enhancedStatus,
  host: null,
  reason,
});

// What @danelaw/smtp really says is compared with this in packages/mta/test/dsn-causes.test.ts.
const rows: [string, FailureFacts, Cause, RegExp][] = [
  [
    'an unknown user',
    said('550 5.1.1 No such mailbox', '5.1.1'),
    'unknown-user',
    /There is no mailbox a@b\.example/u,
  ],
  ['a user that moved', said('551 5.1.6 gone', '5.1.6'), 'unknown-user', /There is no mailbox/u],
  ['a full mailbox', said('452 4.2.2 over quota', '4.2.2'), 'mailbox-full', /is full/u],
  ['a full mailbox, for good', said('552 5.2.2 over quota', '5.2.2'), 'mailbox-full', /is full/u],
  ['a disabled mailbox', said('550 5.2.1 disabled', '5.2.1'), 'mailbox-disabled', /takes no mail/u],
  ['a busy mailbox', said('450 4.2.1 busy', '4.2.1'), 'server-busy', /can't take the message at present/u],
  ['a message that is too large', said('552 5.3.4 too big', '5.3.4'), 'size', /larger than/u],
  ['the same, without an enhanced status', said('552 too big', '5.0.0'), 'size', /larger than/u],
  ['a message too large for its SIZE', ours('5.3.4', 'the message has 9 octets'), 'size', /larger than/u],
  [
    'a domain that does not exist',
    ours('5.1.2', 'NXDOMAIN'),
    'no-such-domain',
    /There is no domain b\.example/u,
  ],
  ['a null MX (RFC 7505)', ours('5.1.10', 'null MX'), 'null-mx', /takes no mail at all/u],
  ['a domain without servers', ours('5.4.4', 'no address'), 'no-server', /names no mail server/u],
  [
    'look-ups that nobody answers',
    ours('4.4.3', 'failed: indeterminate, SERVFAIL'),
    'look-up',
    /did not answer/u,
  ],
  [
    'signatures that are wrong',
    ours('4.4.3', 'the MX look-up failed (bogus): x'),
    'bogus',
    /signatures are wrong/u,
  ],
  [
    'DANE: another key',
    ours('4.7.5', "the server's certificate does not match its TLSA records"),
    'dane',
    /promises encryption \(TLS\) with a key that its server does not have/u,
  ],
  ['DANE: no TLS', ours('4.7.4', 'does not offer STARTTLS: TLSA records of mx'), 'dane', /with a key/u],
  [
    'MTA-STS',
    ours('4.7.5', 'none of the hosts in the MTA-STS policy of b.example'),
    'sts',
    /MTA-STS policy/u,
  ],
  ['TLS that fails', ours('4.7.5', 'the TLS handshake failed'), 'tls', /No encrypted connection/u],
  [
    'STARTTLS that is refused',
    { ...said('454 4.7.0 not now', '4.7.4'), reason: 'the server refused STARTTLS, and TLS is a must' },
    'tls',
    /No encrypted connection/u,
  ],
  [
    'our own policy',
    ours('4.7.5', 'has no TLSA, and the policy is "dane-only"'),
    'local-tls-policy',
    /own administrator/u,
  ],
  ['REQUIRETLS (RFC 8689)', ours('5.7.10', 'fulfils REQUIRETLS'), 'require-tls', /You asked that/u],
  ['REQUIRETLS not offered', ours('5.7.30', 'fulfils REQUIRETLS'), 'require-tls', /You asked that/u],
  ['a UTF-8 address (RFC 6531)', ours('5.6.7', 'SMTPUTF8'), 'utf8', /beyond ASCII/u],
  ['a UTF-8 header', ours('5.6.9', 'SMTPUTF8'), 'utf8', /beyond ASCII/u],
  ['8-bit text (RFC 6152)', ours('5.6.3', '8BITMIME'), 'eight-bit', /quoted-printable or base64/u],
  ['SPF and DMARC', said('550 5.7.26 unauthenticated', '5.7.26'), 'sender-unproved', /your domain/u],
  ['a policy of the server', said('554 5.7.1 spam', '5.7.1'), 'refused-by-policy', /by its own rules/u],
  ['greylisting', said('451 4.7.1 try later', '4.7.1'), 'server-busy', /at present/u],
  ['a loop', said('554 5.4.6 too many hops', '5.4.6'), 'loop', /round in circles/u],
  ['a refusal without a status', said('550 no', '5.0.0'), 'server-refused', /refused the message/u],
  ['no connection', ours('4.4.1', 'connection refused'), 'no-connection', /could be reached/u],
  ['a connection that breaks', ours('4.4.2', 'closed'), 'connection-lost', /broke before/u],
  ['a login at a relay', ours('4.7.8', 'login'), 'relay-login', /log in/u],
  ['what nobody foresaw', ours('4.5.0', 'protocol'), 'unknown', /the reason stands below/u],
  [
    'no status at all',
    { ...ours('4.0.0', 'x'), enhancedStatus: null },
    'unknown',
    /the reason stands below/u,
  ],
];

describe('the cause of a failure, and what a person is told', () => {
  it.each(rows)('%s', (_, facts, cause, words) => {
    expect(causeOf(facts)).toBe(cause);
    const told = { cause, address: 'a@b.example', domain: 'b.example', host: facts.host };
    const { happened, advice } = explain({ ...told, waiting: false });
    expect(`${happened} ${advice}`).toMatch(words);
    // Every person is told what to do, and who has nothing to do is told that.
    expect(advice).toMatch(/^(?:Check|Tell|Send|Set|Ask|Reach|If)\b/u);
    expect(explain({ ...told, waiting: true }).advice).not.toBe('');
  });

  it.each<Cause>(['dane', 'sts', 'tls'])(
    '%s: says who must act, how to reach him, and the way around',
    (cause) => {
      const { advice } = explain({
        cause,
        address: 'a@b.example',
        domain: 'b.example',
        host: null,
        waiting: false,
      });
      expect(advice).toContain('the administrator of b.example');
      expect(advice).toContain('postmaster@b.example');
      expect(advice).toContain('"TLS-Required: No"');
    },
  );
});
