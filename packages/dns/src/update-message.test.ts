import { describe, expect, test } from 'vitest';
import { Name } from './name.js';
import { parseRdataText } from './presentation.js';
import { RRTYPE } from './rrtype.js';
import { type Change, encodeUpdate, formatUpdate, MAX_CHANGES, type Prerequisite } from './update-message.js';
import { Cursor } from './wire.js';

const zone = Name.parse('example.org');
const name = Name.parse('_25._tcp.mx.example.org');
const type = RRTYPE.TLSA;
const rdata = parseRdataText(type, '3 1 1 abcd');
const [ANY, NONE, IN] = [255, 254, 1];

/** Read by RFC 1035's layout alone: `parseMessage` would refuse records without RDATA. */
function sections(octets: Uint8Array) {
  const cursor = new Cursor(octets);
  const [id, flags] = [cursor.u16(), cursor.u16()];
  const counts = [cursor.u16(), cursor.u16(), cursor.u16(), cursor.u16()];
  const question = [Name.read(cursor).toString(), cursor.u16(), cursor.u16()];
  const records = (count = 0) =>
    Array.from({ length: count }, () => {
      const owner = Name.read(cursor).toString();
      const [kind, rrclass, ttl] = [cursor.u16(), cursor.u16(), cursor.u32()];
      return [owner, kind, rrclass, ttl, Buffer.from(cursor.take(cursor.u16())).toString('hex')];
    });
  return {
    ...{ id, flags, zones: counts[0], question },
    ...{ prerequisites: records(counts[1]), changes: records(counts[2]), additional: records(counts[3]) },
    rest: cursor.remaining,
  };
}

const add: Change = { kind: 'add', name, type, ttl: 300, rdata };
const encode = (prerequisites: readonly Prerequisite[], changes: readonly Change[]) =>
  encodeUpdate({ zone, prerequisites, changes }, 0x1234);

describe('an update', () => {
  test('names its zone and nothing else in the header (RFC 2136 sections 2.2 and 2.3)', () => {
    expect(sections(encode([], [add]))).toEqual({
      ...{ id: 0x1234, flags: 5 << 11, zones: 1, question: ['example.org', RRTYPE.SOA, IN] },
      ...{ prerequisites: [], additional: [], rest: 0 },
      changes: [[name.toString(), type, IN, 300, '030101abcd']],
    });
  });

  test.each<[string, Prerequisite, readonly unknown[][], string]>([
    [
      '2.4.1: an RRset is there',
      { kind: 'rrset-exists', name, type },
      [[type, ANY, 0, '']],
      'yxrrset N IN TLSA',
    ],
    [
      '2.4.2: an RRset is this one',
      { kind: 'rrset-is', name, type, rdatas: [rdata, Uint8Array.of(2, 1, 1, 9)] },
      [
        [type, IN, 0, '030101abcd'],
        [type, IN, 0, '02010109'],
      ],
      'yxrrset N IN TLSA 3 1 1 abcd\nprereq yxrrset N IN TLSA 2 1 1 09',
    ],
    [
      '2.4.3: an RRset is not there',
      { kind: 'rrset-absent', name, type: RRTYPE.CNAME },
      [[RRTYPE.CNAME, NONE, 0, '']],
      'nxrrset N IN CNAME',
    ],
    ['2.4.4: a name is in use', { kind: 'name-exists', name }, [[RRTYPE.ANY, ANY, 0, '']], 'yxdomain N'],
    ['2.4.5: a name is not in use', { kind: 'name-absent', name }, [[RRTYPE.ANY, NONE, 0, '']], 'nxdomain N'],
  ])('may ask beforehand, section %s', (_what, prerequisite, records, line) => {
    expect(sections(encode([prerequisite], [add])).prerequisites).toEqual(
      records.map((record) => [name.toString(), ...record]),
    );
    expect(formatUpdate({ zone, prerequisites: [prerequisite], changes: [add] })).toBe(
      `zone example.org.\nprereq ${line.replaceAll(' N', ` ${name}.`)}\n` +
        `update add ${name}. 300 IN TLSA 3 1 1 abcd\nsend\n`,
    );
  });

  test.each<[string, Change, readonly unknown[], string]>([
    ['2.5.1: adds', add, [type, IN, 300, '030101abcd'], 'add N 300 IN TLSA 3 1 1 abcd'],
    ['2.5.2: deletes an RRset', { kind: 'delete-rrset', name, type }, [type, ANY, 0, ''], 'delete N IN TLSA'],
    [
      '2.5.4: deletes a record',
      { kind: 'delete', name, type, rdata },
      [type, NONE, 0, '030101abcd'],
      'delete N IN TLSA 3 1 1 abcd',
    ],
  ])('section %s', (_what, change, record, line) => {
    expect(sections(encode([], [change])).changes).toEqual([[name.toString(), ...record]]);
    expect(formatUpdate({ zone, prerequisites: [], changes: [change] })).toBe(
      `zone example.org.\nupdate ${line.replace(' N', ` ${name}.`)}\nsend\n`,
    );
  });

  test.each<[string, readonly Change[], string]>([
    ['changes nothing', [], '0 changes'],
    ['changes too much', Array.from({ length: MAX_CHANGES + 1 }, () => add), 'changes'],
    ['is for another zone (section 3.4.1)', [{ ...add, name: Name.parse('a.example.com') }], 'not in the'],
    [
      'would be over 65,535 octets',
      Array.from({ length: 20 }, () => ({ ...add, rdata: new Uint8Array(4000) })),
      '65535 octets',
    ],
  ])('is refused where it %s', (_what, changes, words) => {
    expect(() => encode([], changes)).toThrow(words);
  });
});
