/**
 * Whoever changes answers on their way can make look-ups fail, and nothing else: never a secure answer with
 * other data, never a signed name that becomes insecure, never a crash. The generator is seeded; a failure
 * prints its seed.
 */
import { randomInt } from 'node:crypto';
import {
  createNetworkTransport,
  createResolver,
  encodeMessage,
  type Lookup,
  type Message,
  type NetworkTransport,
  parseMessage,
  type ResourceRecord,
  type Transport,
} from '@danelaw/dns';
import { type Internet, SCENARIOS, startInternet } from '@danelaw/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** Look-ups with tampered answers; `DANELAW_FUZZ` for more. */
const ROUNDS = Number(process.env['DANELAW_FUZZ'] ?? 400);
const SEED = Number(process.env['DANELAW_SEED'] ?? randomInt(1, 2 ** 31));

const DOMAINS = [
  'good-3-1-1.example',
  'nsec3.example',
  'signed.optout',
  'anything.wildcard.example',
  'alias-expanded.example',
  'dname.example',
  'tlsa-alias.example',
];

/** Mulberry32: small, and the same everywhere. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

type Random = ReturnType<typeof generator>;
type Section = 'answer' | 'authority';

function tamper(message: Message, random: Random, stock: ResourceRecord[]): Message {
  const section: Section = random(2) === 0 ? 'answer' : 'authority';
  const records = [...message[section]];
  const at = random(Math.max(1, records.length));
  const chosen = records[at];
  switch (random(9)) {
    case 0:
      records.splice(at, 1);
      break;
    case 1:
      if (chosen !== undefined && chosen.rdata.length > 0) {
        const rdata = chosen.rdata.slice();
        const octet = random(rdata.length);
        rdata[octet] = (rdata[octet] ?? 0) ^ (1 << random(8));
        records[at] = { ...chosen, rdata };
      }
      break;
    case 2: {
      const other = stock[random(Math.max(1, stock.length))];
      if (other !== undefined) records.splice(at, 0, other);
      break;
    }
    case 3: {
      const other = stock[random(Math.max(1, stock.length))];
      if (chosen !== undefined && other !== undefined) records[at] = { ...other, name: chosen.name };
      break;
    }
    case 4:
      return { ...message, rcode: random(2) === 0 ? 3 : 0 };
    case 5:
      return { ...message, answer: [], authority: message.authority };
    case 6:
      return { ...message, answer: message.answer.filter((record) => record.type !== 46) };
    case 7:
      return { ...message, authority: [] };
    case 8:
      return { ...message, answer: [], authority: [], rcode: random(2) === 0 ? 3 : 0 };
  }
  return { ...message, [section]: records };
}

describe(`answers tampered with on the way (seed ${SEED})`, () => {
  let internet: Internet;
  let honest: NetworkTransport;

  beforeAll(async () => {
    internet = await startInternet(SCENARIOS);
    honest = createNetworkTransport();
  });
  afterAll(async () => {
    await honest?.close();
    await internet?.close();
  });

  const upstream = () => `${internet.resolver.address}#${internet.resolver.port}`;
  const lookUp = async (transport: Transport, name: string, type: string): Promise<Lookup> => {
    const resolver = createResolver({
      upstream: upstream(),
      transport,
      trustAnchors: [...internet.trustAnchors],
    });
    try {
      return await resolver.resolve(name, type);
    } finally {
      await resolver.close();
    }
  };

  it(`make ${ROUNDS} look-ups fail or stay right`, { timeout: 60_000 + ROUNDS * 50 }, async () => {
    const random = generator(SEED);
    const questions = DOMAINS.flatMap(
      (domain) =>
        [
          [domain, 'MX'],
          [`mx.${domain}`, 'A'],
          [`mx.${domain}`, 'AAAA'],
          [`_${internet.smtpPort}._tcp.mx.${domain}`, 'TLSA'],
          [`nothing.${domain}`, 'TLSA'],
        ] as const,
    );
    const stock: ResourceRecord[] = [];
    const collecting: Transport = {
      async exchange(...args) {
        const reply = await honest.exchange(...args);
        const message = parseMessage(reply);
        if (stock.length < 2_000) stock.push(...message.answer, ...message.authority);
        return reply;
      },
    };
    const truth = new Map<string, string>();
    for (const [name, type] of questions)
      truth.set(`${name} ${type}`, essence(await lookUp(collecting, name, type)));
    let changed = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const [name, type] = questions[random(questions.length)] ?? ['.', 'NS'];
      const victim = random(8);
      let count = 0;
      const transport: Transport = {
        async exchange(...args) {
          const reply = await honest.exchange(...args);
          if (count++ !== victim) return reply;
          changed++;
          return encodeMessage(tamper(parseMessage(reply), random, stock));
        },
      };
      const lookup = await lookUp(transport, name, type);
      if (lookup.status === 'bogus' || lookup.status === 'indeterminate') continue;
      expect(essence(lookup), `round ${round}: ${name} ${type}`).toBe(truth.get(`${name} ${type}`));
    }
    expect(changed).toBeGreaterThan(ROUNDS / 4);
  });
});

function essence(lookup: Lookup): string {
  if (lookup.status === 'bogus' || lookup.status === 'indeterminate') return lookup.status;
  const records = lookup.records.map(({ name, type, rdata }) => `${name} ${type} ${signed(type, rdata)}`);
  return JSON.stringify([lookup.status, lookup.rcode, records.sort()]);
}

/**
 * What a signature covers: the letters of names in MX and CNAME count without case (RFC 4034 section 6.2).
 */
function signed(type: string, rdata: Uint8Array): string {
  const lowered = rdata.map((octet) => (octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet));
  return Buffer.from(type === 'MX' || type === 'CNAME' ? lowered : rdata).toString('hex');
}
