import { describe, expect, it } from 'vitest';
import { askAuthorities } from './authorities.js';
import type { Lookup } from './lookup.js';
import { encodeMessage, parseMessage, type ResourceRecord } from './message.js';
import { Name } from './name.js';
import { parseRdataText } from './presentation.js';
import { parseRdata, requireType } from './record.js';
import { CLASS_IN } from './rrtype.js';
import type { Endpoint, Transport } from './transport.js';

const TLSA = `3 1 1 ${'ab'.repeat(32)}`;

function record(name: string, type: string, text: string): ResourceRecord {
  const number = requireType(type);
  return {
    name: Name.parse(name),
    type: number,
    class: CLASS_IN,
    ttl: 300,
    rdata: parseRdataText(number, text),
  };
}

/** By `name TYPE`; an empty list is NODATA, nothing at all a failure. */
function resolver(answers: Readonly<Record<string, readonly string[]>>) {
  return {
    resolve: async (name: string, type: string): Promise<Lookup> => {
      const texts = answers[`${name} ${type}`];
      if (texts === undefined) return { status: 'indeterminate', name, type, chain: [], reason: 'no answer' };
      const records = texts.map((text) => {
        const { rdata, type: number } = record(name, type, text);
        return { name, type, ttl: 300, rdata, data: parseRdata(number, rdata) };
      });
      const answer = {
        name,
        type,
        chain: [],
        rcode: 'NOERROR',
        aliases: [],
        canonicalName: name,
        ttl: 300,
      } as const;
      return { status: 'secure', ...answer, records };
    },
  };
}

interface Server {
  readonly serial?: number;
  readonly tlsa?: readonly string[];
  readonly aa?: boolean;
  readonly rcode?: number;
  readonly silent?: true;
}

/** Answers as servers of example.org, by address. */
function transport(servers: Readonly<Record<string, Server>>): Transport & { readonly asked: Endpoint[] } {
  const asked: Endpoint[] = [];
  return {
    asked,
    exchange: async (query, server, signal) => {
      asked.push(server);
      const { serial = 1, tlsa = [TLSA], aa = true, rcode = 0, silent } = servers[server.address] ?? {};
      if (silent)
        return await new Promise((_, reject) =>
          signal?.addEventListener('abort', () => reject(signal.reason)),
        );
      const asking = parseMessage(query);
      const isSoa = asking.questions[0]?.type === requireType('SOA');
      const soa = [record('example.org', 'SOA', `ns hostmaster ${serial} 1 1 1 1`)];
      const answer = isSoa ? soa : tlsa.map((text) => record('_25._tcp.mx.example.org', 'TLSA', text));
      const flags = { ...asking.flags, qr: true, aa };
      return encodeMessage({ ...asking, flags, rcode, answer: rcode === 0 ? answer : [] });
    },
  };
}

const NAMES = {
  '_25._tcp.mx.example.org SOA': [],
  '_tcp.mx.example.org SOA': [],
  'mx.example.org SOA': [],
  'example.org SOA': ['ns hostmaster 1 1 1 1 1'],
  'example.org NS': ['ns1.example.net.', 'ns2.example.net.'],
  'ns1.example.net A': ['192.0.2.1'],
  'ns1.example.net AAAA': ['2001:db8::1'],
  'ns2.example.net A': ['192.0.2.2'],
  'ns2.example.net AAAA': [],
};
const asking = {
  name: '_25._tcp.mx.example.org',
  type: 'TLSA',
  timer: (_: number, done: () => void) => {
    const soon = setImmediate(done);
    return () => clearImmediate(soon);
  },
};
const patient = { ...asking, timer: () => () => {} };

describe('what each authoritative server says', () => {
  it('asks every address of every server of the zone that holds the name', async () => {
    const net = transport({ '192.0.2.2': { serial: 7, tlsa: [] } });
    const found = await askAuthorities({ ...patient, resolver: resolver(NAMES), transport: net, port: 5300 });
    expect(found).toMatchObject({
      status: 'asked',
      zone: 'example.org',
      servers: [
        {
          server: 'ns1.example.net',
          address: '192.0.2.1',
          said: { status: 'answered', serial: 1, signed: false },
        },
        { server: 'ns1.example.net', address: '2001:db8::1', said: { status: 'answered', serial: 1 } },
        {
          server: 'ns2.example.net',
          address: '192.0.2.2',
          said: { status: 'answered', serial: 7, records: [] },
        },
      ],
    });
    expect(new Set(net.asked.map(({ port }) => port))).toEqual(new Set([5300]));
  });

  it.each<[what: string, server: Server, reason: RegExp]>([
    ['answers without authority', { aa: false }, /has not this zone/],
    ['refuses', { rcode: 5 }, /REFUSED/],
  ])('is not taken for an answer: a server that %s', async (_, server, reason) => {
    const net = transport({ '192.0.2.2': server });
    const found = await askAuthorities({ ...patient, resolver: resolver(NAMES), transport: net });
    const said = found.status === 'asked' ? found.servers.at(-1)?.said : undefined;
    expect(said).toEqual({ status: 'failed', reason: expect.stringMatching(reason) });
  });

  it('asks a silent one twice, and says so', async () => {
    const net = transport(
      Object.fromEntries(['192.0.2.1', '2001:db8::1', '192.0.2.2'].map((each) => [each, { silent: true }])),
    );
    const found = await askAuthorities({ ...asking, resolver: resolver(NAMES), transport: net });
    const said = found.status === 'asked' ? found.servers.map((each) => each.said) : [];
    expect(said).toEqual(
      Array.from({ length: 3 }, () => ({ status: 'failed', reason: 'no answer in time' })),
    );
    expect(net.asked).toHaveLength(6);
  });

  it('names a server that has no address, and one whose address is not known', async () => {
    const names = {
      ...NAMES,
      'ns1.example.net A': [],
      'ns1.example.net AAAA': [],
      'ns2.example.net A': undefined,
    };
    const { 'ns2.example.net A': _, ...rest } = names;
    const found = await askAuthorities({ ...patient, resolver: resolver(rest), transport: transport({}) });
    expect(found).toMatchObject({
      servers: [
        { address: null, said: { reason: 'it has no address' } },
        { address: null, said: { reason: expect.stringMatching(/could not be looked up/) } },
      ],
    });
  });

  it.each([
    ['the zone is not to be found', { '_25._tcp.mx.example.org SOA': [] }, /zone of .* could not be found/],
    ['its name servers are not', { ...NAMES, 'example.org NS': undefined }, /name servers of example\.org/],
  ])('fails where %s', async (_, names, reason) => {
    const known = Object.fromEntries(
      Object.entries(names).flatMap(([key, texts]) => (texts ? [[key, texts]] : [])),
    );
    const found = await askAuthorities({ ...patient, resolver: resolver(known), transport: transport({}) });
    expect(found).toEqual({ status: 'failed', reason: expect.stringMatching(reason) });
  });

  it('rejects for a name that is none', async () => {
    const wrong = { ...patient, name: 'a..b', resolver: resolver(NAMES), transport: transport({}) };
    await expect(askAuthorities(wrong)).rejects.toThrow(TypeError);
  });
});
