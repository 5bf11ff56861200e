import { describe, expect, it } from 'vitest';
import { parseRecords } from './master-file.js';
import type { Message } from './message.js';
import { Name } from './name.js';
import { requireType } from './record.js';
import { RCODE, typeName } from './rrtype.js';
import { scrub } from './scrub.js';

const ZONE = Name.parse('example');

function scrubbed(name: string, type: string, answer: string, authority: string) {
  const flags = { qr: true, aa: true, tc: false, rd: false, ra: false, ad: false, cd: false };
  const message: Message = {
    ...{ id: 0, opcode: 0, flags, rcode: RCODE.NOERROR, questions: [], additional: [] },
    answer: parseRecords(answer),
    authority: parseRecords(authority),
  };
  const left = scrub(message, ZONE, { name: Name.parse(name), type: requireType(type) });
  const names = (records: Message['answer']) => records.map((r) => `${r.name} ${typeName(r.type)}`);
  return { answer: names(left.answer), authority: names(left.authority) };
}

const SOA = 'example. 60 IN SOA ns.example. root.example. 1 2 3 4 60\n';
const NSEC = 'example. 60 IN NSEC www.example. NS SOA\n';

describe("an answer from the zone's server", () => {
  it('keeps what was asked for, and what proves an absence', () => {
    expect(scrubbed('www.example', 'A', '', SOA + NSEC).authority).toEqual(['example SOA', 'example NSEC']);
    const address = 'www.example. 60 IN A 192.0.2.1\n';
    expect(scrubbed('www.example', 'A', `${address}www.other. 60 IN A 192.0.2.1`, '').answer).toEqual([
      'www.example A',
    ]);
  });

  it('loses the end of an alias, and the SOA record that says that there is nothing at it', () => {
    const chain = 'a.example. 60 IN CNAME b.example.\nb.example. 60 IN CNAME c.example.';
    expect(scrubbed('a.example', 'MX', chain, SOA + NSEC)).toEqual({
      answer: ['a.example CNAME'],
      // The alias may come from a wildcard, and then needs its proof.
      authority: ['example NSEC'],
    });
  });

  it('loses nothing where the alias itself was asked for', () => {
    const alias = 'a.example. 60 IN CNAME b.example.';
    expect(scrubbed('a.example', 'CNAME', alias, SOA).authority).toEqual(['example SOA']);
  });
});
