import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CommandError } from './exit.js';
import { MAX_MESSAGE_OCTETS, readMessageInput } from './message-input.js';
import type { Io } from './terminal.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'danelaw-'));
});
afterEach(() => rm(directory, { recursive: true }));

function ioWith(stdin: Iterable<Uint8Array | string>): Io {
  const output = { write: () => true };
  const input = (async function* () {
    yield* stdin;
  })();
  return { stdout: output, stderr: output, stdin: input, env: {}, signal: new AbortController().signal };
}

async function refusal(work: Promise<unknown>): Promise<{ exitCode: number; message: string }> {
  try {
    await work;
  } catch (error) {
    if (error instanceof CommandError) return { exitCode: error.exitCode, message: error.message };
    throw error;
  }
  throw new Error('it was accepted');
}

describe('readMessageInput', () => {
  it.each([undefined, '-'])('reads standard input where the file is %s', async (file) => {
    const read = await readMessageInput(file, ioWith([Buffer.from('A: b\n'), '\nc\n']));
    expect(Buffer.from(read).toString()).toBe('A: b\n\nc\n');
  });

  it('reads a file octet by octet', async () => {
    const octets = Uint8Array.from({ length: 200_000 }, (_, i) => i % 256);
    const file = join(directory, 'message');
    await writeFile(file, octets);
    expect(Buffer.compare(await readMessageInput(file, ioWith([])), octets)).toBe(0);
  });

  it('ends with 66 where the file is not there, or a directory', async () => {
    const missing = await refusal(readMessageInput(join(directory, 'no'), ioWith([])));
    expect(missing).toEqual({ exitCode: 66, message: expect.stringContaining('there is no such file') });
    const folder = await refusal(readMessageInput(directory, ioWith([])));
    expect(folder).toEqual({ exitCode: 66, message: expect.stringContaining('it is a directory') });
  });

  it('guesses what was meant by a file with an at sign', async () => {
    const { message } = await refusal(readMessageInput('b@example.org', ioWith([])));
    expect(message).toContain('give -t again before each further recipient');
  });

  it('stops reading at the bound, with 65', async () => {
    let given = 0;
    const endless = (function* () {
      const mebioctet = new Uint8Array(1024 * 1024);
      while (true) {
        given += mebioctet.length;
        yield mebioctet;
      }
    })();
    const { exitCode, message } = await refusal(readMessageInput('-', ioWith(endless)));
    expect(exitCode).toBe(65);
    expect(message).toContain(`longer than ${MAX_MESSAGE_OCTETS} octets`);
    expect(given).toBeLessThanOrEqual(MAX_MESSAGE_OCTETS + 2 * 1024 * 1024);
  });
});
