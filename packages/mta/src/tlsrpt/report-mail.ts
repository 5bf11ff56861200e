/**
 * A report as a mail (RFC 8460 section 5.3): `multipart/report` with a part for people and the report, signed
 * with DKIM.
 *
 * A mail with a report goes out whatever becomes of TLS ("Sending MTAs MUST deliver reports despite any
 * TLS-related failures"): it may be about them. `TLS-Required: No` (RFC 8689) asks the same of every relay on
 * its way. And it is not counted itself ("SHOULD NOT include this SMTP session in the next report"), or two
 * sites that report to each other would do so for ever: `isTlsReport` knows such mail.
 *
 * The sender of the envelope is not null: RFC 5321 section 4.5.5 keeps that for notifications about messages.
 * Nothing answers a bounce here, so there is no loop.
 */
import MimeNode from 'nodemailer/lib/mime-node';
import { type DkimKey, signDkim } from './dkim.js';
import { type ReportInput, reportFilename, submitterDomain } from './report.js';

export interface ReportMail {
  readonly envelope: { readonly from: string; readonly to: readonly string[] };
  /** With CRLF line ends. */
  readonly content: Uint8Array;
}

export interface MailInput extends ReportInput {
  /** The author's mailbox; `contact` where it is left out. Bounces go there. */
  readonly from?: string | undefined;
  readonly to: string;
  readonly compressed: Uint8Array;
  readonly keys: readonly DkimKey[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Section 5.3: the report's own fields "SHOULD be included in the DKIM signature". */
const SIGNED_FIELDS = [
  'From',
  'To',
  'Subject',
  'Date',
  'Message-ID',
  'MIME-Version',
  'Content-Type',
  'TLS-Report-Domain',
  'TLS-Report-Submitter',
  'TLS-Required',
];

/** Builds and signs. @throws TypeError without a key: unsigned, it "MUST be ignored by the recipient" */
export async function buildReportMail(input: MailInput): Promise<ReportMail> {
  const { contact, from = contact, to, domain, day, reportId, compressed, keys, now } = input;
  if (keys.length === 0)
    throw new TypeError('a TLS report by mail must be signed with DKIM, and there is no key');
  const submitter = submitterDomain(input);
  const root = new MimeNode('multipart/report; report-type=tlsrpt', {
    disableFileAccess: true,
    disableUrlAccess: true,
    hostname: submitter,
    newline: 'win',
    // As the RFC writes them.
    normalizeHeaderKey: (key) => key.replace(/^Tls-/u, 'TLS-'),
    baseBoundary: reportId.replace(/[^A-Za-z0-9]/gu, '').slice(0, 40),
  });
  root.setHeader('From', from);
  root.setHeader('To', to);
  // Folded where the ABNF has FWS; each part is short enough.
  const subject = `Report Domain: ${domain}\r\n Submitter: ${submitter}\r\n Report-ID: <${reportId}>`;
  root.setHeader('Subject', { prepared: true, value: subject });
  root.setHeader('Date', new Date(now).toUTCString().replace(/GMT$/u, '+0000'));
  root.setHeader('Message-ID', `<${reportId}>`);
  root.setHeader('TLS-Report-Domain', domain);
  root.setHeader('TLS-Report-Submitter', submitter);
  root.setHeader('TLS-Required', 'No');
  // RFC 3834 section 5: nobody is to answer by machine.
  root.setHeader('Auto-Submitted', 'auto-generated');
  root
    .createChild('text/plain; charset=us-ascii')
    .setContent(
      `This is an aggregate TLS report (RFC 8460) from ${submitter} about mail to\r\n` +
        `${domain} on ${day} (UTC). The attachment is JSON, compressed with gzip.\r\n`,
    );
  const attachment = root.createChild('application/tlsrpt+gzip', { filename: reportFilename(input) });
  attachment.setHeader('Content-Disposition', 'attachment');
  attachment.setHeader('Content-Transfer-Encoding', 'base64');
  attachment.setContent(Buffer.from(compressed));
  let content: Buffer = await root.build();
  for (const key of keys) content = signDkim(content, SIGNED_FIELDS, key, now);
  return { envelope: { from, to: [to] }, content };
}

/** Octets of a message that are looked at; header fields of a report come first. */
const MAX_HEADER = 64 * 1024;

/** Whether a message carries a TLS report: sessions that carry one are not counted (RFC 8460 section 3). */
export function isTlsReport(content: Uint8Array): boolean {
  const text = Buffer.from(content.subarray(0, MAX_HEADER)).toString('latin1');
  const end = /\r?\n\r?\n/u.exec(text)?.index ?? text.length;
  const fields = text
    .slice(0, end)
    .replace(/\r?\n[ \t]+/gu, ' ')
    .split(/\r?\n/u);
  return fields.some((field) => REPORT_FIELD.test(field));
}

const REPORT_FIELD = new RegExp(
  '^(?:TLS-Report-Domain[ \\t]*:|' +
    'Content-Type[ \\t]*:[ \\t]*multipart/report\\b.*;[ \\t]*report-type[ \\t]*=[ \\t]*"?tlsrpt\\b)',
  'iu',
);
