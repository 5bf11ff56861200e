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
import { readHeader } from '../acceptance/header-section.js';
import type { Dkim } from '../dkim/dkim.js';
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
  readonly dkim: Pick<Dkim, 'sign'>;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * Builds and signs. Undefined where there is no key for the author's domain: "Reports lacking such a
 * signature MUST be ignored by the recipient" (section 3), so none leaves.
 */
export async function buildReportMail(input: MailInput): Promise<ReportMail | undefined> {
  const { contact, from = contact, to, domain, day, reportId, compressed, now } = input;
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
  const built = await root.build();
  const header = readHeader(built);
  if (header === undefined) return undefined;
  const body = built.subarray(header.bodyStart);
  const signatures = await input.dkim.sign({ fields: header.fields, body, time: now });
  if (signatures === '') return undefined;
  return { envelope: { from, to: [to] }, content: Buffer.concat([Buffer.from(signatures), built]) };
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
