import { formatTlsa, type HostFinding, tlsaRecordFor } from '@danelaw/dane';
import type { Authorities, Lookup } from '@danelaw/dns';
import { issue, makeAuthority, makeCertificateKey, selfSigned } from '@danelaw/lab';
import { describe, expect, it } from 'vitest';
import {
  type DeployState,
  type DeployView,
  decideDeploy,
  lookAtDeployment,
  NEW_STATE,
  rememberLook,
} from './deploy.js';
import type { Gathered } from './gather.js';
import type { Moment } from './steady-clock.js';

const NOW = Date.UTC(2026, 10, 26);
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const ID = '0123456789abcdef0123456789abcdef';

const everywhere: DeployView = {
  published: 'some',
  reason: '',
  servers: [
    { name: 'ns1', matches: true },
    { name: 'ns2', matches: true },
  ],
  resolverMatches: true,
  keyKept: false,
  sharesRecord: false,
  ttl: 3600,
};
const nowhere: DeployView = {
  ...everywhere,
  servers: [
    { name: 'ns1', matches: false },
    { name: 'ns2', matches: false },
  ],
  resolverMatches: false,
};
const since = (milliseconds: number): DeployState => ({
  ...NEW_STATE,
  candidate: ID,
  completeSince: NOW - milliseconds,
  ttl: 3600,
});
const at = (now: number, running?: number): Moment => ({
  now,
  steady: running === undefined ? null : { boot: 'this', running },
});
const decided = (view: DeployView, state: DeployState = NEW_STATE) =>
  decideDeploy(rememberLook(state, ID, view, at(NOW)), view, NOW);

describe('decideDeploy', () => {
  it.each<[string, DeployView, DeployState, object]>([
    [
      'a new key waits for a record (RFC 7671 section 8.1)',
      nowhere,
      NEW_STATE,
      { action: 'publish', reason: 'no name server has a record that matches it' },
    ],
    [
      'one name server without it is one too many',
      { ...everywhere, servers: [...everywhere.servers, { name: 'ns3', matches: false }] },
      since(DAY),
      { action: 'publish', reason: 'ns3 has no record that matches it' },
    ],
    [
      'a name server that is silent has not said yes',
      { ...everywhere, servers: [...everywhere.servers, { name: 'ns3', matches: null }] },
      since(DAY),
      { action: 'wait', until: null, reason: 'these name servers could not be asked: ns3' },
    ],
    [
      'without any name server nothing is known',
      { ...everywhere, servers: [] },
      since(DAY),
      { action: 'wait', until: null },
    ],
    [
      'our own resolver may still have the former records',
      { ...everywhere, resolverMatches: false },
      since(DAY),
      { action: 'wait', until: null },
    ],
    [
      'at the first sight of the record the wait begins',
      everywhere,
      NEW_STATE,
      { action: 'wait', until: NOW + 2 * HOUR },
    ],
    [
      'a moment before twice the TTL it waits',
      everywhere,
      since(2 * HOUR - 1),
      { action: 'wait', until: NOW + 1 },
    ],
    ['after twice the TTL it goes', everywhere, since(2 * HOUR), { action: 'deploy', because: 'published' }],
    [
      'the longest TTL that was seen counts',
      { ...everywhere, ttl: 60 },
      since(HOUR),
      { action: 'wait', until: NOW + HOUR },
    ],
    [
      'the wait of another certificate does not count',
      everywhere,
      { ...since(DAY), candidate: ID.replace('0', '1') },
      { action: 'wait', until: NOW + 2 * HOUR },
    ],
    [
      'a clock that was set back begins it anew',
      everywhere,
      since(-DAY),
      { action: 'wait', until: NOW + 2 * HOUR },
    ],
    [
      'a record that the server matches already needs no waiting',
      { ...everywhere, sharesRecord: true },
      NEW_STATE,
      { action: 'deploy', because: 'same-record' },
    ],
    [
      'a key that was kept goes, whoever is silent or behind',
      { ...nowhere, keyKept: true, sharesRecord: true, resolverMatches: true },
      NEW_STATE,
      { action: 'deploy', because: 'key-kept' },
    ],
    [
      'where there is nothing to match, nothing is waited for (RFC 7672 section 2.2)',
      { ...nowhere, published: 'none', servers: [] },
      NEW_STATE,
      { action: 'deploy', because: 'no-records' },
    ],
    [
      'where a name server has records already that our resolver has not, it waits',
      { ...nowhere, published: 'none', servers: [{ name: 'ns1', matches: false }] },
      NEW_STATE,
      { action: 'publish' },
    ],
    [
      'a failed look-up is no absence, not even for a key that was kept (RFC 7672 section 2.1.2)',
      { ...everywhere, published: 'unknown', reason: 'bogus', keyKept: true },
      since(DAY),
      { action: 'wait', reason: 'bogus', until: null },
    ],
  ])('%s', (_, view, state, expected) => {
    expect(decided(view, state)).toMatchObject(expected);
  });

  it('forgets the wait when a name server loses the record again', () => {
    const lost = rememberLook(since(HOUR), ID, nowhere, at(NOW));
    expect(lost.completeSince).toBeNull();
    expect(rememberLook(lost, ID, everywhere, at(NOW + HOUR)).completeSince).toBe(NOW + HOUR);
  });

  it.each<[string, now: number, running: number, action: string]>([
    ['goes when both clocks say that it is time', NOW + 3 * HOUR, 3 * HOUR, 'deploy'],
    ['waits anew where the clock was put forward', NOW + 3 * HOUR, HOUR, 'wait'],
    ['waits anew where the clock was put back', NOW - HOUR, HOUR, 'wait'],
    ['waits on where nothing was set', NOW + HOUR, HOUR, 'wait'],
  ])('%s (RFC 7671 section 8.1)', (_, now, running, action) => {
    const begun = rememberLook(NEW_STATE, ID, everywhere, at(NOW, 0));
    const later = rememberLook(begun, ID, everywhere, at(now, running));
    expect(decideDeploy(later, everywhere, now)).toMatchObject({ action });
  });
});

describe('lookAtDeployment', () => {
  const validity = { notBefore: new Date(NOW - DAY), notAfter: new Date(NOW + DAY) };
  const certificate = (key = makeCertificateKey()) => selfSigned({ names: ['mx.example'], validity, key });
  const old = certificate();
  const kept = certificate(old.key);
  const fresh = certificate();
  const record = (of: typeof old) => tlsaRecordFor(of.der, { usage: 3, selector: 1, matchingType: 1 });

  interface Seen {
    readonly records: readonly ReturnType<typeof record>[];
    readonly servers?: readonly (readonly ReturnType<typeof record>[] | null)[];
    readonly shown?: readonly Uint8Array[];
    readonly status?: 'secure' | 'insecure' | 'bogus';
  }
  function seen({ records, servers = [records], shown, status = 'secure' }: Seen): Gathered {
    const name = '_25._tcp.mx.example';
    const authorities: Authorities = {
      status: 'asked',
      zone: 'example',
      servers: servers.map((own, index) => ({
        server: `ns${index + 1}`,
        address: '192.0.2.1',
        said:
          own === null
            ? { status: 'failed', reason: 'silent' }
            : {
                ...{ status: 'answered', serial: 1, signed: status === 'secure' },
                records: own.map((each) => ({
                  ...{ ttl: 3600, rdata: new Uint8Array(), data: { type: 'TLSA', ...each } },
                })),
              },
      })),
    };
    const asked = { name, type: 'TLSA', chain: [] };
    const answer = {
      ...asked,
      rcode: 'NOERROR',
      canonicalName: name,
      records: [],
      aliases: [],
      ttl: 0,
    } as const;
    const lookups: Record<typeof status, Lookup> = {
      secure: { ...answer, status: 'secure' },
      insecure: { ...answer, status: 'insecure', reason: 'no DS record' },
      bogus: { ...asked, status: 'bogus', reason: 'the signature is wrong' },
    };
    const finding: HostFinding = {
      ...{ status: 'reachable', host: 'mx.example', port: 25, expandedHost: 'mx.example', addressNotes: [] },
      addresses: [{ address: '192.0.2.25', family: 4, status: 'secure' }],
      tlsa: { status: 'none', reason: 'not asked here' },
    };
    return {
      ...{ finding, baseDomain: 'mx.example', name, lookup: lookups[status], records, authorities },
      served:
        shown === undefined
          ? []
          : [
              {
                address: '192.0.2.25',
                asked: [
                  {
                    ...{ status: 'shown', cipher: 'x', chain: shown },
                    offer: { version: 'TLSv1.3', signatures: 'any', serverName: 'mx.example' },
                  },
                ],
              },
            ],
    };
  }
  const look = (gathered: Gathered, chain: readonly Uint8Array[], installed?: readonly Uint8Array[]) =>
    lookAtDeployment(gathered, chain, installed, 'mx.example', NOW);

  it.each<[string, Gathered, typeof old, Partial<DeployView>]>([
    [
      'a certificate with the same key matches as the old one did, though a name server is silent',
      seen({ records: [record(old)], servers: [[record(old)], null], shown: [old.der] }),
      kept,
      { published: 'some', keyKept: true, sharesRecord: true, resolverMatches: true },
    ],
    [
      'a new key matches nothing',
      seen({ records: [record(old)], shown: [old.der] }),
      fresh,
      { keyKept: false, sharesRecord: false, resolverMatches: false },
    ],
    [
      'each name server has its own word',
      seen({
        records: [record(old), record(fresh)],
        servers: [[record(old), record(fresh)], [record(old)], null],
      }),
      fresh,
      {
        servers: [
          { name: 'ns1', matches: true },
          { name: 'ns2', matches: false },
          { name: 'ns3', matches: null },
        ],
      },
    ],
    [
      'records that are not signed bind nobody (RFC 7672 section 2.2)',
      seen({ records: [record(old)], status: 'insecure' }),
      fresh,
      { published: 'none', servers: [] },
    ],
    [
      'what can not be validated says nothing (RFC 7672 section 2.1.2)',
      seen({ records: [], servers: [], status: 'bogus' }),
      kept,
      { published: 'unknown' },
    ],
    [
      'usages 0 and 1 are nothing to match (RFC 7672 section 3.1.3)',
      seen({ records: [{ ...record(old), usage: 1 }] }),
      fresh,
      { published: 'none' },
    ],
  ])('%s', (_, gathered, next, expected) => {
    expect(look(gathered, [next.der], [old.der]).view).toMatchObject(expected);
  });

  it('compares with what was installed last where the server could not be asked', () => {
    const gathered = seen({ records: [record(old)] });
    expect(look(gathered, [kept.der], [old.der])).toMatchObject({ sameKey: true, view: { keyKept: true } });
    expect(look(gathered, [kept.der])).toMatchObject({ sameKey: null, view: { keyKept: false } });
  });

  it('believes the server rather than the folder', () => {
    const gathered = seen({ records: [record(old), record(fresh)], shown: [old.der] });
    expect(look(gathered, [fresh.der], [fresh.der]).view).toMatchObject({
      keyKept: false,
      sharesRecord: false,
    });
  });

  it('wants a record with each combination that is published for the server (RFC 7671 section 8)', () => {
    const whole = tlsaRecordFor(old.der, { usage: 3, selector: 0, matchingType: 2 });
    const { wanted } = look(seen({ records: [record(old), whole] }), [fresh.der]);
    expect(wanted.map(formatTlsa).map((text) => text.slice(0, 5))).toEqual(['3 1 1', '3 0 2']);
  });

  it('wants what a name server has not got, where others have', () => {
    const { view, wanted } = look(
      seen({ records: [record(old), record(fresh)], servers: [[record(old), record(fresh)], [record(old)]] }),
      [fresh.der],
    );
    expect(decided(view)).toMatchObject({
      action: 'publish',
      reason: 'ns2 has no record that matches it',
    });
    expect(wanted.map(formatTlsa)).toEqual([formatTlsa(record(fresh))]);
  });

  describe('where the authority alone is published', () => {
    const ca = (name: string) => makeAuthority({ name, validity });
    const [authority, successor] = [ca('CA'), ca('successor')];
    const under = (issuer: typeof authority) => [
      issue(issuer, { names: ['mx.example'], validity }).der,
      issuer.der,
    ];
    const anchor = (of: typeof authority) =>
      tlsaRecordFor(of.der, { usage: 2, selector: 1, matchingType: 1 });
    const inUse = under(authority);
    const gathered = seen({ records: [anchor(authority)], shown: inUse });

    it('takes another certificate that it issued', () => {
      expect(look(gathered, under(authority)).view).toMatchObject({ keyKept: false, sharesRecord: true });
    });

    it('wants a record of the authority that issued the new one (RFC 7671 section 8)', () => {
      const { wanted } = look(gathered, under(successor));
      expect(wanted.map(formatTlsa)).toEqual([formatTlsa(anchor(successor))]);
    });

    it('wants 3 1 1 where nobody issued the new one, and for what is in use, too (RFC 7671 section 8)', () => {
      const { wanted } = look(gathered, [fresh.der]);
      const own = tlsaRecordFor(inUse[0] ?? new Uint8Array(), { usage: 3, selector: 1, matchingType: 1 });
      expect(wanted.map(formatTlsa)).toEqual([formatTlsa(record(fresh)), formatTlsa(own)]);
    });
  });
});
