/**
 * What a stub gets from the recursive face: the whole chain in one answer, with every proof, and failures as
 * SERVFAIL.
 */
import { encodeQuery, type Message, Name, parseMessage, RCODE, RRTYPE, requireType } from '@danelaw/dns';
import { describe, expect, it } from 'vitest';
import { NameServer } from './nameserver.js';
import { buildNamespace, TOP_LEVEL } from './namespace.js';
import { RecursiveFace, type RecursiveOptions } from './recursive.js';
import type { ZoneSpec } from './scenario.js';

const ZONES: Record<string, ZoneSpec> = {
  'signed.example': {
    records: [
      'mx A 192.0.2.1',
      'near CNAME mx',
      'far CNAME mx.plain.unsigned.',
      'gone CNAME nowhere.signed.optout.',
      '*.wild CNAME mx.signed.optout.',
      'loop CNAME loop.signed.optout.',
      'below CNAME x.cut',
      'old DNAME signed.optout.',
      'port A 192.0.2.2',
    ],
    habits: [
      { name: 'fails', does: 'REFUSED' },
      { name: 'lies', does: 'wrong-id' },
      { name: 'mumbles', does: 'malformed' },
      { name: 'boasts', does: { forge: ['@ A 192.0.2.66'], authenticData: true } },
      { name: 'mute', does: 'silence' },
      { name: 'other', does: 'wrong-question' },
      { name: 'port', protocol: 'udp', does: 'truncated' },
    ],
  },
  'cut.signed.example': { signing: 'unsigned', records: ['x A 192.0.2.3'] },
  'signed.optout': { records: ['mx A 192.0.2.4', 'loop CNAME loop.signed.example.'] },
  'plain.unsigned': { signing: 'unsigned', records: ['mx A 192.0.2.5'] },
};

const placed = buildNamespace({
  zones: { ...TOP_LEVEL, ...ZONES },
  addressOf: () => '127.0.0.1',
  records: [],
  smtpPort: 25,
  clock: Date.now,
});
const servers = new Map(
  placed.map(({ origin, served, habits }) => [origin.key, new NameServer({ zones: [served], habits })]),
);

interface Bits {
  readonly do?: boolean;
  readonly cd?: boolean;
  readonly rd?: boolean;
}

async function ask(
  name: string,
  type: string,
  bits: Bits = {},
  options: Partial<RecursiveOptions> = {},
): Promise<Message> {
  const face = new RecursiveFace({ servers, ...options });
  const edns = { udpSize: 1232, version: 0, do: bits.do ?? true, options: [] };
  const query = encodeQuery({
    id: 7,
    name: Name.parse(name),
    type: requireType(type),
    rd: bits.rd ?? true,
    cd: bits.cd ?? false,
    edns,
  });
  const utterance = await face.respond(parseMessage(query), 'udp');
  if (utterance.kind !== 'message') throw new Error(`no message but ${utterance.kind}`);
  return utterance.message;
}

const types = (records: Message['answer']) => records.map(({ type }) => type);
const { A, CNAME, DNAME, DS, NS, NSEC, RRSIG, SOA } = RRTYPE;

describe('the recursive face', () => {
  it('sets RA, keeps RD and CD, sets neither AA nor AD', async () => {
    const answer = await ask('mx.signed.example', 'A', { cd: true });
    expect(answer).toMatchObject({ id: 7, rcode: RCODE.NOERROR });
    expect(answer.flags).toEqual({ qr: true, aa: false, tc: false, rd: true, ra: true, ad: false, cd: true });
    expect(types(answer.answer)).toEqual([A, RRSIG]);
  });

  it('hands on an AD bit that a server had no right to set, but not where it validates itself', async () => {
    expect((await ask('boasts.signed.example', 'A')).flags.ad).toBe(true);
    const validate = async () => ({ status: 'insecure' as const });
    expect((await ask('boasts.signed.example', 'A', {}, { validate })).flags.ad).toBe(false);
  });

  it('gives no DNSSEC records without DO', async () => {
    const answer = await ask('near.signed.example', 'A', { do: false });
    expect(types([...answer.answer, ...answer.authority])).toEqual([CNAME, A]);
  });

  it('refuses what is asked without RD', async () => {
    expect(await ask('mx.signed.example', 'A', { rd: false })).toMatchObject({ rcode: RCODE.REFUSED });
  });

  it('follows aliases through zones, signed and unsigned', async () => {
    const answer = await ask('far.signed.example', 'A');
    expect(types(answer.answer)).toEqual([CNAME, RRSIG, A]);
    expect(answer.authority).toEqual([]);
  });

  it('follows an alias below a zone cut without passing the referral on', async () => {
    const answer = await ask('below.signed.example', 'A');
    expect(types(answer.answer)).toEqual([CNAME, RRSIG, A]);
    expect(types(answer.authority)).not.toContain(NS);
  });

  it("ends a chain with the denial of its last name, by that zone's SOA", async () => {
    const answer = await ask('gone.signed.example', 'A');
    expect(answer.rcode).toBe(RCODE.NXDOMAIN);
    expect(types(answer.answer)).toEqual([CNAME, RRSIG]);
    const soas = answer.authority.filter(({ type }) => type === SOA);
    expect(soas.map(({ name }) => name.toString())).toEqual(['signed.optout']);
    expect(types(answer.authority)).toContain(NSEC);
  });

  it('carries the proof of a wildcard that made an alias in the middle', async () => {
    const answer = await ask('any.wild.signed.example', 'A');
    expect(types(answer.answer)).toEqual([CNAME, RRSIG, A, RRSIG]);
    expect(types(answer.authority)).toEqual([NSEC, RRSIG]);
  });

  it('follows a DNAME into another zone', async () => {
    const answer = await ask('mx.old.signed.example', 'A');
    expect(types(answer.answer)).toEqual([DNAME, RRSIG, CNAME, A, RRSIG]);
  });

  it('gives up on a loop through two zones', async () => {
    expect(await ask('loop.signed.example', 'A')).toMatchObject({ rcode: RCODE.SERVFAIL, answer: [] });
  });

  it('asks the parent for a DS, and passes on its absence with proof', async () => {
    expect(types((await ask('signed.example', 'DS')).answer)).toEqual([DS, RRSIG]);
    const absent = await ask('plain.unsigned', 'DS');
    expect(absent).toMatchObject({ rcode: RCODE.NOERROR, answer: [] });
    expect((await ask('cut.signed.example', 'DS')).authority.map(({ type }) => type)).toEqual([
      SOA,
      RRSIG,
      NSEC,
      RRSIG,
    ]);
  });

  it('turns to TCP where a server truncates', async () => {
    expect(types((await ask('port.signed.example', 'A')).answer)).toEqual([A, RRSIG]);
  });

  it.each(['fails', 'lies', 'mumbles', 'mute', 'other'])('is SERVFAIL where the server %s', async (label) => {
    expect(await ask(`${label}.signed.example`, 'TLSA')).toMatchObject({ rcode: RCODE.SERVFAIL, answer: [] });
  });

  it('strips signatures and proofs where asked to', async () => {
    const answer = await ask('gone.signed.example', 'A', {}, { stripSignatures: true });
    expect(types([...answer.answer, ...answer.authority])).toEqual([CNAME, SOA]);
  });

  it('has habits of its own, too', async () => {
    const habits = [{ type: 'TLSA', does: 'NOTIMP' }] as const;
    expect(await ask('mx.signed.example', 'TLSA', {}, { habits })).toMatchObject({ rcode: RCODE.NOTIMP });
    expect(await ask('mx.signed.example', 'A', {}, { habits })).toMatchObject({ rcode: RCODE.NOERROR });
  });
});

describe('a validating face', () => {
  const face = (status: 'secure' | 'insecure' | 'bogus', bits: Bits = {}) =>
    ask('mx.signed.example', 'A', bits, { validate: async () => ({ status }) });

  it('sets AD on what is secure, for those who ask for it (RFC 6840 section 5.8)', async () => {
    expect((await face('secure')).flags.ad).toBe(true);
    expect((await face('secure', { do: false })).flags.ad).toBe(false);
    expect((await face('insecure')).flags.ad).toBe(false);
  });

  it('answers what is bogus with SERVFAIL, unless CD is set', async () => {
    expect(await face('bogus')).toMatchObject({ rcode: RCODE.SERVFAIL, answer: [] });
    expect(types((await face('bogus', { cd: true })).answer)).toEqual([A, RRSIG]);
  });
});
