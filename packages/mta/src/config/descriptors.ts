/**
 * How many connections a process can have: each takes a file descriptor, and so do threads, DNS queries, the queue's
 * files and the log. Node.js has raised the limit as far as the system lets it (`ulimit -Hn`, `LimitNOFILE`) when it
 * starts.
 */
import { readFileSync } from 'node:fs';

/**
 * What is no connection to or from a mail server: DNS queries, which have a socket each, clients that are being turned
 * away, the queue's files, threads.
 */
export const OTHER_DESCRIPTORS = 300;
/** Connections each way where there is hardly a descriptor: a relay with fewer is none. */
const LEAST = 20;
const MOST_INCOMING = 1000;
const MOST_OUTGOING = 500;

export interface ConnectionDefaults {
  readonly incoming: number;
  readonly outgoing: number;
}

/** @param descriptors undefined where nobody knows, or there is no limit */
export function connectionDefaults(descriptors: number | undefined): ConnectionDefaults {
  const room = (descriptors ?? Number.POSITIVE_INFINITY) - OTHER_DESCRIPTORS;
  const outgoing = Math.max(LEAST, Math.min(MOST_OUTGOING, Math.floor(room / 2)));
  const incoming = Math.max(LEAST, Math.min(MOST_INCOMING, room - outgoing));
  return { incoming, outgoing };
}

/** Of this process; undefined where the system does not say, or sets none. */
export function descriptorLimit(): number | undefined {
  let limits: string;
  try {
    limits = readFileSync('/proc/self/limits', 'latin1'); // Linux
  } catch {
    return undefined;
  }
  const soft = /^Max open files\s+(\d+)\s/mu.exec(limits)?.[1];
  return soft === undefined ? undefined : Number(soft);
}
