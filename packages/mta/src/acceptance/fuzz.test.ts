/** Messages and addresses that nobody foresaw: what is accepted is fit to be sent, and what is not has a right answer. */
import { checkMessage, parseMailbox } from '@danelaw/smtp';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { NewMessage } from '../queue/queue.js';
import { createAcceptance } from './acceptance.js';
import type { SmtpAnswer } from './submission.js';

const long = Number(process.env['DANELAW_FUZZ'] ?? 0);
/** The short mode is the same each time; the long one is new each time, and prints its seed where it fails. */
const runs = long > 0 ? { numRuns: long } : { numRuns: 1_500, seed: 3464 };
const timeout = long > 0 ? long * 5 : 30_000;

function expectAnswer({ code, enhanced, text }: SmtpAnswer): void {
  expect(code).toBeGreaterThanOrEqual(400);
  expect(enhanced).toMatch(/^[45]\.[0-9]{1,3}\.[0-9]{1,3}$/u);
  expect(enhanced[0]).toBe(String(code)[0]);
  expect(text).toMatch(/^[ -~]{1,480}$/u);
}

const piece = fc.constantFrom(
  ...[
    '\r\n',
    '\n',
    '\r',
    '\0',
    '.',
    ' ',
    '\t',
    ':',
    'A: b',
    'From: a@a.example',
    'Date: x',
    'Received: x',
    'TLS-Required: No',
  ],
  ...['text', 'ü', '\u00e9: x', '\r\n\r\n', 'From a@b', 'Message-ID:', 'x'.repeat(999)],
);
const headed = fc.array(piece, { maxLength: 20 }).map((pieces) => Buffer.from(`A: b\r\n${pieces.join('')}`));
const octets = fc.oneof(
  { weight: 6, arbitrary: headed },
  { weight: 2, arbitrary: fc.array(piece, { maxLength: 20 }).map((pieces) => Buffer.from(pieces.join(''))) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)) },
);
const good = ['a@a.example', 'ö@ö.example', '@x:a@b.example', '"a\\"@b"@c.example', 'a@[192.0.2.1]'];
const address = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom(...good) },
  { weight: 2, arbitrary: fc.constantFrom('', 'postmaster', 'a@[127.0.0.1]', 'a@relay.example') },
  { weight: 1, arbitrary: fc.string({ maxLength: 40, unit: 'binary' }) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }))
      .map(([local, domain]) => `${local}@${domain}`),
  },
);

it(
  'accepts only messages that may be sent, and answers all others',
  async () => {
    const kept: NewMessage[] = [];
    let accepted = 0;
    const acceptances = (['refuse', 'normalise'] as const).map((lineEnds) =>
      createAcceptance({
        queue: { add: async (message) => void kept.push(message) },
        hostname: 'relay.example',
        clock: () => 1_790_000_000_000,
        random: (count) => new Uint8Array(count),
        lineEnds,
        onError: (error) => {
          throw error;
        },
      }),
    );
    const flags = fc.record({ requireTls: fc.boolean(), smtpUtf8: fc.boolean(), complete: fc.boolean() });
    const input = fc.record({
      octets,
      from: address,
      to: fc.array(address, { minLength: 1, maxLength: 3 }),
      helo: address,
      flags,
    });
    await fc.assert(
      fc.asyncProperty(input, fc.nat(1), async ({ octets, from, to, helo, flags }, which) => {
        kept.splice(0);
        const recipients = to.map((each) => ({ address: each }));
        const origin = { kind: 'smtp', client: '192.0.2.1', helo } as const;
        const result = await acceptances[which]?.accept({ origin, from, recipients, octets, ...flags });
        if (result?.status !== 'accepted') {
          expect(kept).toEqual([]);
          if (result !== undefined) expectAnswer(result.answer);
          return;
        }
        accepted += 1;
        const [message] = kept;
        if (message === undefined) throw new Error('accepted, and not kept');
        const checked = checkMessage(message.body);
        // What is kept needs nothing but to be sent: it says of itself what it is.
        expect(checked.status === 'ok' ? checked.message.octets === message.body : checked.reason).toBe(true);
        const { eightBit, utf8Header } = message.envelope;
        expect(checked).toMatchObject({ message: { eightBit, utf8Header } });
        for (const { address, destination } of message.recipients) {
          expect(parseMailbox(address)).toMatchObject({ address, domain: destination });
          expect(destination).toMatch(/^[!-~]+$/u);
        }
        // The message that came stands below what was added, as it came.
        if (!flags.complete && which === 0 && octets.includes('\r\n') && octets.at(-1) === 0x0a) {
          expect(Buffer.from(message.body).subarray(-octets.length).equals(octets)).toBe(true);
        }
      }),
      runs,
    );
    expect(accepted).toBeGreaterThan(runs.numRuns / 20); // else it shows nothing
  },
  timeout,
);

it(
  'says of every address yes, or no with a right answer',
  () => {
    const acceptance = createAcceptance({
      queue: { add: async () => {} },
      hostname: 'relay.example',
      clock: () => 0,
      random: (count) => new Uint8Array(count),
    });
    fc.assert(
      fc.property(address, fc.boolean(), (text, smtpUtf8) => {
        for (const answer of [
          acceptance.checkSender(text, smtpUtf8),
          acceptance.checkRecipient(text, smtpUtf8),
        ]) {
          if (answer !== undefined) expectAnswer(answer);
        }
      }),
      runs,
    );
  },
  timeout,
);
