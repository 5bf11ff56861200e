/** What hostile name servers can make the iterator do: a bounded number of queries, and not a word in another zone's name. */
import { describe, expect, it } from 'vitest';
import { createIterator, MAX_QUERIES, MAX_REFERRALS } from './iterate.js';
import { parseRecords } from './master-file.js';
import { encodeMessage, type Message, parseMessage } from './message.js';
import { Name } from './name.js';
import { RRTYPE } from './rrtype.js';
import type { Transport } from './transport.js';

const ROOT = '192.0.2.1';

/** Name servers that answer by a function of the question and of the address that was asked. */
function world(
  answer: (asked: Name, type: number, address: string) => Partial<Message>,
  qnameMinimisation = true,
) {
  const asked: string[] = [];
  const transport: Transport = {
    async exchange(octets, server) {
      const query = parseMessage(octets);
      const [question] = query.questions;
      if (question === undefined) throw new Error('a query without question');
      // The iterator mixes the letters of names; what servers say goes by the name alone.
      const name = Name.parse(`${question.name}`.toLowerCase());
      asked.push(`${server.address} ${name}`);
      const flags = { ...query.flags, qr: true };
      return encodeMessage({ ...query, flags, ...answer(name, question.type, server.address) });
    },
  };
  const iterator = createIterator({
    rootHints: [{ name: Name.parse('root.invalid'), address: ROOT }],
    transport,
    port: 53,
    qnameMinimisation,
    clock: () => 0,
  });
  const ask = (name: string) => iterator.ask({ name: Name.parse(name), type: RRTYPE.A });
  return { ask, asked };
}

const records = parseRecords;
const AUTHORITATIVE = { qr: true, aa: true, tc: false, rd: false, ra: false, ad: false, cd: true };

/** The root says who serves `example.`; that server, at 192.0.2.2, is the hostile one. */
const exampleBelow =
  (hostile: (asked: Name) => Partial<Message>) => (asked: Name, _: number, address: string) =>
    address === ROOT
      ? {
          authority: records('example. 60 IN NS ns.example.'),
          additional: records('ns.example. 60 IN A 192.0.2.2'),
        }
      : hostile(asked);

describe('hostile name servers', () => {
  it.each([true, false])(
    'refer on and on, and are left after a bound (QNAME minimisation %s)',
    async (minimise) => {
      const deep = `${'a.'.repeat(100)}example`;
      const { ask, asked } = world((_name, _type, address) => {
        const labels = asked.filter((each) => each.startsWith(address)).length;
        const zone = Name.parse(deep).suffix(Math.min(labels, 100));
        return {
          authority: records(`${zone}. 60 IN NS ns.${zone}.`),
          additional: records(`ns.${zone}. 60 IN A ${ROOT}`),
        };
      }, minimise);
      expect(await ask(deep)).toMatchObject({
        kind: 'failure',
        reason: expect.stringContaining(`more than ${MAX_REFERRALS} referrals`),
      });
      expect(asked.length).toBeLessThanOrEqual(MAX_QUERIES);
    },
  );

  it.each([
    ['upwards', '. 60 IN NS ns.attacker.invalid.'],
    ['to itself', 'example. 60 IN NS ns.attacker.invalid.'],
    ['sideways', 'victim. 60 IN NS ns.attacker.invalid.'],
    ['to a sister of the name', 'other.example. 60 IN NS ns.attacker.invalid.'],
  ])('that refer %s lead nowhere', async (_, authority) => {
    const { ask, asked } = world(exampleBelow(() => ({ authority: records(authority) })));
    expect(await ask('www.example')).toMatchObject({ kind: 'failure' });
    expect(asked.filter((each) => each.includes('attacker'))).toEqual([]);
    expect(asked.length).toBeLessThanOrEqual(MAX_QUERIES);
  });

  it('name many servers without addresses, and few of these are looked for (CVE-2020-12662)', async () => {
    const servers = Array.from({ length: 200 }, (_, index) => `zone.example. 60 IN NS ns${index}.victim.`);
    const { ask, asked } = world((name, _type, address) => {
      if (`${name}`.endsWith('victim')) return { rcode: 3, flags: AUTHORITATIVE };
      return exampleBelow(() => ({ authority: records(servers.join('\n')) }))(name, 0, address);
    });
    expect(await ask('www.zone.example')).toMatchObject({ kind: 'failure' });
    expect(asked.filter((each) => /ns\d+\.victim/.test(each)).length).toBeLessThanOrEqual(8);
    expect(asked.length).toBeLessThanOrEqual(MAX_QUERIES);
  });

  it('that name servers in zones of more such servers cost one allowance together', async () => {
    let count = 0;
    const { ask, asked } = world((name, _type, address) => {
      if (address === ROOT && name.labelCount > 0 && !`${name}`.endsWith('example'))
        return { rcode: 3, flags: AUTHORITATIVE };
      // Every name lies in a zone of its own, whose servers are names in new zones again.
      const zone = name.labelCount > 1 ? name.suffix(2) : name;
      const lines = Array.from({ length: 20 }, () => `${zone}. 60 IN NS ns.z${count++}.example.`);
      return address === ROOT
        ? exampleBelow(() => ({}))(name, 0, ROOT)
        : { authority: records(lines.join('\n')) };
    });
    expect(await ask('www.zone.example')).toMatchObject({ kind: 'failure' });
    expect(asked.length).toBe(MAX_QUERIES);
  });

  it('send addresses for servers outside their zone, which are not believed (RFC 5452 section 6)', async () => {
    const { ask, asked } = world((name, _type, address) => {
      if (`${name}`.endsWith('victim')) return { rcode: 3, flags: AUTHORITATIVE };
      return exampleBelow(() => ({
        authority: records('zone.example. 60 IN NS ns.victim.'),
        additional: records('ns.victim. 60 IN A 192.0.2.66'),
      }))(name, 0, address);
    });
    await ask('www.zone.example');
    expect(asked.filter((each) => each.startsWith('192.0.2.66'))).toEqual([]);
  });

  it('answer for other names and zones too, which is thrown away (RFC 5452 section 6)', async () => {
    const { ask } = world(
      exampleBelow(() => ({
        flags: AUTHORITATIVE,
        answer: records(
          'www.example. 60 IN A 192.0.2.9\nwww.victim. 60 IN A 192.0.2.66\nmail.example. 60 IN A 192.0.2.66',
        ),
        additional: records('ns.victim. 60 IN A 192.0.2.66'),
      })),
    );
    const found = await ask('www.example');
    if (found.kind === 'failure') throw new Error(found.reason);
    expect(found.message.answer.map(({ name }) => name.toString())).toEqual(['www.example']);
    expect(found.message.additional).toEqual([]);
  });
});
