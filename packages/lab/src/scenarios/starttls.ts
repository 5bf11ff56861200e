/** Will the server speak TLS, and may the sender do without? RFC 7672 sections 1.3.1 and 2.2, RFC 3207. */
import type { Scenario } from '../scenario.js';
import { authenticated, deferred, failed, oneHost, unauthenticated } from './one-host.js';

export const STARTTLS: readonly Scenario[] = [
  {
    ...oneHost('stripped-starttls.example', { host: { tlsa: ['3 1 1'], habits: { starttls: 'stripped' } } }),
    shows: 'TLSA records promise TLS, the server does not offer it: an attack, or a fault as bad as one.',
    rule: 'RFC 7672 section 2.2',
    expected: deferred('STARTTLS is not offered though TLSA records are published'),
  },
  {
    ...oneHost('starttls-refused.example', {
      host: { tlsa: ['3 1 1'], habits: { on: { starttls: '454 4.7.0 TLS not available now' } } },
    }),
    shows: 'STARTTLS is offered, and refused when asked for.',
    rule: 'RFC 7672 section 2.2',
    expected: deferred('the server refused STARTTLS'),
  },
  {
    ...oneHost('broken-handshake.example', { host: { tlsa: ['3 1 1'], habits: { handshake: 'garbage' } } }),
    shows: 'What follows the 220 is no TLS.',
    rule: 'RFC 7672 section 2.2',
    expected: deferred('the TLS handshake failed'),
  },
  {
    ...oneHost('unusable-no-starttls.example', {
      host: { tlsa: ['1 1 1'], habits: { starttls: 'stripped' } },
    }),
    shows: 'Only unusable records: TLS is mandatory all the same, and not offered.',
    rule: 'RFC 7672 section 2.2.3',
    expected: deferred('STARTTLS is not offered though TLSA records are published'),
  },
  {
    ...oneHost('no-tlsa.example', { host: {} }),
    shows: 'No TLSA records, and that is proved: TLS as it comes, nobody is authenticated.',
    rule: 'RFC 7672 section 2.2',
    expected: unauthenticated('no-tlsa.example', 'secure'),
  },
  {
    ...oneHost('no-tlsa-no-starttls.example', { host: { habits: { starttls: 'stripped' } } }),
    shows: 'No TLSA records and no STARTTLS: delivered in clear, as mail was always delivered.',
    rule: 'RFC 7672 section 2.2',
    expected: unauthenticated('no-tlsa-no-starttls.example', 'secure', 'none'),
  },
  {
    ...oneHost('no-tlsa-broken-handshake.example', { host: { habits: { handshake: 'drop' } } }),
    shows: 'No TLSA records, and TLS does not work: the sender may go on in clear.',
    rule: 'RFC 7672 section 2.2',
    expected: unauthenticated('no-tlsa-broken-handshake.example', 'secure', 'none'),
  },
  {
    ...oneHost('injected-reply.example', {
      host: { tlsa: ['3 1 1'], habits: { injectAfter220: '250 2.0.0 message accepted\r\n' } },
    }),
    shows: 'Clear text slipped in behind the 220 is thrown away, not taken for part of the session.',
    rule: 'RFC 3207 section 4.2',
    expected: authenticated('injected-reply.example', '3 1 1'),
  },
  {
    ...oneHost('temporary-refusal.example', {
      host: { tlsa: ['3 1 1'], habits: { on: { rcpt: '450 4.2.1 Mailbox busy' } } },
    }),
    shows: 'The right server, which will not have the message now.',
    rule: 'RFC 5321 section 4.2.1',
    expected: deferred('the server answered RCPT with 450'),
  },
  {
    ...oneHost('permanent-refusal.example', {
      host: { tlsa: ['3 1 1'], habits: { on: { rcpt: '550 5.1.1 No such mailbox' } } },
    }),
    shows: 'The right server, which will never have the message.',
    rule: 'RFC 5321 section 4.2.1',
    expected: failed('the server answered RCPT with 550'),
  },
];
