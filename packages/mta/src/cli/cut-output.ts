/**
 * Output that is worth nothing, or is taken for more than it is, where its reader went away before its end: a backup, the results
 * of a survey. Listings are not of that kind: who says `| head` has seen what he wanted.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { CommandError, EXIT } from './exit.js';
import type { Io } from './terminal.js';

/** @throws CommandError (74) where nobody reads any more */
export function refuseCutOutput({ readerGone }: Io, words: string): void {
  if (readerGone?.aborted) throw new CommandError(EXIT.OUTPUT, words);
}

/** After the last write: that it failed is known only in the next turn of the event loop. @throws (rejects) CommandError (74) */
export async function refuseCutEnd(io: Io, words: string): Promise<void> {
  await turn();
  refuseCutOutput(io, words);
}
