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
    ...oneHost('injected-capabilities.example', {
      host: {
        tlsa: ['3 1 1'],
        habits: { capabilities: ['SIZE 1'], capabilitiesAfterTls: ['SIZE 52428800', '8BITMIME'] },
      },
    }),
    shows:
      'In clear the server seems to take messages of one octet only: what was said before TLS is forgotten.',
    rule: 'RFC 3207 section 4.2',
    expected: authenticated('injected-capabilities.example', '3 1 1'),
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
  {
    ...oneHost('no-tlsa-strange-certificate.example', {
      host: { habits: { presents: { names: ['other.invalid'], validity: 'expired' } } },
    }),
    shows: 'No TLSA records: an expired certificate for another name is still better than clear text.',
    rule: 'RFC 7672 section 2.2',
    expected: unauthenticated('no-tlsa-strange-certificate.example', 'secure'),
  },
  {
    ...oneHost('no-tlsa-drop-after-handshake.example', { host: { habits: { handshake: 'drop-when-done' } } }),
    shows: 'No TLSA records, and the server hangs up after each handshake: the sender may go on in clear.',
    rule: 'RFC 7672 section 2.2',
    expected: unauthenticated('no-tlsa-drop-after-handshake.example', 'secure', 'none'),
  },
  {
    ...oneHost('handshake-silent.example', { host: { tlsa: ['3 1 1'], habits: { handshake: 'silence' } } }),
    shows: 'The server falls silent in the handshake.',
    rule: 'RFC 7672 section 2.2',
    expected: deferred('the TLS handshake was not completed in time'),
  },
  {
    ...oneHost('greeting-silent.example', {
      host: { tlsa: ['3 1 1'], habits: { on: { greeting: 'silence' } } },
    }),
    shows: 'The server takes the connection and never says a word.',
    rule: 'RFC 5321 section 4.5.3.2.1',
    expected: deferred('the server did not greet in time'),
  },
  {
    ...oneHost('tls12.example', { host: { tlsa: ['3 1 1'], habits: { maxVersion: 'TLSv1.2' } } }),
    shows: 'A server of the days of TLS 1.2.',
    rule: 'RFC 7671 section 3',
    expected: authenticated('tls12.example', '3 1 1'),
  },
  {
    ...oneHost('tls10.example', {
      host: { tlsa: ['3 1 1'], habits: { minVersion: 'TLSv1', maxVersion: 'TLSv1' } },
    }),
    shows: 'A server that knows nothing newer than TLS 1.0, and its TLSA records ask for authentication.',
    rule: 'RFC 8996 section 4',
    expected: deferred('TLS 1.0 is retired'),
  },
  {
    ...oneHost('no-tlsa-tls10.example', { host: { habits: { minVersion: 'TLSv1', maxVersion: 'TLSv1' } } }),
    shows: 'The same without TLSA records: any encryption is better than clear text.',
    rule: 'RFC 7435 section 3',
    expected: unauthenticated('no-tlsa-tls10.example', 'secure'),
  },
  {
    ...oneHost('rsa-certificate.example', { host: { certificate: { key: 'rsa2048' }, tlsa: ['3 1 1'] } }),
    shows: "The server's key is an RSA key: the usual cipher suites are all offered.",
    rule: 'RFC 7672 section 8.2',
    expected: authenticated('rsa-certificate.example', '3 1 1'),
  },
];
