/**
 * What came of a load: judged from both ends, by what clients were told and by what servers said that they have.
 */
import type { Receipt, RecordingServer } from '../packages/mta/test/recording-server.js';
import type { RelayProcess } from '../packages/mta/test/relay-process.js';
import type { Load } from './load.js';

/** Until everything that was acknowledged is there, or nothing has come for long. */
export async function arrival(
  servers: readonly RecordingServer[],
  load: Load,
  relays: readonly RelayProcess[],
): Promise<void> {
  let before = -1;
  let still = 0;
  for (;;) {
    const arrived = new Set(servers.flatMap(({ receipts }) => receipts.map(({ number }) => Number(number))));
    if ([...load.acknowledged].every((number) => arrived.has(number))) break;
    still = arrived.size === before ? still + 1 : 0;
    before = arrived.size;
    if (still > 60) {
      for (const { lines } of relays) console.log(lines.slice(-40).join('\n'));
      return;
    }
    await sleep(500);
  }
  // What is still under way may be a second copy.
  await sleep(3000);
}

export interface Verdict {
  /** Acknowledged, and never delivered. */
  readonly lost: readonly number[];
  /** Delivered twice, though the first time was not the last message of a connection that broke. */
  readonly unexplained: readonly string[];
  /** Delivered, and never handed in. */
  readonly unknown: readonly string[];
  readonly numbers: Readonly<Record<string, number>>;
}

export function judge(servers: readonly RecordingServer[], load: Load): Verdict {
  const byNumber = new Map<string, { receipt: Receipt; server: RecordingServer }[]>();
  for (const server of servers) {
    for (const receipt of server.receipts) {
      const list = byNumber.get(receipt.number) ?? [];
      list.push({ receipt, server });
      byNumber.set(receipt.number, list);
    }
  }
  const unexplained: string[] = [];
  let twice = 0;
  for (const [number, receipts] of byNumber) {
    // All copies but one must have been in doubt on our side, or on the client's.
    const certain = receipts.filter(({ receipt, server }) => !isInDoubt(receipt, server));
    if (receipts.length > 1) twice += 1;
    if (certain.length > 1) unexplained.push(`${number}: ${receipts.map(wordsOf).join('; ')}`);
  }
  const lost = [...load.acknowledged].filter((number) => !byNumber.has(String(number)));
  const known = (number: string): boolean =>
    load.acknowledged.has(Number(number)) || load.inDoubt.has(Number(number));
  const unknown = [...byNumber.keys()].filter((number) => !known(number));
  const numbers = {
    acknowledged: load.acknowledged.size,
    inDoubtAtTheClient: load.inDoubt.size,
    delivered: byNumber.size,
    twice,
    connections: servers.reduce((sum, { connections }) => sum + connections, 0),
  };
  return { lost, unexplained, unknown, numbers };
}

/** Where and when a copy came: what is needed to find it in the log. */
function wordsOf({ receipt, server }: { receipt: Receipt; server: RecordingServer }): string {
  const { connection, place, time } = receipt;
  const end = server.quit.has(connection) ? 'ended with QUIT' : 'broke off';
  const of = `message ${place + 1} of ${server.counts.get(connection)}`;
  return `${of} on connection ${connection}, which ${end}, at ${new Date(time).toISOString()}`;
}

/** It was the last message on a connection that did not end with QUIT. */
function isInDoubt({ connection, place }: Receipt, server: RecordingServer): boolean {
  return !server.quit.has(connection) && place === (server.counts.get(connection) ?? 0) - 1;
}

export const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));
