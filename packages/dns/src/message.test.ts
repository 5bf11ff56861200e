import { describe, expect, test } from 'vitest';
import { decodeHex, encodeHex } from './base-encoding.js';
import { parseRecords } from './master-file.js';
import {
  encodeMessage,
  encodeQuery,
  MAX_MESSAGE_OCTETS,
  MAX_RECORDS,
  type Message,
  parseMessage,
  type QueryOptions,
  type ResourceRecord,
  uncompressedRdata,
} from './message.js';
import { MAX_NAME_OCTETS, Name } from './name.js';
import { parseRdata } from './record.js';
import { CLASS_IN, RRTYPE, typeNumber } from './rrtype.js';
import { concatBytes, WireError } from './wire.js';

const FLAGS = { qr: true, aa: false, tc: false, rd: true, ra: true, ad: true, cd: false };

function message(change: Partial<Message> = {}): Message {
  return {
    id: 0x1234,
    opcode: 0,
    flags: FLAGS,
    rcode: 0,
    questions: [{ name: Name.parse('example.com'), type: RRTYPE.A, class: 1 }],
    answer: [],
    authority: [],
    additional: [],
    ...change,
  };
}

/** A header with these counts, and what follows it. */
function raw(counts: readonly [number, number, number, number], ...rest: Uint8Array[]): Uint8Array {
  const header = new Uint8Array(12);
  counts.forEach((count, i) => {
    header.set([count >> 8, count & 0xff], 4 + 2 * i);
  });
  return concatBytes([header, ...rest]);
}

const hex = (text: string) => decodeHex(text.replaceAll(' ', '')) ?? new Uint8Array(0);
/** `example.` at octet 12, A IN. */
const QUESTION = hex('076578616d706c6500 0001 0001');

describe('the name that was asked for', () => {
  const asked = Name.parse('example');
  const answer = hex('c00c 0001 0001 0000012c 0004 c0000201');

  test('is that of the question and of the answers that point to it, where the letters are the same', () => {
    const read = parseMessage(raw([1, 1, 0, 0], QUESTION, answer), asked);
    expect(read).toEqual(parseMessage(raw([1, 1, 0, 0], QUESTION, answer)));
    expect(read.questions[0]?.name).toBe(asked);
    expect(read.answer[0]?.name).toBe(asked);
  });

  test.each([
    ['other letters', 'EXAMPLE'],
    ['another name', 'example.com'],
    ['a longer one than there are octets', `example.${'a'.repeat(60)}.${'b'.repeat(60)}`],
  ])('is not taken for %s', (_, other) => {
    const read = parseMessage(raw([1, 1, 0, 0], QUESTION, answer), Name.parse(other));
    expect(read.questions[0]?.name.toString()).toBe('example');
    expect(read.answer[0]?.name.toString()).toBe('example');
  });

  test('does not hide that the message is cut off', () => {
    expect(() => parseMessage(raw([1, 0, 0, 0], QUESTION.subarray(0, 9)), asked)).toThrow(WireError);
    expect(() => parseMessage(raw([1, 0, 0, 0], QUESTION.subarray(0, 8)), asked)).toThrow(WireError);
  });
});

test('owners are read rightly however many different ones there are', () => {
  const names = Array.from({ length: 40 }, (_, i) => Name.parse(`host${i}.example.com`));
  const answer = [...names, ...names].map((name) => ({
    name,
    type: RRTYPE.A,
    class: CLASS_IN,
    ttl: 300,
    rdata: Uint8Array.of(192, 0, 2, 1),
  }));
  const read = parseMessage(encodeMessage(message({ answer })));
  expect(read.answer.map(({ name }) => name.toString())).toEqual(answer.map(({ name }) => name.toString()));
});

describe('a message', () => {
  test('has the octets of RFC 1035 section 4.1', () => {
    const query = encodeQuery({
      id: 0xabcd,
      name: Name.parse('example'),
      type: RRTYPE.TLSA,
      rd: true,
      cd: true,
    });
    expect(encodeHex(query)).toBe('abcd01100001000000000000' + '076578616d706c6500' + '00340001');
    expect(parseMessage(query)).toEqual({
      id: 0xabcd,
      opcode: 0,
      flags: { qr: false, aa: false, tc: false, rd: true, ra: false, ad: false, cd: true },
      rcode: 0,
      questions: [{ name: expect.any(Name), type: 52, class: 1 }],
      answer: [],
      authority: [],
      additional: [],
    });
  });

  test('is the same after it was written and read, section by section', () => {
    const answer = parseRecords(
      'example.com. 300 IN A 192.0.2.1\nexample.com. 300 IN RRSIG A 13 2 300 2000000000 1900000000 7 example.com. AAAA',
    );
    const authority = parseRecords('example.com. 60 IN NS ns.example.com.');
    const additional = parseRecords('ns.example.com. 60 IN AAAA 2001:db8::53');
    const whole = message({
      answer,
      authority,
      additional,
      rcode: 0xabc,
      opcode: 5,
      edns: { udpSize: 1232, version: 0, do: true, options: [{ code: 15, data: Uint8Array.of(0, 6, 0x61) }] },
    });
    const read = parseMessage(encodeMessage(whole));
    expect(encodeMessage(read)).toEqual(encodeMessage(whole));
    const text = (records: readonly ResourceRecord[]) =>
      records.map(({ name, type, ttl, rdata }) => `${name} ${type} ${ttl} ${encodeHex(rdata)}`);
    expect(text(read.answer)).toEqual(text(answer));
    expect(text(read.authority)).toEqual(text(authority));
    expect(text(read.additional)).toEqual(text(additional));
    expect(read).toMatchObject({ rcode: 0xabc, opcode: 5, flags: FLAGS, edns: whole.edns });
  });

  test.each(['qr', 'aa', 'tc', 'rd', 'ra', 'ad', 'cd'] as const)(
    'keeps the flag %s apart from the others',
    (flag) => {
      const none = { qr: false, aa: false, tc: false, rd: false, ra: false, ad: false, cd: false };
      const flags = { ...none, [flag]: true };
      expect(parseMessage(encodeMessage(message({ flags }))).flags).toEqual(flags);
    },
  );

  test('compresses owner names, and equal owners are read as one name', () => {
    const answer = parseRecords(
      'www.Example.com. 1 A 192.0.2.1\nwww.example.com. 1 A 192.0.2.2\nexample.com. 1 A 192.0.2.3',
    );
    const octets = encodeMessage(message({ answer }));
    expect(octets).toHaveLength(12 + 17 + (4 + 2 + 14) + 2 * (2 + 14));
    const read = parseMessage(octets);
    expect(read.answer.map(({ name }) => name.toString())).toEqual([
      'www.example.com',
      'www.example.com',
      'example.com',
    ]);
    expect(read.answer[1]?.name).toBe(read.answer[0]?.name);
    expect(read.answer[2]?.name).toBe(read.questions[0]?.name);
  });

  test('a TTL with its top bit set is read as 0 (RFC 2181 section 8)', () => {
    const octets = raw([0, 1, 0, 0], hex('00 0001 0001 80000001 0004 c0000201'));
    expect(parseMessage(octets).answer[0]?.ttl).toBe(0);
  });
});

describe('compressed names in RDATA', () => {
  /** One record whose RDATA is given, behind the question `example.` at octet 12. */
  const rdataOf = (type: number, rdata: string) => {
    const octets = hex(rdata);
    const head = Uint8Array.of(0, type >> 8, type, 0, 1, 0, 0, 0, 1, octets.length >> 8, octets.length);
    return parseMessage(raw([1, 1, 0, 0], QUESTION, head, octets)).answer[0]?.rdata ?? new Uint8Array(0);
  };
  const EXAMPLE = '076578616d706c6500';

  test.each([
    ['NS', RRTYPE.NS, '026e73 c00c', `026e73${EXAMPLE}`],
    ['CNAME', RRTYPE.CNAME, 'c00c', EXAMPLE],
    ['DNAME', RRTYPE.DNAME, 'c00c', EXAMPLE],
    ['PTR', RRTYPE.PTR, 'c00c', EXAMPLE],
    ['MX', RRTYPE.MX, '000a c00c', `000a${EXAMPLE}`],
    ['SRV', RRTYPE.SRV, '000100020019 c00c', `000100020019${EXAMPLE}`],
    [
      'SOA',
      RRTYPE.SOA,
      `c00c 0161 c00c ${'00000001'.repeat(5)}`,
      `${EXAMPLE}0161${EXAMPLE}${'00000001'.repeat(5)}`,
    ],
    ['RRSIG', RRTYPE.RRSIG, `${'01'.repeat(18)} c00c abcd`, `${'01'.repeat(18)}${EXAMPLE}abcd`],
    ['NSEC', RRTYPE.NSEC, '0161 c00c 000140', `0161${EXAMPLE}000140`],
    ['MINFO', typeNumber('MINFO') ?? 0, '0161 c00c c00c', `0161${EXAMPLE}${EXAMPLE}`],
    ['AFSDB', typeNumber('AFSDB') ?? 0, '0001 c00c', `0001${EXAMPLE}`],
    ['NAPTR', typeNumber('NAPTR') ?? 0, '00010002 0155 00 021234 c00c', `00010002015500021234${EXAMPLE}`],
  ])('of %s are written out', (_name, type, compressed, plain) => {
    expect(encodeHex(rdataOf(type, compressed))).toBe(plain);
    // Octets that hold no pointer stay as they are.
    expect(encodeHex(rdataOf(type, plain))).toBe(plain);
  });

  test.each([
    ['TLSA', RRTYPE.TLSA],
    ['TXT', RRTYPE.TXT],
    ['DS', RRTYPE.DS],
    ['a type that nobody knows', 65_280],
  ])('are not looked for in %s: the octets stay as they came (RFC 3597 section 4)', (_name, type) => {
    expect(encodeHex(rdataOf(type, '0302c00c c00c'))).toBe('0302c00cc00c');
  });

  test.each([
    ['RDATA that ends within its name', RRTYPE.NS, '026e'],
    ['RDATA too short for its fixed part', RRTYPE.MX, '00'],
    ['a pointer forwards', RRTYPE.NS, 'c0ff'],
    ['a pointer to itself', RRTYPE.NS, 'c025'],
    ['an SOA with one name', RRTYPE.SOA, EXAMPLE],
    ['a NAPTR that ends within its texts', typeNumber('NAPTR') ?? 0, '00010002 0155 09'],
    ['a name over 255 octets', RRTYPE.NS, `${`3f${'61'.repeat(63)}`.repeat(4)}00`],
    [
      'a second name over 255 octets',
      RRTYPE.SOA,
      `00${`3f${'61'.repeat(63)}`.repeat(4)}00${'00'.repeat(20)}`,
    ],
  ])('%s is refused', (_what, type, rdata) => {
    expect(() => rdataOf(type, rdata)).toThrow(WireError);
  });

  test('in RDATA that stands alone can only point into it', () => {
    expect(encodeHex(uncompressedRdata(RRTYPE.SOA, hex(`0161000162c000${'00'.repeat(20)}`)))).toBe(
      `01610001620161${'00'}${'00'.repeat(20)}`,
    );
    expect(() => uncompressedRdata(RRTYPE.NS, hex('c00c'))).toThrow(WireError);
  });
});

describe('what is no message is refused', () => {
  const opt = '00 0029 04d0 00000000 0000';
  const cases: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['nothing', new Uint8Array(0), /octets wanted/],
    ['half a header', new Uint8Array(11), /octets wanted/],
    ['two questions', raw([2, 0, 0, 0], QUESTION, QUESTION), /2 questions/],
    ['a question that is missing', raw([1, 0, 0, 0]), /runs past its end/],
    ['a question that is cut off', raw([1, 0, 0, 0], QUESTION.subarray(0, -1)), /octets wanted/],
    [
      'fewer records than the count says',
      raw([0, 2, 0, 0], hex('00 0001 0001 00000001 0000')),
      /runs past its end/,
    ],
    [
      'a record cut off before its length',
      raw([0, 1, 0, 0], hex('00 0001 0001 00000001 00')),
      /octets wanted/,
    ],
    [
      'RDATA that is longer than the message',
      raw([0, 1, 0, 0], hex('00 0001 0001 00000001 0005 01020304')),
      /runs past the message/,
    ],
    ['more records than we read', raw([0, MAX_RECORDS, 1, 0]), /more than 2000 records/],
    ['counts at their largest', raw([1, 65_535, 65_535, 65_535], QUESTION), /more than 2000 records/],
    ['two OPT records', raw([0, 0, 0, 2], hex(opt), hex(opt)), /more than one OPT/],
    [
      'an EDNS option that is cut off',
      raw([0, 0, 0, 1], hex('00 0029 04d0 00000000 0005 000f0002 00')),
      /octets wanted/,
    ],
    [
      'an owner that is a pointer to itself',
      raw([0, 1, 0, 0], hex('c00c 0001 0001 00000001 0000')),
      /backwards/,
    ],
    ['more octets than TCP can carry', new Uint8Array(MAX_MESSAGE_OCTETS + 1), /65536 octets/],
  ];
  test.each(cases)('%s', (_what, octets, reason) => {
    expect(() => parseMessage(octets)).toThrow(WireError);
    expect(() => parseMessage(octets)).toThrow(reason);
  });

  test('nor is any beginning of one, except the whole', () => {
    const answer = parseRecords('example.com. 300 IN SOA ns.example.com. host.example.com. 1 2 3 4 5');
    const edns = { udpSize: 1232, version: 0, do: true, options: [] };
    const whole = encodeMessage(message({ answer, edns }));
    for (let length = 0; length < whole.length; length++) {
      expect(() => parseMessage(whole.subarray(0, length))).toThrow(WireError);
    }
    expect(parseMessage(whole).answer).toHaveLength(1);
  });

  test('and what does not fit is not written', () => {
    const rdata = new Uint8Array(40_000);
    const record = { name: Name.root, type: RRTYPE.TXT, class: 1, ttl: 0, rdata };
    expect(() => encodeMessage(message({ answer: [record, record] }))).toThrow(/65535 octets/);
  });
});

/**
 * The same octets, with every read of one counted. (Views made of them are not counted; no view is read in the places where
 * names and headers are.)
 */
function counted(octets: Uint8Array): { readonly octets: Uint8Array; readonly reads: () => number } {
  let reads = 0;
  const proxy = new Proxy(octets, {
    get(target, property) {
      if (typeof property === 'string' && /^[0-9]+$/.test(property)) reads++;
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { octets: proxy, reads: () => reads };
}

describe('work is bounded', () => {
  test('for the most expensive owner names that a message can hold', () => {
    // A name of 127 labels, then as many records as are read, each owned by one more pointer to it.
    const longest = concatBytes([
      ...Array.from({ length: 126 }, () => Uint8Array.of(1, 0x61)),
      Uint8Array.of(0),
    ]);
    const question = concatBytes([longest, Uint8Array.of(0, 1, 0, 1)]);
    const record = hex('c00e 0001 0001 00000001 0000');
    const records = Array.from({ length: MAX_RECORDS }, () => record);
    const { octets, reads } = counted(raw([1, MAX_RECORDS, 0, 0], question, ...records));
    expect(parseMessage(octets).answer).toHaveLength(MAX_RECORDS);
    expect(reads()).toBeLessThanOrEqual(octets.length + MAX_RECORDS * (MAX_NAME_OCTETS + 2 * 127));
  });

  test('for chains of pointers', () => {
    // Each owner points to the one before it: n records would cost n * n steps, were the number of pointers not bounded.
    let offset = 12;
    const parts: Uint8Array[] = [hex('016100 0001 0001')];
    offset += 7;
    for (let i = 0, previous = 12; i < 1000; i++) {
      parts.push(
        Uint8Array.of(1, 0x62, 0xc0 | (previous >> 8), previous & 0xff),
        hex('0002 0001 00000001 0002'),
      );
      parts.push(Uint8Array.of(0xc0 | (offset >> 8), offset & 0xff));
      previous = offset;
      offset += 16;
    }
    const { octets, reads } = counted(raw([1, 1000, 0, 0], ...parts));
    expect(() => parseMessage(octets)).toThrow(/compression pointers|over 255/);
    expect(reads()).toBeLessThanOrEqual(octets.length + 1000 * 2 * (MAX_NAME_OCTETS + 2 * 127));
  });

  test('and what is read is no larger than what names of that number can be', () => {
    const many = Array.from({ length: 2_000 }, () => hex('c00c 0002 0001 00000001 0002 c00c'));
    const label = `3f${'61'.repeat(63)}`;
    const question = hex(`${label.repeat(3)}3d${'62'.repeat(61)}00 0001 0001`);
    const read = parseMessage(raw([1, 2_000, 0, 0], question, ...many));
    const size = read.answer.reduce((sum, record) => sum + record.rdata.length, 0);
    expect(size).toBe(2_000 * MAX_NAME_OCTETS);
    expect(parseRdata(RRTYPE.NS, read.answer[1_999]?.rdata ?? new Uint8Array(0))).toMatchObject({
      type: 'NS',
    });
  });
});

describe('a query', () => {
  const edns = { udpSize: 1232, version: 0, do: true, options: [{ code: 10, data: Uint8Array.of(1, 2, 3) }] };
  test.each([
    ['plain', {}],
    ['with flags', { rd: true, ad: true, cd: true }],
    ['with EDNS', { rd: true, edns: { ...edns, options: [] } }],
    ['with EDNS and an option', { cd: true, edns }],
    ['with EDNS and without DNSSEC', { edns: { ...edns, do: false, udpSize: 512 } }],
  ] satisfies readonly (readonly [string, Partial<QueryOptions>])[])(
    'is what the writer of messages writes: %s',
    (_, options: Partial<QueryOptions>) => {
      const { rd = false, ad = false, cd = false, edns } = options;
      const asked = { id: 0xfedc, name: Name.parse('Mail.example.com'), type: RRTYPE.TLSA };
      const flags = { qr: false, aa: false, tc: false, rd, ra: false, ad, cd };
      const sections = { answer: [], authority: [], additional: [] };
      const questions = [{ name: asked.name, type: asked.type, class: CLASS_IN }];
      const message = { id: asked.id, opcode: 0, flags, rcode: 0, questions, ...sections };
      const written = encodeMessage({ ...message, ...(edns === undefined ? {} : { edns }) });
      expect(encodeQuery({ ...asked, ...options })).toEqual(written);
    },
  );
});
