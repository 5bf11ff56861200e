import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { message } from '../suite.js';
import { encodeMessage, enteringRecipients, readBodyFile } from './body-file.js';

const runs = Number(process.env['DANELAW_FUZZ'] ?? 500);

const MESSAGES = [
  message(['a@one.example', 'b@two.example'], { from: '', envid: 'x' }, new Uint8Array([0, 255, 10, 13])),
  message(['c@three.example'], {}, new Uint8Array()),
  message(['d@four.example'], {}, new TextEncoder().encode('danelaw\x01 is what a message begins with')),
];
const FILE = Buffer.concat(MESSAGES.flatMap((one) => [encodeMessage(one).head, one.body]));
/** Where messages begin, and the end of the file. */
const BOUNDS = [0];
for (const one of MESSAGES) {
  BOUNDS.push((BOUNDS.at(-1) ?? 0) + encodeMessage(one).head.length + one.body.length);
}

function idsIn(octets: Uint8Array): readonly string[] {
  return readBodyFile('0/00', octets).messages.map(({ id }) => id);
}

describe('a body file', () => {
  it('gives back what was written', () => {
    const { messages, damaged } = readBodyFile('0/00', FILE);
    expect(damaged).toBe(false);
    for (const [number, { id, envelope, recipients, place }] of messages.entries()) {
      const written = MESSAGES[number];
      expect({ id, envelope }).toEqual({ id: written?.id, envelope: written?.envelope });
      expect(recipients).toEqual(written === undefined ? [] : enteringRecipients(written));
      expect(place).toMatchObject({ file: '0/00', number });
      const body = FILE.subarray(place.offset, place.offset + place.size);
      expect(Buffer.compare(body, written?.body ?? Buffer.alloc(0))).toBe(0);
    }
    expect(messages).toHaveLength(3);
  });

  it('that was cut off anywhere gives the messages before', () => {
    for (let length = 0; length < FILE.length; length++) {
      const whole = BOUNDS.filter((end) => end > 0 && end <= length).length;
      const { messages, damaged } = readBodyFile('0/00', FILE.subarray(0, length));
      expect(messages.map(({ id }) => id)).toEqual(MESSAGES.slice(0, whole).map(({ id }) => id));
      expect(damaged).toBe(!BOUNDS.includes(length));
    }
  });

  it('with a wrong octet anywhere gives the other messages', () => {
    for (let at = 0; at < FILE.length; at++) {
      const octets = Buffer.from(FILE);
      octets[at] = (octets[at] ?? 0) ^ 0x20;
      const hit = BOUNDS.filter((begin) => begin <= at).length - 1;
      const { messages } = readBodyFile('0/00', octets);
      const others = MESSAGES.filter((_, number) => number !== hit);
      expect(messages.map(({ id }) => id)).toEqual(others.map(({ id }) => id));
    }
  });

  it('gives only whole messages, whatever is in it', () => {
    const pieces = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 60 }),
        fc.record({ from: fc.nat(FILE.length), length: fc.nat(FILE.length) }),
      ),
      { maxLength: 6 },
    );
    const known = new Set(MESSAGES.map(({ id }) => id));
    fc.assert(
      fc.property(pieces, (parts) => {
        const octets = Buffer.concat(
          parts.map((part) =>
            part instanceof Uint8Array ? part : FILE.subarray(part.from, part.from + part.length),
          ),
        );
        for (const id of idsIn(octets)) expect(known).toContain(id);
      }),
      { numRuns: runs },
    );
  });
});
