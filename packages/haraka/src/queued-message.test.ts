import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { readMessage } from './queued-message.js';

const text = (octets: Uint8Array): string => Buffer.from(octets).toString('latin1');

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
