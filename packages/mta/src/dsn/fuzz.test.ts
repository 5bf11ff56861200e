/** Whatever servers, senders and messages say: a report stays a message that may be sent, with its parts as they were meant. */
import { checkMessage } from '@danelaw/smtp';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { makeDsn } from './dsn.js';
import type { DsnAction } from './dsn-due.js';

const long = Number(process.env['DANELAW_FUZZ'] ?? 0);
/** The short mode is the same each time; the long one is new each time, and prints its seed where it fails. */
const runs = long > 0 ? { numRuns: long } : { numRuns: 1_500, seed: 3464 };
const timeout = long > 0 ? long * 5 : 30_000;

const hostile = fc.oneof(
  fc.constantFrom(
    'x\r\nAction: delivered',
    '\r\n\r\n',
    '--=_01k3v5bxk00000000b--',
    '\u2028\u202e',
    '550 5.1.1 no',
    'ü'.repeat(1200),
  ),
  fc.constantFrom(
    'x'.repeat(3000),
    `rfc822;${'y'.repeat(600)}`,
    'utf-8;j\\x{F6}rg\\x{110000}\\x{D800}@b.example',
    '5.1.1',
    '',
  ),
  fc.string({ unit: 'binary', maxLength: 60 }),
);
const orNull = fc.option(hostile);
const orMissing = fc.option(hostile, { nil: undefined });

const recipient = fc.record({
  recipient: fc.record({ address: fc.constantFrom('bob@b.example', 'jörg+x=y@b.example'), orcpt: orMissing }),
  action: fc.constantFrom<DsnAction>('failed', 'delayed'),
  outcome: fc.record({ enhancedStatus: orNull, reply: orNull, host: orNull, reason: hostile }),
  expired: fc.boolean(),
  willRetryUntil: fc.option(fc.nat(4e12), { nil: undefined }),
});

it(
  'is a message that may be sent, whatever it has to tell',
  () => {
    const bodies = fc.constantFrom(
      ...[
        'A: b\r\n\r\ntext\r\n',
        'A: b\r\n',
        'Message-ID: <x@y>\r\n\r\n--=_01k3v5bxk00000000b--\r\n',
        'A: ü\r\n\r\nü\r\n',
      ],
    );
    const input = fc.record({
      recipients: fc.array(recipient, { minLength: 1, maxLength: 3 }),
      from: fc.constantFrom('ann@a.example', 'änn@a.example'),
      envid: orMissing,
      ret: fc.constantFrom('full', 'hdrs', undefined),
      body: fc.option(bodies, { nil: undefined }),
    });
    fc.assert(
      fc.property(input, ({ recipients, from, envid, ret, body }) => {
        const utf8Header = body?.includes('ü') ?? false;
        const flags = {
          requireTls: false,
          smtpUtf8: false,
          eightBit: utf8Header,
          utf8Header,
          tlsRequiredNo: false,
        };
        const dsn = makeDsn({
          envelope: { from, envid, ret, ...flags, arrived: 0, origin: { kind: 'smtp' } },
          originalId: '01k3v1wr080000000a',
          recipients,
          body: body === undefined ? undefined : Buffer.from(body),
          hostname: 'relay.example.net',
          now: 3_600_000,
          id: '01k3v5bxk00000000c',
        });
        if (dsn === undefined) throw new Error('no report');
        const checked = checkMessage(dsn.body);
        expect(checked.status === 'ok' ? 'ok' : checked.reason).toBe('ok');
        const { eightBit, utf8Header: wide } = dsn.envelope;
        expect(checked).toMatchObject({ message: { eightBit, utf8Header: wide } });
        expect(wide).toBe(from.startsWith('ä'));
        if (!wide) expect(eightBit).toBe(false);
        const text = Buffer.from(dsn.body).toString();
        const sections = text.split(/\r\n--=_01k3v5bxk00000000c(?=(?:--)?\r\n)/u);
        expect(sections).toHaveLength(body === undefined ? 4 : 5);
        const status = sections[2] ?? '';
        expect(status.match(/^Action: (?:failed|delayed)\r$/gmu)).toHaveLength(recipients.length);
        expect(status.match(/^Status: [45]\.[0-9]{1,3}\.[0-9]{1,3}\r$/gmu)).toHaveLength(recipients.length);
      }),
      runs,
    );
  },
  timeout,
);
