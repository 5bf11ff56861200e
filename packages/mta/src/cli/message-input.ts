/** Reads the message that is to be sent, from a file or from standard input, within a bound. */
import { open } from 'node:fs/promises';
import { CommandError, EXIT } from './exit.js';
import { fileErrorText } from './network-options.js';
import type { Io } from './terminal.js';

/** What large providers accept at most is 25 to 50 MB; a message is held in memory whole. */
export const MAX_MESSAGE_OCTETS = 50 * 1024 * 1024;

/** Read at a time. */
const PIECE_OCTETS = 64 * 1024;

/**
 * @param file a file name; `-` or undefined for standard input
 * @throws CommandError: 66 where it can't be read, 65 where it is longer than the bound
 */
export async function readMessageInput(file: string | undefined, io: Io): Promise<Uint8Array> {
  const source = file === undefined || file === '-' ? 'standard input' : file;
  const parts: Uint8Array[] = [];
  let octets = 0;
  for await (const part of pieces(file, io)) {
    octets += part.length;
    if (octets > MAX_MESSAGE_OCTETS) {
      throw new CommandError(
        EXIT.DATA,
        `${source}: the message is longer than ${MAX_MESSAGE_OCTETS} octets; hardly a server takes more`,
      );
    }
    parts.push(part);
  }
  return Buffer.concat(parts, octets);
}

async function* pieces(file: string | undefined, io: Io): AsyncGenerator<Uint8Array> {
  try {
    if (file === undefined || file === '-') {
      for await (const part of io.stdin) yield typeof part === 'string' ? Buffer.from(part) : part;
    } else {
      yield* filePieces(file, io.signal);
    }
  } catch (error) {
    if (io.signal.aborted) throw error;
    const reason = `${fileErrorText(error)}${hint(file)}`;
    throw new CommandError(EXIT.NO_INPUT, `can't read ${file ?? 'standard input'}: ${reason}`);
  }
}

/** By hand, because a stream costs more to set up than a short message to read. */
async function* filePieces(file: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const handle = await open(file);
  try {
    while (true) {
      signal.throwIfAborted();
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(PIECE_OCTETS), 0, PIECE_OCTETS);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/** `-t a b` reads naturally and means a file called b. */
function hint(file: string | undefined): string {
  return file?.includes('@') ? '; give -t again before each further recipient' : '';
}
