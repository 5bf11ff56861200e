/**
 * Reads a password: from a pipe its first line, from a terminal what a person types, twice and without
 * showing it.
 */
import { CommandError, EXIT } from './exit.js';
import type { Io } from './terminal.js';

/** Octets; AUTH lines end at 12,288, and nobody types that much. */
const MAX_PASSWORD = 1024;

/** @throws CommandError: 65 where it can't be used, 130 where the person has given up */
export async function readPassword(io: Io): Promise<string> {
  const password = io.stdin.isTTY === true ? await typed(io) : await firstLine(io);
  if (password === '') throw new CommandError(EXIT.DATA, 'the password is empty');
  if (Buffer.byteLength(password) > MAX_PASSWORD) {
    throw new CommandError(EXIT.DATA, `the password is longer than ${MAX_PASSWORD} octets`);
  }
  if (/\p{Cc}/u.test(password)) {
    throw new CommandError(EXIT.DATA, 'the password has a control character in it');
  }
  return password;
}

/** One that is known already, and so is typed once: from a terminal. */
export async function askPassword(io: Io, prompt: string): Promise<string> {
  const keys = keysOf(io);
  io.stdin.setRawMode?.(true);
  try {
    return await oneLine(io, keys, prompt);
  } finally {
    io.stdin.setRawMode?.(false);
    await keys.return(undefined);
  }
}

async function firstLine(io: Io): Promise<string> {
  const parts: Buffer[] = [];
  let octets = 0;
  for await (const part of io.stdin) {
    parts.push(Buffer.from(part));
    octets += part.length;
    // A line may end in two octets, and what is longer is refused anyway.
    if (octets > MAX_PASSWORD + 2) break;
  }
  return Buffer.concat(parts).toString('utf8').split(/\r?\n/, 1)[0] ?? '';
}

async function typed(io: Io): Promise<string> {
  const keys = keysOf(io);
  io.stdin.setRawMode?.(true);
  try {
    const first = await oneLine(io, keys, 'Password: ');
    const second = await oneLine(io, keys, 'Again: ');
    if (first !== second) throw new CommandError(EXIT.DATA, 'the two are not the same');
    return first;
  } finally {
    io.stdin.setRawMode?.(false);
    // A terminal that is still listened to would keep the program running.
    await keys.return(undefined);
  }
}

async function* keysOf(io: Io): AsyncGenerator<string, undefined> {
  // What is typed comes in whole characters, but for long pastes.
  const decoder = new TextDecoder();
  for await (const part of io.stdin) {
    yield* typeof part === 'string' ? part : decoder.decode(part, { stream: true });
  }
}

async function oneLine(io: Io, keys: AsyncGenerator<string, undefined>, prompt: string): Promise<string> {
  io.stderr.write(prompt);
  let line: string[] = [];
  for (;;) {
    const { value: key } = await keys.next();
    switch (key) {
      case undefined:
      case '\r':
      case '\n':
      case '\u0004':
        io.stderr.write('\n');
        return line.join('');
      case '\u0003':
        io.stderr.write('\n');
        throw new CommandError(EXIT.INTERRUPTED, 'interrupted');
      case '\b':
      case '\u007f':
        line.pop();
        break;
      case '\u0015':
        line = [];
        break;
      default:
        line.push(key);
    }
  }
}
