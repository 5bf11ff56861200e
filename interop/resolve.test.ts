import { createResolver, isAnswered, type Lookup, type Resolver } from '@danelaw/dns';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { danelaw, dnsOptions, jsonOf, type Trust } from './danelaw.js';
import { verdict } from './dig.js';
import { withNeighbours } from './neighbours.js';
import { type PrivateDns, startPrivateDns } from './private-dns.js';
import { type NameCase, nameCases, resolveZones } from './resolve-zones.js';

const trusts = ['validate', 'ad'] as const;
const titleOf = ({ title, name, type, status }: NameCase) => `${title}: ${name} ${type} is ${status}`;

withNeighbours('resolve', () => {
  let dns: PrivateDns;
  beforeAll(async () => {
    dns = await startPrivateDns(resolveZones);
  });
  afterAll(async () => {
    await dns?.stop();
  });

  describe('the private DNS is what its declaration says, by the word of Unbound', () => {
    for (const row of nameCases) {
      test(titleOf(row), async () => {
        const { name, type, status, rcode, records } = row;
        const expected = { status: status === 'failed' ? 'bogus' : status, rcode, records };
        expect(await verdict({ port: dns.unbound.port, name, type })).toEqual(expected);
      });
    }
  });

  describe.each(trusts)('createResolver with trust "%s" comes to the same verdict', (trust) => {
    let resolver: Resolver;
    beforeAll(() => {
      const upstream = `127.0.0.1#${dns.unbound.port}`;
      resolver = createResolver({ upstream, trust, trustAnchors: [...dns.trustAnchors] });
    });
    afterAll(async () => {
      await resolver?.close();
    });
    for (const row of nameCases) {
      test(titleOf(row), async () => {
        const lookup = await resolver.resolve(row.name, row.type);
        expect(summaryOf(lookup, row.type), reasonOf(lookup)).toEqual(expectedOf(row, trust));
      });
    }
  });

  // Every look-up is a process here: one zone has a name of every kind, and the broken ones are what scripts
  // look at.
  const ofOneZone = nameCases.filter(({ name }) => /(^|\.)nsec3\.bind$/.test(name));
  const broken = nameCases.filter(({ name, status }) => status === 'failed' && !name.startsWith('to-bogus.'));
  describe.each(trusts)('danelaw resolve --trust %s says so, and ends with the right code', (trust) => {
    for (const row of trust === 'validate' ? [...ofOneZone, ...broken] : ofOneZone) {
      test(titleOf(row), async () => {
        const finished = await danelaw(['resolve', row.name, row.type, ...dnsOptions(dns, trust), '--json']);
        const { status, rcode, records } = expectedOf(row, trust);
        expect(jsonOf(finished), finished.stderr).toMatchObject(
          records === undefined ? { status } : { status, rcode },
        );
        expect(finished.code).toBe(row.status === 'failed' ? 75 : 0);
      });
    }
  });
});

interface Summary {
  readonly status: unknown;
  readonly rcode?: string;
  /** How many records of the type that was asked for. */
  readonly records?: number;
}

function summaryOf(lookup: Lookup, type: string): Summary {
  if (!isAnswered(lookup)) return { status: lookup.status };
  const { status, rcode } = lookup;
  return { status, rcode, records: lookup.records.filter((record) => record.type === type).length };
}

/** Who believes a SERVFAIL knows less about it than who has seen the proof fail. */
function expectedOf({ status, rcode, records }: NameCase, trust: Trust): Summary {
  if (status !== 'failed') return { status, rcode, records };
  return { status: trust === 'validate' ? 'bogus' : expect.stringMatching(/^(bogus|indeterminate)$/) };
}

function reasonOf(lookup: Lookup): string {
  return lookup.status === 'secure' ? '' : lookup.reason;
}
