import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { readMessage, withoutStuffing } from './queued-message.js';

const text = (octets: Uint8Array): string => Buffer.from(octets).toString('latin1');

describe('withoutStuffing', () => {
  it.each([
    ['a doubled dot at the start of a line', 'a\r\n..b\r\n', 'a\r\n.b\r\n'],
    ['a line that is two dots', 'a\r\n..\r\nb\r\n', 'a\r\n.\r\nb\r\n'],
    ['three dots, one of them added', '...\r\n', '..\r\n'],
    ['dots within a line stay', 'a..b\r\n. c..\r\n', 'a..b\r\n c..\r\n'],
    ['the very first line', '..x', '.x'],
    ['nothing', '', ''],
  ])('%s (RFC 5321 section 4.5.2)', (_, stuffed, plain) => {
    expect(text(withoutStuffing(Buffer.from(stuffed, 'latin1')))).toBe(plain);
  });

  it('keeps octets above 127', () => {
    expect(text(withoutStuffing(Buffer.from('\xe9\r\n..\xff\r\n', 'latin1')))).toBe('\xe9\r\n.\xff\r\n');
  });
});

describe('readMessage', () => {
  it('finds a line across two chunks', async () => {
    const stream = Readable.from([Buffer.from('Subject: x\r\n\r\na\r\n.'), Buffer.from('.b\r\n')]);
    const read = await readMessage(stream, new AbortController().signal);
    expect(read).toMatchObject({ status: 'ok' });
    if (read.status === 'ok') expect(text(read.message.octets)).toBe('Subject: x\r\n\r\na\r\n.b\r\n');
  });

  it('rejects with the reason when it is stopped', async () => {
    const stop = new AbortController();
    stop.abort(new Error('shutdown'));
    await expect(readMessage(Readable.from([Buffer.from('x')]), stop.signal)).rejects.toThrow('shutdown');
  });

  it('says what is wrong with a message that must not be sent', async () => {
    const stream = Readable.from([Buffer.from('Subject: x\r\n\r\nbare\rhere\r\n')]);
    expect(await readMessage(stream, new AbortController().signal)).toMatchObject({ status: 'malformed' });
  });
});
