/** The delivery status notifications that come of a try (RFC 3461), for the queue. */

import type { Dkim } from '../dkim/dkim.js';
import { signMessage } from '../dkim/sign-message.js';
import { type DsnRecipient, makeDsns } from '../dsn/dsn.js';
import { actionOfHandover } from '../dsn/dsn-due.js';
import { needsSevenBits, sevenBitReport } from '../dsn/seven-bit-report.js';
import type { Claim, NewMessage } from '../queue/queue.js';
import { makeQueueId } from '../queue/queue-id.js';
import type { Report } from './settlement.js';

export interface ReportWriterOptions {
  readonly hostname: string;
  readonly clock: () => number;
  /** Gives that many random octets. */
  readonly random: (octets: number) => Uint8Array;
  /** Signs what we write ourselves, where there is a key for our own name. */
  readonly dkim: Dkim | undefined;
}

export type ReportWriter = (
  claim: Claim,
  reports: readonly Report[],
  body: () => Promise<Uint8Array | undefined>,
) => Promise<readonly NewMessage[]>;

export function reportWriter({ hostname, clock, random, dkim }: ReportWriterOptions): ReportWriter {
  const reportAgain: ReportWriter = async (claim, reports, body) => {
    const outcomes = reports.map(({ outcome }) => outcome);
    const octets = needsSevenBits(claim, outcomes) ? await body() : undefined;
    if (octets === undefined) return [];
    const now = clock();
    const again = sevenBitReport(claim, octets, { id: makeQueueId(now, random), now });
    return again === undefined ? [] : [await signMessage(again, dkim)];
  };
  return async (claim, reports, body) => {
    const { id, envelope } = claim;
    // Nobody is told of the null sender's messages (RFC 3461 section 5.2), and most of success is not asked for.
    if (envelope.from === '') return await reportAgain(claim, reports, body);
    const wanted: DsnRecipient[] = [];
    for (const { recipient, outcome, action, expired, willRetryUntil } of reports) {
      const told = action === 'delivered' ? actionOfHandover(outcome) : action;
      const { notify } = recipient;
      if (told === undefined || notify === 'never' || (told === 'relayed' && notify === undefined)) continue;
      wanted.push({ recipient, action: told, outcome, expired, willRetryUntil });
    }
    if (wanted.length === 0) return [];
    const now = clock();
    const input = { envelope, originalId: id, recipients: wanted, body: await body(), hostname, now };
    const reportsDue = makeDsns(input, () => makeQueueId(now, random));
    return await Promise.all(reportsDue.map((message) => signMessage(message, dkim)));
  };
}
