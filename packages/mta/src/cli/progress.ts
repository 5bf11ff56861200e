/**
 * A word to whoever waits: one line on standard error where that is a terminal, gone when the work is done.
 */
import { printableWithin } from './printable.js';
import { type Io, widthOf } from './terminal.js';

/** Milliseconds. What is faster needs no comment. */
const PATIENCE = 1000;

export const ERASE_LINE = '\r\u001b[2K';

export async function withProgress<T>(io: Io, text: string, work: () => Promise<T>): Promise<T> {
  if (io.stderr.isTTY !== true) return await work();
  let shown = false;
  const timer = setTimeout(() => {
    shown = true;
    io.stderr.write(printableWithin(text, widthOf(io.stderr) - 1));
  }, PATIENCE);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
    if (shown) io.stderr.write(ERASE_LINE);
  }
}
