/**
 * Octets and texts that nobody should send, at every parser that meets strangers. Inputs are made from good ones by a
 * generator with a fixed seed, so that a failure can be repeated; `DANELAW_FUZZ=1000000` makes that many instead of a few
 * thousand, and `DANELAW_FUZZ_SEED` others.
 */
import assert from 'node:assert/strict';
import { describe, expect, test } from 'vitest';
import { encodeHex } from './base-encoding.js';
import { extendedErrors } from './ede-option.js';
import { parseRecords } from './master-file.js';
import { encodeMessage, MAX_RECORDS, type Message, parseMessage, type ResourceRecord } from './message.js';
import { MAX_NAME_OCTETS, Name } from './name.js';
import { formatRdata, formatRecord, parseRdataText } from './presentation.js';
import { encodeRdata, parseRdata } from './record.js';
import { isReplyTo } from './reply-match.js';
import { RRTYPE } from './rrtype.js';
import { parseServer } from './server-address.js';
import { parseResolvConf } from './system.js';
import { FrameReader } from './tcp.js';
import { TransportError } from './transport-error.js';
import { parseTrustAnchors } from './trust-anchor.js';
import { checkResponse, signRequest } from './tsig.js';
import { parseTsigKey } from './tsig-key.js';
import { Cursor, WireError } from './wire.js';

const RUNS = Number(process.env['DANELAW_FUZZ'] ?? 4_000);
const SEED = Number(process.env['DANELAW_FUZZ_SEED'] ?? 20_260_101);
const IS_LONG = process.env['DANELAW_FUZZ'] !== undefined;
const TIMEOUT_MS = 60 * 60 * 1000;

/** Mulberry32: small, and the same everywhere. */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const ZONE = `
example.com. 300 IN A 192.0.2.1
example.com. 300 IN AAAA 2001:db8::1
example.com. 300 IN NS ns.example.com.
example.com. 300 IN SOA ns.example.com. hostmaster.example.com. 1 2 3 4 5
example.com. 300 IN MX 10 mail.example.com.
example.com. 300 IN TXT "v=spf1 -all" "\\000\\255"
www.example.com. 300 IN CNAME example.com.
old.example.com. 300 IN DNAME new.example.net.
_25._tcp.mail.example.com. 300 IN TLSA 3 1 1 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971
example.com. 300 IN DS 60485 13 2 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971
example.com. 300 IN DNSKEY 257 3 13 l53+RnUsvFIlKZC2XRY4WQQ4MOkxEx/ZAgSHbRtqqtC//K5zPUFMPsfXaqfaKVvB64Aq/u/hdB8sPwOPwP5fpQ==
example.com. 300 IN RRSIG A 13 2 300 20380119031407 20260101000000 2642 example.com. l53+RnUsvFIlKZC2XRY4WQ==
a.example.com. 300 IN NSEC b.example.com. A MX RRSIG NSEC TYPE1234
0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example. 300 IN NSEC3 1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr MX DNSKEY
example. 300 IN NSEC3PARAM 1 0 12 aabbccdd
example. 300 IN TYPE65280 \\# 4 0a000001`;

const records = parseRecords(ZONE);

function message(answer: readonly ResourceRecord[], change: Partial<Message> = {}): Uint8Array {
  const name = answer[0]?.name ?? Name.root;
  const flags = { qr: true, aa: false, tc: false, rd: true, ra: true, ad: false, cd: true };
  const edns = {
    udpSize: 1232,
    version: 0,
    do: true,
    options: [{ code: 15, data: Uint8Array.of(0, 6, 0x61) }],
  };
  const questions = [{ name, type: RRTYPE.A, class: 1 }];
  const rest = { authority: [], additional: [], edns };
  return encodeMessage({ id: 7, opcode: 0, flags, rcode: 0, questions, answer, ...rest, ...change });
}

const MESSAGES = [
  message(records),
  message(records.slice(0, 3), { authority: records.slice(3, 8), additional: records.slice(8) }),
  ...records.map((record) => message([record, record])),
  message([]),
];

/** Octets with a meaning somewhere: lengths, pointers, window numbers, the edges of label types. */
const SPECIAL = [0x00, 0x01, 0x0c, 0x1f, 0x20, 0x21, 0x3f, 0x40, 0x7f, 0x80, 0xbf, 0xc0, 0xff];

function mutate(seeds: readonly Uint8Array[], random: (below: number) => number): Uint8Array {
  const pick = () => seeds[random(seeds.length)] ?? new Uint8Array(0);
  let octets = Uint8Array.from(pick());
  for (let changes = 1 + random(6); changes > 0 && octets.length > 0; changes--) {
    const at = random(octets.length);
    switch (random(8)) {
      case 0:
        octets[at] = random(256);
        break;
      case 1:
        octets[at] = SPECIAL[random(SPECIAL.length)] ?? 0;
        break;
      case 2: // a compression pointer
        octets.set([0xc0 | random(2), random(256)].slice(0, octets.length - at), at);
        break;
      case 3: // another count, or another length
        octets[4 + random(8)] = random(4) === 0 ? 0xff : random(4);
        break;
      case 4:
        octets = octets.slice(0, at);
        break;
      case 5: // something of it twice
        octets = Uint8Array.from([...octets.subarray(0, at), ...octets.subarray(random(at + 1))]);
        break;
      case 6: // something of it left out
        octets = Uint8Array.from([...octets.subarray(0, random(at + 1)), ...octets.subarray(at)]);
        break;
      default: // the beginning of one, the end of another
        octets = Uint8Array.from([...octets.subarray(0, at), ...pick().subarray(at)]);
    }
    if (octets.length > 4_096) octets = octets.slice(0, 4_096);
  }
  return octets;
}

const SNIPPETS = [
  '(',
  ')',
  '"',
  ';',
  '\\',
  '\n',
  ' ',
  '\\000',
  '\\999',
  '\\#',
  '@',
  '$',
  '.',
  '..',
  '{',
  '}',
  '/*',
  '\u00e9',
  '0',
  '4294967296',
];

function mutateText(seeds: readonly string[], random: (below: number) => number): string {
  const pick = () => seeds[random(seeds.length)] ?? '';
  let text = pick();
  for (let changes = 1 + random(5); changes > 0; changes--) {
    const at = random(text.length + 1);
    const snippet = SNIPPETS[random(SNIPPETS.length)] ?? '';
    const other = pick();
    const variants = [
      text.slice(0, at) + snippet + text.slice(at),
      text.slice(0, at) + snippet + text.slice(at + 1),
      text.slice(0, at) + text.slice(at + 1 + random(8)),
      text.slice(0, at) + String.fromCharCode(random(0x180)) + text.slice(at + 1),
      text.slice(0, at) + other.slice(random(other.length + 1)),
      text.slice(0, at) + text.slice(random(at + 1)),
    ];
    text = (variants[random(variants.length)] ?? '').slice(0, 4_096);
  }
  return text;
}

/** What the parser makes of the input; undefined where it refuses it as it should, with an error of that class. */
function attempt<T>(
  parse: () => T,
  ...expected: readonly (abstract new (
    ...args: never[]
  ) => Error)[]
): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (expected.some((known) => error instanceof known)) return undefined;
    throw error;
  }
}

/** Feeds mutants to `check`; says which one, when it throws. */
function fuzz<T>(
  make: (random: (below: number) => number) => T,
  show: (input: T) => string,
  check: (input: T, i: number) => void,
): void {
  const random = generator(SEED);
  const start = performance.now();
  let memory = 0;
  for (let i = 0; i < RUNS; i++) {
    const input = make(random);
    try {
      check(input, i);
    } catch (error) {
      throw new Error(`input ${i} of seed ${SEED}: ${show(input)}`, { cause: error });
    }
    if (i % 4_096 === 0) memory = Math.max(memory, process.memoryUsage().rss);
  }
  if (!IS_LONG) return;
  const rate = Math.round(RUNS / ((performance.now() - start) / 1000));
  console.log(
    `${expect.getState().currentTestName}: ${RUNS} inputs, ${rate}/s, at most ${Math.round(memory / 2 ** 20)} MiB`,
  );
}

/** The same octets, with every single read of one counted. */
function counted(octets: Uint8Array): { readonly octets: Uint8Array; readonly reads: () => number } {
  let reads = 0;
  const proxy = new Proxy(octets, {
    get(target, property) {
      if (typeof property === 'string' && /^[0-9]/.test(property)) reads++;
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { octets: proxy, reads: () => reads };
}

/** Reads that one name may cost: each octet of it, and length and pointer of each part. */
const READS_PER_NAME = MAX_NAME_OCTETS + 3 * 128;

describe('fuzzing', () => {
  test('messages are refused with WireError, or read, written and read to the same', {
    timeout: TIMEOUT_MS,
  }, () => {
    let read = 0;
    fuzz(
      (random) => mutate(MESSAGES, random),
      encodeHex,
      (octets, i) => {
        const first = attempt(() => parseMessage(octets), WireError);
        // Counting is slow: one in sixteen.
        if (i % 16 === 0) {
          const account = counted(octets);
          attempt(() => parseMessage(account.octets), WireError);
          // A record has eleven octets at least, and three names (its owner and two in a SOA).
          const names = 1 + 3 * Math.min(MAX_RECORDS, 1 + octets.length / 11);
          assert.ok(account.reads() <= 4 * octets.length + names * READS_PER_NAME);
        }
        if (first === undefined) return;
        read++;
        const again = encodeMessage(first);
        assert.equal(encodeHex(encodeMessage(parseMessage(again))), encodeHex(again));
        for (const record of [...first.answer, ...first.authority, ...first.additional]) formatRecord(record);
        for (const { text } of extendedErrors(first.edns)) assert.doesNotMatch(text, /\p{Cc}/u);
      },
    );
    // Mutants that are all refused at once would test little.
    expect(read).toBeGreaterThan(RUNS / 20);
  });

  test('names end, within their limits, behind where they began', { timeout: TIMEOUT_MS }, () => {
    fuzz(
      (random) => ({ octets: mutate(MESSAGES, random), at: random(600) }),
      ({ octets, at }) => `${at} in ${encodeHex(octets)}`,
      ({ octets, at }, i) => {
        const account = i % 16 === 0 ? counted(octets) : undefined;
        const cursor = new Cursor(account?.octets ?? octets, Math.min(at, octets.length));
        const start = cursor.offset;
        const name = attempt(() => Name.read(cursor), WireError);
        if (account !== undefined) assert.ok(account.reads() <= READS_PER_NAME);
        if (name === undefined) return;
        assert.ok(cursor.offset > start);
        assert.ok(name.wire.length <= MAX_NAME_OCTETS);
        assert.equal(Name.parse(name.toString()).key, name.key);
      },
    );
  });

  test('RDATA of every type is refused with WireError, or prints and reads to the same', {
    timeout: TIMEOUT_MS,
  }, () => {
    const seeds = records.map(({ rdata }) => rdata);
    const types = [...Object.values(RRTYPE), 13, 65_280];
    fuzz(
      (random) => ({ type: types[random(types.length)] ?? 0, rdata: mutate(seeds, random) }),
      ({ type, rdata }) => `type ${type}: ${encodeHex(rdata)}`,
      ({ type, rdata }) => {
        const text = formatRdata(type, rdata);
        const back = attempt(() => parseRdataText(type, text), WireError);
        if (back === undefined) assert.match(text, /^\\# /);
        else assert.equal(encodeHex(back), encodeHex(rdata));
        const data = attempt(() => parseRdata(type, rdata), WireError);
        if (data === undefined) return;
        // What was read is written to RDATA that reads the same; bitmaps with needless zeros get shorter, no more.
        const written = encodeRdata(data);
        assert.equal(encodeHex(encodeRdata(parseRdata(type, written))), encodeHex(written));
      },
    );
  });

  test('texts are refused with WireError, or read, printed and read to the same', {
    timeout: TIMEOUT_MS,
  }, () => {
    let read = 0;
    fuzz(
      (random) => mutateText([...ZONE.split('\n'), ZONE], random),
      JSON.stringify,
      (text) => {
        const found = attempt(() => parseRecords(text), WireError);
        if (found === undefined) return;
        read++;
        const printed = found.map(formatRecord).join('\n');
        assert.equal(parseRecords(printed).map(formatRecord).join('\n'), printed);
      },
    );
    expect(read).toBeGreaterThan(RUNS / 20);
  });

  test('what an administrator writes is refused in words', { timeout: TIMEOUT_MS }, () => {
    const seeds = [
      '. IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D',
      'trust-anchors { . initial-ds 20326 8 2 "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"; };',
      'trusted-keys { example. 257 3 13 "l53+RnUsvFIlKZC2XRY4WQ=="; /* old */ }; // end',
      'nameserver 192.0.2.1\nnameserver 2001:db8::1',
      '[2001:db8::1]#53',
    ];
    fuzz(
      (random) => mutateText(seeds, random),
      JSON.stringify,
      (text) => {
        attempt(() => parseTrustAnchors(text), WireError);
        attempt(() => parseServer(text), TypeError);
        parseResolvConf(text);
      },
    );
  });

  test('a file with a key is read or refused, and its secret is never quoted', {
    timeout: TIMEOUT_MS,
  }, () => {
    const secret = 'wf6RFTWUKcvx04aVWvOYaQUI1SgIEKjodidQNWVtyBI=';
    const seeds = [
      `key "update.key" {\n\talgorithm hmac-sha256;\n\tsecret "${secret}";\n};\n`,
      `# made here\nkey:\n  - id: update.key\n    algorithm: hmac-sha512\n    secret: ${secret}\n`,
      `hmac-sha1:update.key:${secret}\n`,
    ];
    fuzz(
      (random) => mutateText(seeds, random),
      JSON.stringify,
      (text) => {
        try {
          parseTsigKey(text).mac(new Uint8Array(1));
        } catch (error) {
          if (!(error instanceof WireError)) throw error;
          for (let at = 0; at + 8 < secret.length; at++) {
            assert.ok(!error.message.includes(secret.slice(at, at + 8)));
          }
        }
      },
    );
  });

  test('answers to signed requests are refused with WireError, or judged; none that was changed is believed', {
    timeout: TIMEOUT_MS,
  }, () => {
    const key = parseTsigKey('hmac-sha256:update.key:wf6RFTWUKcvx04aVWvOYaQUI1SgIEKjodidQNWVtyBI=');
    const time = 0x6b077c17;
    const request = signRequest(message([], { opcode: 5, rcode: 0 }), key, time);
    const seeds = [message([], { opcode: 5 }), message(records), message([], { rcode: 9 })]
      .map((octets) => signRequest(octets, key, time).octets)
      .concat(MESSAGES);
    let judged = 0;
    fuzz(
      (random) => mutate(seeds, random),
      encodeHex,
      (octets) => {
        const verdict = attempt(() => checkResponse(octets, request, time), WireError);
        if (verdict === undefined) return;
        judged++;
        assert.notEqual(verdict.status, 'proved');
      },
    );
    expect(judged).toBeGreaterThan(RUNS / 20);
  });

  test('a stream over TCP gives the same messages however it is cut', { timeout: TIMEOUT_MS }, () => {
    const read = (chunks: readonly Uint8Array[]) => {
      const frames = new FrameReader();
      const messages: string[] = [];
      attempt(() => {
        for (const chunk of chunks) for (const one of frames.read(chunk)) messages.push(encodeHex(one));
      }, TransportError);
      return messages;
    };
    const frame = (octets: Uint8Array) => Uint8Array.of(octets.length >> 8, octets.length & 0xff, ...octets);
    const seeds = MESSAGES.map((octets) =>
      Uint8Array.from([...frame(octets), ...frame(octets.subarray(0, 12))]),
    );
    fuzz(
      (random) => ({ stream: mutate(seeds, random), cut: random(700) }),
      ({ stream, cut }) => `${cut} in ${encodeHex(stream)}`,
      ({ stream, cut }) => {
        const whole = read([stream]);
        assert.deepEqual(read([stream.subarray(0, cut), stream.subarray(cut)]), whole);
        for (const one of whole) assert.ok(one.length <= 2 * 65_535);
        isReplyTo(stream.subarray(2), stream.subarray(cut));
      },
    );
  });
});
