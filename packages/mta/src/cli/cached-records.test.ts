/** What `danelaw tlsa verify` says where the resolver has other records than the name servers. */
import type { TlsaRecord } from '@danelaw/dane';
import { type AuthorityAnswer, type Lookup, VIA_ROOT } from '@danelaw/dns';
import { describe, expect, it } from 'vitest';
import type { Gathered } from '../tlsa/gather.js';
import { timeLeft } from './cached-records.js';
import { findingsOf } from './tlsa-findings.js';

const HOST = 'mx.example.org';
const NAME = `_25._tcp.${HOST}`;
const record = (octet: number): TlsaRecord => ({
  usage: 3,
  selector: 1,
  matchingType: 1,
  data: new Uint8Array(32).fill(octet),
});
const OLD = record(1);
const NEW = record(2);

const answers = (records: readonly TlsaRecord[]) =>
  records.map((each) => ({ ttl: 3600, data: { type: 'TLSA' as const, ...each }, rdata: new Uint8Array() }));
const says = (...records: TlsaRecord[]): AuthorityAnswer => ({
  status: 'answered',
  serial: 7,
  signed: true,
  records: answers(records),
});
const SILENT: AuthorityAnswer = { status: 'failed', reason: 'no answer in time' };

interface Case {
  /** Of the resolver. */
  readonly copy: readonly TlsaRecord[];
  readonly left?: number;
  readonly via?: string;
  /** By name server; one with a second address has its name twice. */
  readonly servers: readonly (readonly [server: string, said: AuthorityAnswer])[];
}

function codesOf({ copy, left = 2400, via = 'forwarding to 127.0.0.1#53', servers }: Case) {
  const lookup: Lookup = {
    status: 'secure',
    name: NAME,
    type: 'TLSA',
    rcode: 'NOERROR',
    records: answers(copy).map((each) => ({ ...each, name: NAME, type: 'TLSA' })),
    aliases: [],
    canonicalName: NAME,
    ttl: left,
    chain: [],
    via,
  };
  const published = copy.map((each) => ({ record: each }));
  const gathered: Gathered = {
    finding: {
      status: 'reachable',
      host: HOST,
      port: 25,
      expandedHost: HOST,
      addresses: [{ address: '192.0.2.1', family: 4, status: 'secure' }],
      addressNotes: [],
      tlsa: { status: 'usable', baseDomain: HOST, records: copy, published },
    },
    baseDomain: HOST,
    name: NAME,
    lookup,
    records: copy,
    authorities: {
      status: 'asked',
      zone: 'example.org',
      servers: servers.map(([server, said], i) => ({ server, address: `192.0.2.${53 + i}`, said })),
    },
    served: [],
  };
  const publication = { records: copy, baseDomain: HOST, host: HOST, now: 0 };
  return findingsOf(gathered, publication, [], 25);
}

describe('records of the name servers that the resolver does not have', () => {
  it.each<[what: string, given: Case, findings: string[]]>([
    [
      'are a note where all agree, and the copy is older',
      {
        copy: [OLD],
        servers: [
          ['ns1', says(NEW, OLD)],
          ['ns2', says(OLD, NEW)],
        ],
      },
      ['note records-cached'],
    ],
    [
      'are a note where a second address of a name server is silent',
      {
        copy: [OLD],
        servers: [
          ['ns1', says(NEW)],
          ['ns1', SILENT],
        ],
      },
      ['note name-server-silent', 'note records-cached'],
    ],
    [
      'are told of each where they do not agree',
      {
        copy: [OLD],
        servers: [
          ['ns1', says(NEW)],
          ['ns2', says(OLD)],
        ],
      },
      ['warning records-differ'],
    ],
    [
      'are told of each where one can not be asked: it may have the old ones',
      {
        copy: [OLD],
        servers: [
          ['ns1', says(NEW)],
          ['ns2', SILENT],
        ],
      },
      ['unclear name-server-silent', 'warning records-differ'],
    ],
    [
      "are told of each where the copy's time is over",
      { copy: [OLD], left: 0, servers: [['ns1', says(NEW)]] },
      ['warning records-differ'],
    ],
    [
      'are told of each where the resolver has just asked them itself',
      { copy: [OLD], via: VIA_ROOT, servers: [['ns1', says(NEW)]] },
      ['warning records-differ'],
    ],
    [
      'are an error where there are none any more',
      {
        copy: [OLD],
        servers: [
          ['ns1', says()],
          ['ns2', says()],
        ],
      },
      ['error records-differ'],
    ],
    ['are nothing where they are the same', { copy: [OLD], servers: [['ns1', says(OLD)]] }, []],
  ])('%s', (_, given, findings) => {
    const codes = codesOf(given).map(({ severity, code }) => `${severity} ${code}`);
    expect([...new Set(codes)].sort()).toEqual(findings);
  });

  it('are named, with the time for which the older copy holds', () => {
    const [found] = codesOf({ copy: [OLD], servers: [['ns1', says(NEW)]] });
    expect(found?.text).toMatch(
      /^our resolver has the TLSA records from before a change, for 40 minutes more: it has not 3 1 1 0202.*; it has 3 1 1 0101.* besides\. All name servers agree$/u,
    );
  });
});

it.each([
  [1, 'under a minute'],
  [60, '1 minute'],
  [61, '2 minutes'],
  [7199, '120 minutes'],
  [7201, '3 hours'],
])('%d seconds are %s, rounded up', (seconds, words) => {
  expect(timeLeft(seconds)).toBe(words);
});
