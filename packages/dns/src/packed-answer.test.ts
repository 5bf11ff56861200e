import { expect, test } from 'vitest';
import type { Answered } from './lookup.js';
import { parseRecords } from './master-file.js';
import { pack, unpack } from './packed-answer.js';
import { parseRdata } from './record.js';
import { typeName } from './rrtype.js';

function answered(text: string): Answered {
  const records = parseRecords(text).map(({ name, type, ttl, rdata }) => {
    return { name: name.toString(), type: typeName(type), ttl, data: parseRdata(type, rdata), rdata };
  });
  const aliases = [{ from: 'mail.example', to: 'host.example', status: 'secure' }] as const;
  return {
    status: 'insecure',
    reason: 'the zone is not signed',
    name: 'mail.example',
    type: 'A',
    rcode: 'NOERROR',
    canonicalName: 'host.example',
    records,
    aliases,
    ttl: 60,
    chain: [{ zone: '.', status: 'insecure', reason: 'no anchor' }],
    ede: { code: 22, text: 'text' },
    via: 'iterating',
  };
}

const ANSWERS = {
  'an alias and addresses': `mail.example. 60 IN CNAME Host.Example.
host.example. 300 IN A 192.0.2.1
host.example. 300 IN AAAA 2001:db8::1`,
  'every octet': `host.example. 60 IN TYPE65280 \\# 256 ${Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString('hex')}`,
  'no octet': 'host.example. 60 IN TYPE65280 \\# 0',
  'names and binary data': `a.example. 60 IN MX 10 Mail.example.
a.example. 60 IN TLSA 3 1 1 ${'ab'.repeat(32)}
a.example. 60 IN TXT "one" "two"`,
  nothing: '',
};

test.each(Object.entries(ANSWERS))('comes back as it was: %s', (_, text) => {
  const lookup = answered(text);
  expect(unpack(pack(lookup), 0)).toEqual(lookup);
});

test('comes back older, and never with a TTL below zero', () => {
  const lookup = unpack(pack(answered(ANSWERS['an alias and addresses'])), 100);
  expect(lookup.ttl).toBe(0);
  expect(lookup.records.map(({ ttl }) => ttl)).toEqual([0, 200, 200]);
});
