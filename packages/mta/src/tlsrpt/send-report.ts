/** One report on its way: found where it is wanted, built, and handed to every address there. */
import type { Resolver } from '@danelaw/dns';
import type { Dkim } from '../dkim/dkim.js';
import { discoverTlsRpt } from './discover.js';
import { type PostOptions, postReport, type Sent } from './post.js';
import type { Destination } from './record.js';
import { buildReport, compress, type ReportInput, type Submitter } from './report.js';
import { buildReportMail, type ReportMail } from './report-mail.js';

export interface Delivering extends Submitter {
  readonly resolver: Resolver;
  /** The author of reports by mail; `contact` where it is left out. */
  readonly from?: string | undefined;
  /**
   * Signs what goes by mail. Without a key for the author's domain reports go by HTTPS alone: unsigned mail
   * "MUST be ignored by the recipient" (section 3).
   */
  readonly dkim: Pick<Dkim, 'sign'>;
  /** Takes a mail; TLS failures must not stop it (section 5.3). */
  readonly submit: (mail: ReportMail, signal: AbortSignal) => Promise<Sent>;
  readonly post?: Pick<PostOptions, 'connect' | 'roots' | 'timeout'>;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
}

export type SendOutcome = { readonly status: 'no-record'; readonly words: string } | Sent;

/**
 * Sends one report.
 *
 * @param before is awaited when it is certain that something will be sent, and before it is
 * @throws (rejects) when `signal` aborts, or `before` does
 */
export async function sendReport(
  report: Pick<ReportInput, 'domain' | 'day' | 'reportId' | 'cells'>,
  { resolver, ...delivering }: Delivering,
  before: () => Promise<void>,
  signal: AbortSignal,
): Promise<SendOutcome> {
  const found = await discoverTlsRpt(resolver, report.domain, signal);
  switch (found.status) {
    case 'none':
      return { status: 'no-record', words: `_smtp._tls.${report.domain} has no TLSRPT record` };
    case 'invalid':
      return { status: 'no-record', words: `_smtp._tls.${report.domain}: ${found.reason}` };
    case 'failed':
      return { status: 'failed', permanent: false, words: found.reason };
    case 'record':
      break;
    default: {
      const never: never = found;
      return never;
    }
  }
  const { organization, contact } = delivering;
  const input: ReportInput = { ...report, organization, contact };
  const compressed = await compress(buildReport(input));
  await before();
  const sent: Sent[] = [];
  // "the reporter MAY attempt to deliver to each"; it is delivered when one of them has it.
  for (const destination of found.destinations) {
    sent.push(await sendTo(destination, input, compressed, { resolver, ...delivering }, signal));
  }
  const accepted = sent.filter(({ status }) => status === 'accepted');
  const words = sent.map((each) => each.words).join('; ');
  if (accepted.length > 0) return { status: 'accepted', words };
  const permanent = sent.every((each) => each.status === 'failed' && each.permanent);
  return { status: 'failed', permanent, words };
}

async function sendTo(
  destination: Destination,
  input: ReportInput,
  compressed: Uint8Array,
  { resolver, from, dkim, submit, post, clock }: Delivering,
  signal: AbortSignal,
): Promise<Sent> {
  switch (destination.kind) {
    case 'https':
      return await postReport(destination.url, compressed, { ...post, resolver, clock, signal });
    case 'mailto': {
      const to = destination.mailbox;
      const mail = await buildReportMail({ ...input, from, to, compressed, dkim, now: clock() });
      if (mail === undefined) {
        const words = `${to}: not sent, as there is no DKIM key (RFC 8460 section 3)`;
        return { status: 'failed', permanent: true, words };
      }
      return await submit(mail, signal);
    }
    default: {
      const never: never = destination;
      return never;
    }
  }
}
