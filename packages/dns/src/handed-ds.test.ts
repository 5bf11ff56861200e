/** What a referral and an answer save of the questions that follow them, and what they must not. */
import { describe, expect, it } from 'vitest';
import { createIterator } from './iterate.js';
import { parseRecords } from './master-file.js';
import { encodeMessage, type Message, parseMessage } from './message.js';
import { Name } from './name.js';
import { RRTYPE, typeName } from './rrtype.js';

const ROOT = '192.0.2.1';
const DS = `example. 60 IN DS 1 13 2 ${'ab'.repeat(32)}`;
const SIGNATURE = `RRSIG DS 13 1 60 20370101000000 20200101000000 2 . ${'A'.repeat(86)}==`;
const SIGNED = [DS, `example. 60 IN ${SIGNATURE}`];
const AUTHORITATIVE = { qr: true, aa: true, tc: false, rd: false, ra: false, ad: false, cd: true };

/** A root that refers to `example.` with these records beside NS; the server there has an address for every name. */
function world(beside: readonly string[]) {
  const asked: string[] = [];
  let now = 0;
  const refers = (type: number): Partial<Message> =>
    type === RRTYPE.DS
      ? { flags: AUTHORITATIVE, answer: parseRecords(SIGNED.join('\n')) }
      : {
          authority: parseRecords(['example. 60 IN NS ns.example.', ...beside].join('\n')),
          additional: parseRecords('ns.example. 60 IN A 192.0.2.2'),
        };
  const iterator = createIterator({
    rootHints: [{ name: Name.parse('root.invalid'), address: ROOT }],
    transport: {
      async exchange(octets, { address }) {
        const query = parseMessage(octets);
        const [{ name, type } = { name: Name.root, type: 0 }] = query.questions;
        const text = `${name}`.toLowerCase();
        asked.push(`${text} ${typeName(type)}`);
        const has = { flags: AUTHORITATIVE, answer: parseRecords(`${text}. 60 IN A 192.0.2.9`) };
        const flags = { ...query.flags, qr: true };
        return encodeMessage({ ...query, flags, ...(address === ROOT ? refers(type) : has) });
      },
    },
    port: 53,
    qnameMinimisation: true,
    clock: () => now,
  });
  const ask = async (name: string, type: number) => await iterator.ask({ name: Name.parse(name), type });
  const wait = (milliseconds: number) => {
    now += milliseconds;
  };
  return { ask, asked, wait };
}

describe('DS records that came with a referral (RFC 4035 section 3.1.4)', () => {
  it('answer the next question for them', async () => {
    const { ask, asked } = world(SIGNED);
    await ask('www.example', RRTYPE.A);
    const found = await ask('example', RRTYPE.DS);
    if (found.kind === 'failure') throw new Error(found.reason);
    expect(found.message.answer.map(({ type }) => typeName(type))).toEqual(['DS', 'RRSIG']);
    expect(found.message.authority).toEqual([]);
    expect(asked).not.toContain('example DS');
  });

  it('answer it once: what they spoilt is asked for', async () => {
    const { ask, asked } = world(SIGNED);
    await ask('www.example', RRTYPE.A);
    await ask('example', RRTYPE.DS);
    await ask('example', RRTYPE.DS);
    expect(asked.filter((each) => each === 'example DS')).toHaveLength(1);
  });

  it.each([
    ['are not signed', [DS]],
    ['are missing, with a signature alone', [`example. 60 IN ${SIGNATURE}`]],
    ["are another zone's", SIGNED.map((line) => line.replace('example.', 'other.'))],
  ])('are asked for where they %s', async (_, beside) => {
    const { ask, asked } = world(beside);
    await ask('www.example', RRTYPE.A);
    await ask('example', RRTYPE.DS);
    expect(asked).toContain('example DS');
  });

  it('are asked for where they have waited too long', async () => {
    const { ask, asked, wait } = world(SIGNED);
    await ask('www.example', RRTYPE.A);
    wait(10_000);
    await ask('example', RRTYPE.DS);
    expect(asked).toContain('example DS');
  });
});

describe('names that are known not to be cuts (RFC 9156 section 2.3)', () => {
  it('are not asked for again on the way to names below them', async () => {
    const { ask, asked } = world([]);
    await ask('mail.example', RRTYPE.A);
    await ask('_25._tcp.mail.example', RRTYPE.TLSA);
    expect(asked.filter((each) => each.startsWith('mail.example'))).toEqual(['mail.example A']);
    expect(asked).toContain('_25._tcp.mail.example TLSA');
  });

  it('are asked for again when what showed it is out of date', async () => {
    const { ask, asked, wait } = world([]);
    await ask('mail.example', RRTYPE.A);
    wait(59_000);
    await ask('_25._tcp.mail.example', RRTYPE.TLSA);
    wait(2_000);
    await ask('_465._tcp.mail.example', RRTYPE.TLSA);
    expect(asked.filter((each) => each === 'mail.example A')).toHaveLength(2);
  });
});
