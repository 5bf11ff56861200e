/**
 * What the sender's own administrator decides for a destination. RFC 7672 sections 1.1, 2.2, 2.2.2 and 9.1.
 */
import type { Scenario } from '../scenario.js';
import { authenticated, deferred, oneHost, unauthenticated } from './one-host.js';

export const LOCAL_POLICY: readonly Scenario[] = [
  {
    ...oneHost('disabled.example', { host: { tlsa: ['3 1 1'], habits: { presents: {} } } }),
    shows:
      'The certificate matches no TLSA record, and our administrator has switched DANE off for the domain.',
    rule: 'RFC 7672 section 9.1',
    local: { level: 'may' },
    expected: unauthenticated('disabled.example', 'secure'),
  },
  {
    ...oneHost('audited.example', { host: { tlsa: ['3 1 1'], habits: { presents: {} } } }),
    shows: 'The same, and our administrator wants failures reported only.',
    rule: 'RFC 7672 section 9.1',
    local: { level: 'dane', audit: 'the domain has been told' },
    expected: unauthenticated('audited.example', 'secure'),
  },
  {
    ...oneHost('mandated.example', { host: {} }),
    shows: 'No TLSA records, and our administrator insists on DANE for the domain.',
    rule: 'RFC 7672 section 2.2',
    local: { level: 'dane-only' },
    expected: deferred('local policy asks for DANE, and there are no TLSA records'),
  },
  {
    domain: 'relayed.unsigned',
    shows: 'Our administrator named the host for an unsigned domain: that is secure a priori.',
    rule: 'RFC 7672 section 2.2.2',
    zones: {
      'relayed.unsigned': { signing: 'unsigned', records: ['@ MX 10 mx'] },
      'relayed-provider.example': {},
    },
    hosts: { 'mx.relayed.unsigned': {}, 'mx.relayed-provider.example': { tlsa: ['3 1 1'] } },
    local: { hosts: ['mx.relayed-provider.example'] },
    expected: {
      status: 'delivered',
      host: 'mx.relayed-provider.example',
      mx: 'secure',
      tls: { by: '3 1 1', baseDomain: 'mx.relayed-provider.example' },
    },
  },
  {
    domain: 'fallback.example',
    shows:
      "The domain's host must not be used, and our administrator named a host to fall back to: with DANE" +
      ' too.',
    rule: 'RFC 7672 section 1.1',
    zones: {
      'fallback.example': {
        records: ['@ MX 10 mx'],
        habits: [{ name: '_{port}._tcp.mx', type: 'TLSA', does: 'SERVFAIL' }],
      },
      'fallback-relay.example': {},
    },
    hosts: { 'mx.fallback.example': { tlsa: ['3 1 1'] }, 'mx.fallback-relay.example': { tlsa: ['3 1 1'] } },
    local: { hosts: ['mx.fallback.example', 'mx.fallback-relay.example'] },
    expected: authenticated('fallback-relay.example', '3 1 1'),
  },
  {
    domain: 'fallback-swapped.example',
    shows: 'The same, and at the host to fall back to someone presents a certificate of his own.',
    rule: 'RFC 7672 section 1.1',
    zones: {
      'fallback-swapped.example': {
        records: ['@ MX 10 mx'],
        habits: [{ name: '_{port}._tcp.mx', type: 'TLSA', does: 'SERVFAIL' }],
      },
      'fallback-swapped-relay.example': {},
    },
    hosts: {
      'mx.fallback-swapped.example': { tlsa: ['3 1 1'] },
      'mx.fallback-swapped-relay.example': { tlsa: ['3 1 1'], habits: { presents: {} } },
    },
    local: { hosts: ['mx.fallback-swapped.example', 'mx.fallback-swapped-relay.example'] },
    expected: deferred('the certificate matches no TLSA record'),
  },
];
