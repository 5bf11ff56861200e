/**
 * The server as a client on the network sees it: real sockets, octets in and octets out (RFC 8906's
 * questions).
 */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { encodeMessage, encodeQuery, type Message, Name, parseMessage, RCODE, RRTYPE } from '@danelaw/dns';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DnsSocket } from './dns-socket.js';
import type { Deed, Habit } from './habit.js';
import { NameServer } from './nameserver.js';
import { SignedZone } from './sign.js';
import { parseZone } from './zone-text.js';

const ID = 0x1234;
const LONG_TEXTS = Array.from({ length: 10 }, (_, i) => `big TXT "${String(i).repeat(200)}"`);

const HABITS: readonly Habit[] = (
  [
    ['servfail', 'SERVFAIL'],
    ['refused', 'REFUSED'],
    ['notimp', 'NOTIMP'],
    ['formerr', 'FORMERR'],
    ['silence', 'silence'],
    ['malformed', 'malformed'],
    ['wrong-id', 'wrong-id'],
    ['wrong-question', 'wrong-question'],
    ['stripped', 'strip-signatures'],
    ['forged', { forge: ['@ A 198.51.100.66'] }],
    ['replayed', { forge: ['@ A 198.51.100.66'], keepSignatures: true }],
  ] satisfies [string, Deed][]
).map(([label, does]) => ({ name: `${label}.zone.example`, type: 'A', does }));

let server: DnsSocket;

beforeAll(async () => {
  const names = HABITS.map(({ name = '' }) => `${name}. A 192.0.2.7`);
  const zone = parseZone('zone.example', [
    '@ NS ns',
    'ns A 192.0.2.1',
    'a.udp A 192.0.2.8',
    ...LONG_TEXTS,
    ...names,
  ]);
  const habits = [...HABITS, { below: 'udp.zone.example', protocol: 'udp', does: 'truncated' } as const];
  server = await new NameServer({
    zones: [{ zone, signed: new SignedZone(zone, {}, Date.now) }],
    habits,
  }).listen('127.0.0.1', 0);
});

afterAll(() => server.close());

function overUdp(query: Uint8Array): Promise<Uint8Array> {
  const socket = createSocket('udp4');
  return new Promise<Uint8Array>((resolve, reject) => {
    socket.once('message', resolve);
    socket.once('error', reject);
    socket.send(query, server.port, server.address);
  }).finally(() => socket.close());
}

/** Sends the octets as they are and gives all messages that come, until there are `count`. */
function overTcp(stream: readonly Uint8Array[], count: number): Promise<Uint8Array[]> {
  const socket = connect(server.port, server.address);
  return new Promise<Uint8Array[]>((resolve, reject) => {
    let received = Buffer.alloc(0);
    const messages: Uint8Array[] = [];
    socket.once('error', reject);
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        messages.push(received.subarray(2, 2 + received.readUInt16BE(0)));
        received = received.subarray(2 + received.readUInt16BE(0));
      }
      if (messages.length >= count) resolve(messages);
    });
    for (const octets of stream) socket.write(octets);
  }).finally(() => socket.destroy());
}

const framed = (message: Uint8Array) =>
  Buffer.concat([Uint8Array.of(message.length >> 8, message.length & 255), message]);

function query(
  name: string,
  type: number,
  options: { do?: boolean; udpSize?: number; version?: number } = {},
): Uint8Array {
  const { version = 0, udpSize = 1232 } = options;
  return encodeQuery({
    id: ID,
    name: Name.parse(name),
    type,
    edns: { udpSize, version, do: options.do ?? false, options: [] },
  });
}

const plain = (name: string, type: number) => encodeQuery({ id: ID, name: Name.parse(name), type });

/** Both are sent from one socket in this order; what comes back first? */
function firstAnswerTo(...queries: Uint8Array[]): Promise<Message> {
  const socket = createSocket('udp4');
  return new Promise<Uint8Array>((resolve, reject) => {
    socket.once('message', resolve);
    socket.once('error', reject);
    for (const octets of queries) socket.send(octets, server.port, server.address);
  })
    .then(parseMessage)
    .finally(() => socket.close());
}

async function ask(octets: Uint8Array): Promise<Message> {
  return parseMessage(await overUdp(octets));
}

describe('over UDP', () => {
  it('echoes id and question, sets QR and AA, not RA', async () => {
    const answer = await ask(plain('ns.zone.example', RRTYPE.A));
    expect(answer).toMatchObject({ id: ID, rcode: RCODE.NOERROR, flags: { qr: true, aa: true, ra: false } });
    expect(answer.questions[0]?.name.toString()).toBe('ns.zone.example');
    expect(answer.edns).toBeUndefined();
  });

  it('answers EDNS with EDNS and copies DO (RFC 6891 section 6.1.1, RFC 3225 section 3)', async () => {
    const answer = await ask(query('ns.zone.example', RRTYPE.A, { do: true }));
    expect(answer.edns).toMatchObject({ version: 0, udpSize: 1232, do: true });
    expect(answer.answer.map(({ type }) => type)).toEqual([RRTYPE.A, RRTYPE.RRSIG]);
  });

  it('answers an EDNS version that does not exist with BADVERS (RFC 6891 section 6.1.3)', async () => {
    const answer = await ask(query('ns.zone.example', RRTYPE.A, { version: 1 }));
    expect(answer).toMatchObject({ rcode: RCODE.BADVERS, answer: [], edns: { version: 0 } });
  });

  it.each([
    ['512 octets without EDNS', plain('big.zone.example', RRTYPE.TXT), 512],
    ['what EDNS allows', query('big.zone.example', RRTYPE.TXT, { udpSize: 800 }), 800],
    ['1232 octets, whatever EDNS allows', query('big.zone.example', RRTYPE.TXT, { udpSize: 4096 }), 1232],
  ])('truncates beyond %s', async (_limit, octets, limit) => {
    const answer = await overUdp(octets);
    expect(answer.length).toBeLessThanOrEqual(limit);
    expect(parseMessage(answer)).toMatchObject({ flags: { tc: true }, answer: [] });
  });

  it('answers octets that are no message with FORMERR', async () => {
    const answer = parseMessage(await overUdp(Uint8Array.of(0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 63)));
    expect(answer).toMatchObject({ id: ID, rcode: RCODE.FORMERR, questions: [] });
  });

  it.each([
    ['another operation: NOTIMP', { opcode: 4 }, RCODE.NOTIMP],
    ['no question: FORMERR', { questions: [] }, RCODE.FORMERR],
    [
      'another class: REFUSED',
      { questions: [{ name: Name.parse('zone.example'), type: 1, class: 3 }] },
      RCODE.REFUSED,
    ],
    [
      'a name of no zone: REFUSED',
      { questions: [{ name: Name.parse('other.test'), type: 1, class: 1 }] },
      RCODE.REFUSED,
    ],
  ])('%s', async (_case, change, rcode) => {
    const message = { ...parseMessage(plain('zone.example', RRTYPE.A)), ...change };
    expect(await ask(encodeMessage(message))).toMatchObject({ id: ID, rcode, answer: [] });
  });

  it('says nothing to a response, and goes on', async () => {
    const message = parseMessage(plain('ns.zone.example', RRTYPE.A));
    const response = encodeMessage({ ...message, id: 1, flags: { ...message.flags, qr: true } });
    expect((await firstAnswerTo(response, plain('ns.zone.example', RRTYPE.A))).id).toBe(ID);
  });
});

describe('over TCP', () => {
  it('gives in full what UDP truncates', async () => {
    const [answer] = await overTcp([framed(plain('big.zone.example', RRTYPE.TXT))], 1);
    expect(parseMessage(answer ?? new Uint8Array()).answer).toHaveLength(10);
  });

  it('answers several queries of one connection, however they are cut into segments', async () => {
    const stream = Buffer.concat([
      framed(plain('ns.zone.example', RRTYPE.A)),
      framed(plain('zone.example', RRTYPE.NS)),
      framed(plain('zone.example', RRTYPE.SOA)),
    ]);
    const answers = await overTcp([stream.subarray(0, 1), stream.subarray(1, 40), stream.subarray(40)], 3);
    expect(answers.map((octets) => parseMessage(octets).answer[0]?.type)).toEqual([
      RRTYPE.A,
      RRTYPE.NS,
      RRTYPE.SOA,
    ]);
  });

  it('is where a habit of UDP does not hold', async () => {
    const octets = plain('a.udp.zone.example', RRTYPE.A);
    expect(await ask(octets)).toMatchObject({ flags: { tc: true }, answer: [] });
    const [answer] = await overTcp([framed(octets)], 1);
    expect(parseMessage(answer ?? new Uint8Array())).toMatchObject({ flags: { tc: false } });
    expect(parseMessage(answer ?? new Uint8Array()).answer).toHaveLength(1);
  });
});

describe('habits', () => {
  const habit = (label: string) => query(`${label}.zone.example`, RRTYPE.A, { do: true });

  it.each([
    ['servfail', RCODE.SERVFAIL],
    ['refused', RCODE.REFUSED],
    ['notimp', RCODE.NOTIMP],
    ['formerr', RCODE.FORMERR],
  ])('%s', async (label, rcode) => {
    expect(await ask(habit(label))).toMatchObject({ id: ID, rcode, answer: [], authority: [] });
  });

  it('hold for the declared type only', async () => {
    expect(await ask(query('servfail.zone.example', RRTYPE.AAAA))).toMatchObject({ rcode: RCODE.NOERROR });
  });

  it('silence: the question is heard and the next one is answered', async () => {
    const silent = { ...parseMessage(habit('silence')), id: 1 };
    expect((await firstAnswerTo(encodeMessage(silent), habit('servfail'))).id).toBe(ID);
  });

  it("malformed: the id is right, the rest can't be read", async () => {
    const octets = Buffer.from(await overUdp(habit('malformed')));
    expect(octets.readUInt16BE(0)).toBe(ID);
    expect(() => parseMessage(octets)).toThrow('runs past');
  });

  it('wrong-id and wrong-question: good answers to somebody else', async () => {
    const wrongId = await ask(habit('wrong-id'));
    expect(wrongId.id).not.toBe(ID);
    expect(wrongId.answer).toHaveLength(2);
    const wrongQuestion = await ask(habit('wrong-question'));
    expect(wrongQuestion.id).toBe(ID);
    expect(wrongQuestion.questions[0]?.name.toString()).toBe('wrong.question.invalid');
  });

  it('strip-signatures: the records stay', async () => {
    expect((await ask(habit('stripped'))).answer.map(({ type }) => type)).toEqual([RRTYPE.A]);
  });

  it('forged: other records, with or without the true signatures', async () => {
    const forged = await ask(habit('forged'));
    expect(forged.answer.map(({ type, rdata }) => [type, rdata.join('.')])).toEqual([
      [RRTYPE.A, '198.51.100.66'],
    ]);
    const replayed = await ask(habit('replayed'));
    expect(replayed.answer.map(({ type }) => type)).toEqual([RRTYPE.A, RRTYPE.RRSIG]);
    expect(replayed.answer[0]?.rdata.join('.')).toBe('198.51.100.66');
  });
});
