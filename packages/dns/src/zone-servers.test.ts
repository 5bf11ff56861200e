import { describe, expect, test } from 'vitest';
import type { Lookup } from './lookup.js';
import { parseRdataText } from './presentation.js';
import { parseRdata, requireType } from './record.js';
import { findPrimary } from './zone-servers.js';

/** By `name TYPE`; null is a failure, and what is not there is securely denied. */
function resolver(answers: Readonly<Record<string, readonly string[] | null>>) {
  return {
    resolve: async (name: string, type: string): Promise<Lookup> => {
      const texts = answers[`${name} ${type}`] === undefined ? [] : answers[`${name} ${type}`];
      if (texts === null || texts === undefined)
        return { status: 'indeterminate', name, type, chain: [], reason: 'no answer' };
      const number = requireType(type);
      const records = texts.map((text) => {
        const rdata = parseRdataText(number, text);
        return { name, type, ttl: 300, rdata, data: parseRdata(number, rdata) };
      });
      const answer = { name, type, chain: [], aliases: [], canonicalName: name, ttl: 300 } as const;
      return { status: 'secure', rcode: 'NOERROR', ...answer, records };
    },
  };
}

const SOA = ['primary.example.org. hostmaster.example.org. 1 2 3 4 5'];
const NAME = '_25._tcp.mx.example.org';

describe('the primary server of a name', () => {
  test.each<[string, Readonly<Record<string, readonly string[] | null>>, object]>([
    [
      'is the one in the SOA record of the zone (RFC 2136 section 4.3)',
      {
        'example.org SOA': SOA,
        'primary.example.org A': ['192.0.2.1'],
        'primary.example.org AAAA': ['2001:db8::1'],
      },
      { status: 'found', server: 'primary.example.org', addresses: ['192.0.2.1', '2001:db8::1'] },
    ],
    [
      'may be without an address, and the zone is known even so',
      { 'example.org SOA': SOA },
      { status: 'found', server: 'primary.example.org', addresses: [], reason: 'it has no address' },
    ],
    [
      'is not looked for in a zone above where the closer one could not be looked up',
      { 'mx.example.org SOA': null, 'example.org SOA': SOA },
      { status: 'failed', reason: `the zone of ${NAME} could not be found: no answer` },
    ],
    ['is nowhere where no zone is', {}, { status: 'failed', reason: `no zone holds ${NAME}` }],
  ])('%s', async (_what, answers, found) => {
    expect(await findPrimary({ resolver: resolver(answers), name: NAME })).toMatchObject(found);
  });

  test('comes with the zone', async () => {
    const found = await findPrimary({ resolver: resolver({ 'example.org SOA': SOA }), name: NAME });
    expect(found.status === 'found' && found.zone.toString()).toBe('example.org');
    await expect(findPrimary({ resolver: resolver({}), name: 'a..b' })).rejects.toThrow(TypeError);
  });
});
