/**
 * A word to whoever waits: one line on standard error where that is a terminal, gone when the work is done.
 */
import { printableWithin } from './printable.js';
import { type Io, widthOf } from './terminal.js';

/** Milliseconds. What is faster needs no comment. */
const PATIENCE = 1000;

export const ERASE_LINE = '\r\u001b[2K';

/** @param work may tell how far it has come */
export async function withProgress<T>(
  io: Io,
  text: string,
  work: (tell: (text: string) => void) => Promise<T>,
): Promise<T> {
  if (io.stderr.isTTY !== true) return await work(() => {});
  let latest = text;
  let shown = false;
  const show = (): void => {
    io.stderr.write(`${shown ? ERASE_LINE : ''}${printableWithin(latest, widthOf(io.stderr) - 1)}`);
    shown = true;
  };
  const timer = setTimeout(show, PATIENCE);
  try {
    return await work((words) => {
      latest = words;
      if (shown) show();
    });
  } finally {
    clearTimeout(timer);
    if (shown) io.stderr.write(ERASE_LINE);
  }
}
