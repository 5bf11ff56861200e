import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_RECIPIENTS, readMessage, type SpooledMessage, writeMessage } from './spooled-message.js';

const MESSAGE: SpooledMessage = {
  envelope: { from: 'ann@a.example', to: ['you@b.example'] },
  octets: Buffer.from('Subject: x\r\n\r\ntext\r\n'),
};

/** As `writeMessage` does it, with any envelope: what a hostile user writes by hand. */
function forged(envelope: unknown, octets = Buffer.from('A: b\r\n\r\n')): Uint8Array {
  const said = Buffer.from(typeof envelope === 'string' ? envelope : JSON.stringify(envelope));
  const digest = createHash('sha256').update(said).update(octets).digest('hex');
  return Buffer.concat([
    Buffer.from(`danelaw-maildrop-1 ${said.length} ${octets.length} ${digest}\n`),
    said,
    octets,
  ]);
}

describe('a message of the maildrop', () => {
  it('is read as it was written, whatever it says', () => {
    const envelopes = fc.record(
      {
        from: fc.string({ maxLength: 100 }),
        to: fc.array(fc.string({ maxLength: 100 }), { minLength: 1, maxLength: 5 }),
        ret: fc.constantFrom('full' as const, 'hdrs' as const),
        envid: fc.string({ maxLength: 100 }),
      },
      { requiredKeys: ['from', 'to'] },
    );
    fc.assert(
      fc.property(envelopes, fc.uint8Array({ maxLength: 1000 }), (envelope, octets) => {
        const read = readMessage(writeMessage({ envelope, octets }));
        if (read.status !== 'ok') throw new Error(read.reason);
        expect({ ...read.message.envelope }).toEqual(envelope);
        expect(Buffer.from(read.message.octets)).toEqual(Buffer.from(octets));
      }),
    );
  });

  it('is none when one octet of it is another, or missing', () => {
    const file = writeMessage(MESSAGE);
    for (let i = 0; i < file.length; i++) {
      const changed = Uint8Array.from(file);
      changed[i] = (changed[i] ?? 0) ^ 1;
      expect([i, readMessage(changed).status]).toEqual([i, 'bad']);
      expect([i, readMessage(file.subarray(0, i)).status]).toEqual([i, 'bad']);
    }
    expect(readMessage(Buffer.concat([file, Buffer.from('x')])).status).toBe('bad');
  });

  const to = ['you@b.example'];
  it.each<[string, unknown]>([
    ['no JSON', '{'],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x22]).toString('latin1')],
    ['no object', '"text"'],
    ['null', 'null'],
    ['no sender', { to }],
    ['a sender that is no text', { from: 1, to }],
    ['no recipients', { from: '', to: [] }],
    ['a recipient that is no text', { from: '', to: ['a@b.example', {}] }],
    [
      'too many recipients',
      { from: '', to: Array.from({ length: MAX_RECIPIENTS + 1 }, () => 'a@b.example') },
    ],
    ['an address without end', { from: 'a'.repeat(1001), to }],
    ['a wish that is none', { from: '', to, notify: ['always'] }],
    ['no wish', { from: '', to, notify: [] }],
    ['the same wish twice', { from: '', to, notify: ['delay', 'delay'] }],
    ['a return that is none', { from: '', to, ret: 'all' }],
    ['an envelope id without end', { from: '', to, envid: 'e'.repeat(101) }],
    ['a longer envelope than any', { from: '', to, more: 'x'.repeat(600_000) }],
  ])('is none with %s', (_, envelope) => {
    expect(readMessage(forged(envelope)).status).toBe('bad');
  });

  it('takes nothing from an envelope but what it knows', () => {
    const read = readMessage(
      forged({ from: 'a@b.example', to, notify: ['delay'], uid: 0, requireTls: true }),
    );
    expect(read).toMatchObject({
      status: 'ok',
      message: { envelope: { from: 'a@b.example', to, notify: ['delay'] } },
    });
    expect(JSON.stringify(read)).not.toMatch(/uid|requireTls/u);
  });

  it('does not fail on anything', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => void readMessage(octets)));
  });
});
