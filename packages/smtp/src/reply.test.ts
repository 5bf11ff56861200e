import { describe, expect, it } from 'vitest';
import {
  formatReply,
  isReplyFault,
  MAX_REPLY_LINE_OCTETS,
  MAX_REPLY_LINES,
  MAX_REPLY_OCTETS,
  type Reply,
  type ReplyFault,
  ReplyParser,
} from './reply.js';

function parse(...pieces: (string | Uint8Array)[]): (Reply | ReplyFault)[] {
  const parser = new ReplyParser();
  return pieces.flatMap((piece) =>
    parser.push(typeof piece === 'string' ? Buffer.from(piece, 'utf8') : piece),
  );
}

describe('reply parser', () => {
  it.each<[string, string, unknown]>([
    ['one line (RFC 5321 section 4.2)', '220 ready\r\n', [{ code: 220, lines: ['ready'] }]],
    ['a code alone', '250\r\n', [{ code: 250, lines: [''] }]],
    ['a code and a space', '250 \r\n', [{ code: 250, lines: [''] }]],
    ['several lines (section 4.2.1)', '250-a\r\n250-b\r\n250 c\r\n', [{ code: 250, lines: ['a', 'b', 'c'] }]],
    ['two replies in one piece', '250 a\r\n550 b\r\n', [{ code: 250 }, { code: 550 }]],
    ['a bare LF as line end', '250 a\n', [{ code: 250, lines: ['a'] }]],
    ['an enhanced status code (RFC 2034)', '550 5.1.1 no\r\n', [{ code: 550, enhanced: '5.1.1' }]],
    ['an enhanced code and nothing else', '250 2.0.0\r\n', [{ code: 250, enhanced: '2.0.0' }]],
    ['UTF-8 text (RFC 6531 section 3.7.4.1)', '550 grüß\r\n', [{ code: 550, lines: ['grüß'] }]],
    [
      'control characters, made harmless',
      '250 \u001b[2Ja\u0000b\u202e\r\n',
      [{ lines: ['\ufffd[2Ja\ufffdb\ufffd'] }],
    ],
    ['a bare CR inside a line, made harmless', '250 a\rb\r\n', [{ lines: ['a\ufffdb'] }]],
  ])('reads %s', (_, text, expected) => {
    expect(parse(text)).toMatchObject(expected as object);
  });

  it.each<[string, string]>([
    ['another class than the code', '450 5.1.1 later\r\n'],
    ['a class that does not exist', '550 3.1.1 no\r\n'],
    ['too many digits', '550 5.1.1234 no\r\n'],
    ['no separator after it', '550 5.1.1no\r\n'],
  ])('does not believe an enhanced status code with %s (RFC 3463)', (_, text) => {
    expect(parse(text)[0]).not.toHaveProperty('enhanced');
  });

  it.each<[string, string, ReplyFault['fault']]>([
    ['text without a code', 'hello\r\n', 'no-code'],
    ['a code below 200', '150 no\r\n', 'no-code'],
    ['a code above 599', '650 no\r\n', 'no-code'],
    ['an empty line', '\r\n', 'no-code'],
    ['a code that changes between lines', '250-a\r\n550 b\r\n', 'code-changed'],
    ['a line that never ends', `250 ${'x'.repeat(MAX_REPLY_LINE_OCTETS)}`, 'line-too-long'],
    ['a reply with too many lines', '250-a\r\n'.repeat(MAX_REPLY_LINES + 1), 'too-many-lines'],
    ['a reply with too many octets', `250-${'x'.repeat(2000)}\r\n`.repeat(17), 'too-many-octets'],
  ])('refuses %s', (_, text, fault) => {
    expect(parse(text)).toMatchObject([{ fault }]);
  });

  it('reads the same however the network cuts it', () => {
    const text = '250-mx.example\r\n250-SIZE 10\r\n250 8BITMIME\r\n250 2.1.0 ok\r\n';
    const octets = [...Buffer.from(text)].map((octet) => Uint8Array.of(octet));
    expect(parse(...octets)).toEqual(parse(text));
  });

  it('keeps no reference to the network buffer', () => {
    const parser = new ReplyParser();
    const buffer = Buffer.from('250 good');
    parser.push(buffer);
    buffer.fill(0x58);
    expect(parser.push(Buffer.from('\r\n'))).toMatchObject([{ lines: ['good'] }]);
  });

  it('goes on refusing after a fault', () => {
    const parser = new ReplyParser();
    parser.push(Buffer.from('nonsense\r\n'));
    expect(parser.push(Buffer.from('250 ok\r\n'))).toMatchObject([{ fault: 'no-code' }]);
  });

  it('knows whether something unfinished is waiting', () => {
    const parser = new ReplyParser();
    expect(parser.hasRest).toBe(false);
    parser.push(Buffer.from('250-a\r\n'));
    expect(parser.hasRest).toBe(true);
    parser.push(Buffer.from('250 b\r\n'));
    expect(parser.hasRest).toBe(false);
  });

  it('writes a reply on one line', () => {
    expect(
      parse('550-5.1.1 no\r\n550 such user\r\n').map((item) => !isReplyFault(item) && formatReply(item)),
    ).toEqual(['550 5.1.1 no such user']);
  });
});

/** Deterministic: an input that fails can be had again from its number. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const PARTS = [
  '250',
  '-',
  ' ',
  '\r\n',
  '\n',
  '\r',
  '5.1.1 ',
  '550',
  '4',
  'x',
  '\u0000',
  '\u00ff',
  '250-a\r\n',
  '250 ok\r\n',
];

function hostile(next: () => number): Buffer {
  const kind = next();
  if (kind < 0.01) return Buffer.alloc(Math.floor(next() * 70_000), next() < 0.5 ? '2' : '250-\r\n');
  const length = Math.floor(next() * 30);
  if (kind < 0.3) return Buffer.from(Array.from({ length }, () => Math.floor(next() * 256)));
  return Buffer.from(
    Array.from({ length }, () => PARTS[Math.floor(next() * PARTS.length)]).join(''),
    'latin1',
  );
}

describe('reply parser under fire', () => {
  // DANELAW_FUZZ=1000000 for the long mode.
  const inputs = Number(process.env['DANELAW_FUZZ'] ?? 20_000);

  it(
    `takes ${inputs} hostile inputs: no exception, within its bounds, the same however they are cut`,
    () => {
      for (let seed = 0; seed < inputs; seed++) {
        const next = random(seed);
        const octets = hostile(next);
        const whole = new ReplyParser().push(octets);
        const cut = new ReplyParser();
        const at = Math.floor(next() * (octets.length + 1));
        const pieces = [...cut.push(octets.subarray(0, at))];
        // A parser that has found a fault says it again at every push.
        if (!pieces.some(isReplyFault)) pieces.push(...cut.push(octets.subarray(at)));
        if (JSON.stringify(pieces) !== JSON.stringify(whole))
          throw new Error(`input ${seed} depends on where it is cut`);
        for (const item of whole) {
          if (isReplyFault(item)) continue;
          const size = item.lines.reduce((sum, line) => sum + line.length, 0);
          if (item.lines.length > MAX_REPLY_LINES || size > MAX_REPLY_OCTETS)
            throw new Error(`input ${seed} is too big`);
          if (item.code < 200 || item.code > 599) throw new Error(`input ${seed} has code ${item.code}`);
        }
      }
    },
    Math.max(10_000, inputs),
  );
});
