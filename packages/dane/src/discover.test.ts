import {
  type Alias,
  type AnswerRecord,
  type Lookup,
  Name,
  type RecordData,
  type ResolveOptions,
} from '@danelaw/dns';
import { describe, expect, it } from 'vitest';
import { discover, MAX_ADDRESSES } from './discover.js';

const HOST = 'mx.example.com';
const DIGEST = new Uint8Array(32).fill(7);

/** A resolver that answers from a table, and remembers what it was asked. An unexpected question fails the test. */
class TableResolver {
  readonly asked: string[] = [];
  readonly signals: (AbortSignal | undefined)[] = [];
  readonly #table: Readonly<Record<string, Answer>>;

  constructor(table: Readonly<Record<string, Answer>>) {
    this.#table = table;
  }

  async resolve(name: string, type: string, options: ResolveOptions = {}): Promise<Lookup> {
    options.signal?.throwIfAborted();
    const question = `${name} ${type}`;
    this.asked.push(question);
    this.signals.push(options.signal);
    const answer = this.#table[question];
    if (!answer) throw new Error(`nobody should ask for ${question}`);
    return answer(name, type);
  }
}

type Answer = (name: string, type: string) => Lookup;

interface AnswerOptions {
  readonly aliases?: readonly Alias[];
  readonly rcode?: 'NOERROR' | 'NXDOMAIN';
}

function answered(
  status: 'secure' | 'insecure',
  data: readonly RecordData[],
  options: AnswerOptions = {},
): Answer {
  return (name, type) => {
    const { aliases = [], rcode = 'NOERROR' } = options;
    const canonicalName = aliases.at(-1)?.to ?? name;
    const records: AnswerRecord[] = [
      ...aliases.map(({ from, to }) => record(from, { type: 'CNAME', target: Name.parse(to) })),
      ...data.map((each) => record(canonicalName, each)),
    ];
    const answer = { name, type, rcode, records, aliases, canonicalName, ttl: 300, chain: [] } as const;
    return status === 'secure'
      ? { status, ...answer }
      : { status, ...answer, reason: 'the zone is not signed' };
  };
}

const record = (name: string, data: RecordData): AnswerRecord => ({
  name,
  type: data.type,
  ttl: 300,
  data,
  rdata: new Uint8Array(),
});

const failed =
  (status: 'bogus' | 'indeterminate', reason: string): Answer =>
  (name, type) =>
    status === 'bogus'
      ? { status, name, type, reason, chain: [] }
      : { status, name, type, reason, chain: [] };

const a = (...addresses: string[]): RecordData[] => addresses.map((address) => ({ type: 'A', address }));
const aaaa = (...addresses: string[]): RecordData[] =>
  addresses.map((address) => ({ type: 'AAAA', address }));
const tlsa = (usage: number, data: Uint8Array = DIGEST): RecordData => ({
  type: 'TLSA',
  usage,
  selector: 1,
  matchingType: 1,
  data,
});
const secure = (data: readonly RecordData[], options?: AnswerOptions): Answer =>
  answered('secure', data, options);
const insecure = (data: readonly RecordData[], options?: AnswerOptions): Answer =>
  answered('insecure', data, options);
const step = (from: string, to: string, status: 'secure' | 'insecure'): Alias => ({ from, to, status });

const noAaaa = { [`${HOST} AAAA`]: secure([]) };
const signedHost = { [`${HOST} A`]: secure(a('192.0.2.1')), ...noAaaa };
const TLSA_HOST = `_25._tcp.${HOST} TLSA`;

/** The host is an alias; both address look-ups follow it. */
function alias(status: 'secure' | 'insecure', aliases: readonly Alias[]): Record<string, Answer> {
  return {
    [`${HOST} A`]: answered(status, a('192.0.2.1'), { aliases }),
    [`${HOST} AAAA`]: answered(status, [], { aliases }),
  };
}

async function look(table: Record<string, Answer>, port = 25) {
  const resolver = new TableResolver(table);
  const finding = await discover(resolver, { host: HOST, port });
  return { finding, asked: resolver.asked };
}

describe('addresses (RFC 7672 section 2.2.2)', () => {
  it('asks for both families before anything else', async () => {
    const { asked } = await look({ ...signedHost, [TLSA_HOST]: secure([tlsa(3)]) });
    expect(asked.slice(0, 2).sort()).toEqual([`${HOST} A`, `${HOST} AAAA`]);
    expect(asked.slice(2)).toEqual([TLSA_HOST]);
  });

  it.each<[string, Answer]>([
    ['NODATA', secure([])],
    ['NXDOMAIN', secure([], { rcode: 'NXDOMAIN' })],
    ['unsigned NXDOMAIN', insecure([], { rcode: 'NXDOMAIN' })],
  ])('%s for both: the host is absent, and TLSA is not asked for', async (_, nothing) => {
    const { finding, asked } = await look({ [`${HOST} A`]: nothing, [`${HOST} AAAA`]: nothing });
    expect(finding).toMatchObject({ status: 'absent', host: HOST, port: 25 });
    expect(asked).toHaveLength(2);
  });

  it.each<[string, Answer, Answer]>([
    ['both fail', failed('bogus', 'expired signature'), failed('indeterminate', 'time-out')],
    ['one fails, the other says there is none', secure([]), failed('indeterminate', 'SERVFAIL')],
    ['one is bogus, the other NXDOMAIN', failed('bogus', 'no proof'), secure([], { rcode: 'NXDOMAIN' })],
  ])('%s: it cannot be said whether the host is absent', async (_, v4, v6) => {
    const { finding } = await look({ [`${HOST} A`]: v4, [`${HOST} AAAA`]: v6 });
    expect(finding).toMatchObject({ status: 'failed', host: HOST });
  });

  it.each(['bogus', 'indeterminate'] as const)(
    'AAAA %s, A secure: only A is used, and TLSA still binds',
    async (status) => {
      const { finding } = await look({
        [`${HOST} A`]: secure(a('192.0.2.1')),
        [`${HOST} AAAA`]: failed(status, 'denial not proved'),
        [TLSA_HOST]: secure([tlsa(3)]),
      });
      expect(finding).toMatchObject({
        status: 'reachable',
        addresses: [{ address: '192.0.2.1', family: 4, status: 'secure' }],
        addressNotes: [expect.stringContaining(`AAAA look-up of ${HOST} failed: ${status}`)],
        tlsa: { status: 'usable' },
      });
    },
  );

  it('A bogus, AAAA secure: only AAAA is used, and a failed TLSA look-up still stops the host', async () => {
    const { finding } = await look({
      [`${HOST} A`]: failed('bogus', 'forged'),
      [`${HOST} AAAA`]: secure(aaaa('2001:db8::1')),
      [TLSA_HOST]: failed('indeterminate', 'time-out'),
    });
    expect(finding).toMatchObject({
      addresses: [{ address: '2001:db8::1', family: 6 }],
      tlsa: { status: 'failed' },
    });
  });

  it('one family secure and the other insecure: TLSA is asked for', async () => {
    const { finding } = await look({
      [`${HOST} A`]: insecure(a('192.0.2.1')),
      [`${HOST} AAAA`]: secure(aaaa('2001:db8::1')),
      [TLSA_HOST]: secure([tlsa(3)]),
    });
    expect(finding).toMatchObject({
      tlsa: { status: 'usable' },
      addresses: [
        { address: '2001:db8::1', status: 'secure' },
        { address: '192.0.2.1', status: 'insecure' },
      ],
    });
  });

  it('the number of addresses is bounded, families take turns, repetitions go', async () => {
    const many = Array.from({ length: 200 }, (_, index) => `192.0.2.${index}`);
    const { finding } = await look({
      [`${HOST} A`]: insecure(a(...many, ...many)),
      [`${HOST} AAAA`]: insecure(aaaa('2001:db8::1', '2001:db8::1', '2001:db8::2')),
    });
    if (finding.status !== 'reachable') throw new Error(finding.reason);
    expect(finding.addresses).toHaveLength(MAX_ADDRESSES);
    expect(finding.addresses.slice(0, 5).map(({ address }) => address)).toEqual([
      '2001:db8::1',
      '192.0.2.0',
      '2001:db8::2',
      '192.0.2.1',
      '192.0.2.2',
    ]);
  });
});

describe('where TLSA is asked for (RFC 7672 section 2.2.2)', () => {
  it('insecure addresses without alias: TLSA is not asked for, DANE does not apply', async () => {
    const { finding, asked } = await look({
      [`${HOST} A`]: insecure(a('192.0.2.1')),
      [`${HOST} AAAA`]: insecure([]),
    });
    expect(finding).toMatchObject({
      tlsa: { status: 'none', reason: expect.stringContaining('not signed') },
    });
    expect(asked).toHaveLength(2);
  });

  it('secure addresses: the host is the only candidate', async () => {
    const { finding } = await look({ ...signedHost, [TLSA_HOST]: secure([], { rcode: 'NXDOMAIN' }) });
    expect(finding).toMatchObject({ expandedHost: HOST, tlsa: { status: 'none' } });
  });

  it('the port is part of the question (section 2.2.3)', async () => {
    const { finding } = await look({ ...signedHost, [`_2525._tcp.${HOST} TLSA`]: secure([tlsa(3)]) }, 2525);
    expect(finding).toMatchObject({ port: 2525, tlsa: { status: 'usable', baseDomain: HOST } });
  });

  const chain = [
    step(HOST, 'middle.example.net', 'secure'),
    step('middle.example.net', 'end.example.net', 'secure'),
  ];

  it('secure alias: the expanded name is the base domain if it has records', async () => {
    const { finding, asked } = await look({
      ...alias('secure', chain),
      '_25._tcp.end.example.net TLSA': secure([tlsa(3)]),
    });
    expect(finding).toMatchObject({
      host: HOST,
      expandedHost: 'end.example.net',
      tlsa: { status: 'usable', baseDomain: 'end.example.net' },
    });
    expect(asked).toHaveLength(3);
  });

  it.each<[string, Answer]>([
    ['denied', secure([])],
    ['insecure', insecure([tlsa(3)])],
  ])('secure alias, expanded name %s: then the original name, and never one in between', async (_, first) => {
    const { finding, asked } = await look({
      ...alias('secure', chain),
      '_25._tcp.end.example.net TLSA': first,
      [TLSA_HOST]: secure([tlsa(2)]),
    });
    expect(finding).toMatchObject({ tlsa: { status: 'usable', baseDomain: HOST } });
    expect(asked.slice(2)).toEqual(['_25._tcp.end.example.net TLSA', TLSA_HOST]);
  });

  it.each(['bogus', 'indeterminate'] as const)(
    'secure alias, expanded name %s: the host fails; the original name is no way around (section 2.1.2)',
    async (status) => {
      const { finding, asked } = await look({
        ...alias('secure', chain),
        '_25._tcp.end.example.net TLSA': failed(status, 'no answer'),
      });
      expect(finding).toMatchObject({ tlsa: { status: 'failed' } });
      expect(asked).toHaveLength(3);
    },
  );

  it('secure alias, expanded name denied, original fails: the host fails', async () => {
    const { finding } = await look({
      ...alias('secure', chain),
      '_25._tcp.end.example.net TLSA': secure([]),
      [TLSA_HOST]: failed('indeterminate', 'SERVFAIL'),
    });
    expect(finding).toMatchObject({ tlsa: { status: 'failed' } });
  });

  it('secure alias, neither has records: DANE does not apply', async () => {
    const { finding } = await look({
      ...alias('secure', chain),
      '_25._tcp.end.example.net TLSA': secure([]),
      [TLSA_HOST]: secure([]),
    });
    expect(finding).toMatchObject({ tlsa: { status: 'none' } });
  });

  const halfSecure = [
    step(HOST, 'end.example.net', 'secure'),
    step('end.example.net', 'x.example.org', 'insecure'),
  ];
  const unknown = [step(HOST, 'end.example.net', 'insecure')];

  it('alias known as secure to an insecure target: only the original name is a candidate', async () => {
    const { finding, asked } = await look({
      ...alias('insecure', halfSecure),
      [TLSA_HOST]: secure([tlsa(3)]),
    });
    expect(finding).toMatchObject({ tlsa: { status: 'usable', baseDomain: HOST } });
    expect(asked.slice(2)).toEqual([TLSA_HOST]);
  });

  it('insecure via an alias: a separate CNAME query finds the alias secure (section 2.1.3)', async () => {
    const { finding, asked } = await look({
      ...alias('insecure', unknown),
      [`${HOST} CNAME`]: secure([{ type: 'CNAME', target: Name.parse('end.example.net') }]),
      [TLSA_HOST]: secure([tlsa(3)]),
    });
    expect(finding).toMatchObject({ tlsa: { status: 'usable', baseDomain: HOST } });
    expect(asked.slice(2)).toEqual([`${HOST} CNAME`, TLSA_HOST]);
  });

  it('insecure via an alias that is insecure itself: TLSA is not asked for', async () => {
    const { finding, asked } = await look({
      ...alias('insecure', unknown),
      [`${HOST} CNAME`]: insecure([{ type: 'CNAME', target: Name.parse('end.example.net') }]),
    });
    expect(finding).toMatchObject({ tlsa: { status: 'none' } });
    expect(asked).toHaveLength(3);
  });

  it.each(['bogus', 'indeterminate'] as const)(
    'insecure via an alias, and the CNAME query is %s: the host fails (section 2.1.2)',
    async (status) => {
      const { finding } = await look({
        ...alias('insecure', unknown),
        [`${HOST} CNAME`]: failed(status, 'no answer'),
      });
      expect(finding).toMatchObject({ tlsa: { status: 'failed', reason: expect.stringContaining('CNAME') } });
    },
  );
});

describe('what the TLSA answer means (RFC 7672 section 2.2)', () => {
  it.each<[string, Answer, string]>([
    ['secure, one usable', secure([tlsa(3)]), 'usable'],
    ['secure, one usable among unusable ones', secure([tlsa(1), tlsa(3)]), 'usable'],
    ['secure, nothing usable', secure([tlsa(0), tlsa(1), tlsa(3, new Uint8Array(5))]), 'unusable'],
    ['secure NODATA', secure([]), 'none'],
    ['secure NXDOMAIN', secure([], { rcode: 'NXDOMAIN' }), 'none'],
    ['insecure, with records', insecure([tlsa(3)]), 'none'],
    ['insecure, without records', insecure([]), 'none'],
    ['bogus', failed('bogus', 'signature expired'), 'failed'],
    ['SERVFAIL', failed('indeterminate', 'SERVFAIL'), 'failed'],
    ['REFUSED', failed('indeterminate', 'REFUSED'), 'failed'],
    ['a time-out', failed('indeterminate', 'no answer in time'), 'failed'],
  ])('%s', async (_, answer, expected) => {
    const { finding } = await look({ ...signedHost, [TLSA_HOST]: answer });
    expect(finding).toMatchObject({ status: 'reachable', tlsa: { status: expected } });
  });

  it('shows what was published, with the reason for what is set aside', async () => {
    const { finding } = await look({ ...signedHost, [TLSA_HOST]: secure([tlsa(1), tlsa(3)]) });
    if (finding.status !== 'reachable' || finding.tlsa.status !== 'usable') throw new Error('not usable');
    expect(finding.tlsa.records.map(({ usage }) => usage)).toEqual([3]);
    expect(finding.tlsa.published.map(({ setAside }) => setAside)).toEqual([
      expect.stringContaining('PKIX-EE'),
      undefined,
    ]);
  });

  it('a TLSA name that is an alias, secure to the end, does not change the base domain (section 2.2.3)', async () => {
    const name = `_25._tcp.${HOST}`;
    const aliases = [step(name, 'tlsa201._dane.example.net', 'secure')];
    const { finding } = await look({ ...signedHost, [TLSA_HOST]: secure([tlsa(2)], { aliases }) });
    expect(finding).toMatchObject({ tlsa: { status: 'usable', baseDomain: HOST } });
  });

  it('a TLSA name that is an alias and insecure anywhere counts as no TLSA record (section 2.2.3)', async () => {
    const name = `_25._tcp.${HOST}`;
    const aliases = [step(name, 'tlsa.example.org', 'secure')];
    const { finding } = await look({ ...signedHost, [TLSA_HOST]: insecure([tlsa(2)], { aliases }) });
    expect(finding).toMatchObject({ tlsa: { status: 'none' } });
  });

  it('a host whose TLSA name would be too long has no TLSA records, and nobody is asked', async () => {
    const host = `${Array.from({ length: 4 }, () => 'x'.repeat(61)).join('.')}.xyz`;
    const resolver = new TableResolver({
      [`${host} A`]: secure(a('192.0.2.1')),
      [`${host} AAAA`]: secure([]),
    });
    expect(await discover(resolver, { host, port: 25 })).toMatchObject({ tlsa: { status: 'none' } });
  });
});

describe('the caller', () => {
  it('has its signal passed to every look-up', async () => {
    const { signal } = new AbortController();
    const resolver = new TableResolver({ ...signedHost, [TLSA_HOST]: secure([tlsa(3)]) });
    await discover(resolver, { host: HOST, port: 25, signal });
    expect(resolver.signals).toEqual([signal, signal, signal]);
  });

  it('sees an abort as a rejection, not as a finding', async () => {
    const resolver = new TableResolver({});
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(discover(resolver, { host: HOST, port: 25, signal })).rejects.toThrow('enough');
  });
});
