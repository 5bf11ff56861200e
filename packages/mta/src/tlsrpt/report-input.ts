/**
 * Where a report is: in a JSON file, in a compressed one, or attached to a mail (RFC 8460 sections 5.2 and
 * 5.3).
 *
 * A few kilobytes of gzip can become gigabytes; decompression ends at the bound.
 */
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { MAX_REPORT_OCTETS, ReportError } from './report-reader.js';

/** Reports attached to one mail that are read; there should be one. */
const MAX_ATTACHED = 10;

export interface FoundReports {
  /** Uncompressed. */
  readonly reports: readonly Uint8Array[];
  /** What is to be said about the mail; empty for files. */
  readonly notes: readonly string[];
}

/** @throws (rejects) ReportError where there is none */
export async function findReports(octets: Uint8Array): Promise<FoundReports> {
  if (isGzip(octets)) return { reports: [await decompress(octets)], notes: [] };
  const first = Buffer.from(octets.subarray(0, 100))
    .toString('latin1')
    .replace(/^\xef\xbb\xbf/u, '')
    .trimStart();
  if (first.startsWith('{')) return { reports: [octets], notes: [] };
  return await attached(octets);
}

/** Section 6.5: "The first two bytes are 0x1f, 0x8b". */
const isGzip = (octets: Uint8Array): boolean => octets[0] === 0x1f && octets[1] === 0x8b;

async function decompress(octets: Uint8Array): Promise<Uint8Array> {
  try {
    return await promisify(gunzip)(octets, { maxOutputLength: MAX_REPORT_OCTETS });
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    throw new ReportError(
      code === 'ERR_BUFFER_TOO_LARGE'
        ? `it is larger than ${MAX_REPORT_OCTETS} octets when it is decompressed`
        : `it can't be decompressed: ${words}`,
    );
  }
}

/** The media types of sections 6.4 and 6.5; and names, for those who send another type. */
const TYPES: ReadonlySet<string> = new Set(['application/tlsrpt+gzip', 'application/tlsrpt+json']);
const NAMES = /\.json(?:\.gz)?$/iu;

async function attached(octets: Uint8Array): Promise<FoundReports> {
  const { default: PostalMime } = await import('postal-mime');
  let email: Awaited<ReturnType<typeof PostalMime.parse>>;
  try {
    email = await PostalMime.parse(octets);
  } catch (error) {
    throw new ReportError(
      `it is no mail that can be read: ${error instanceof Error ? error.message : error}`,
    );
  }
  const parts = email.attachments.filter(
    ({ mimeType, filename }) => TYPES.has(mimeType) || (filename !== null && NAMES.test(filename)),
  );
  if (parts.length === 0) {
    throw new ReportError('it is neither JSON, nor gzip, nor a mail with a TLS report attached');
  }
  const reports: Uint8Array[] = [];
  for (const { content } of parts.slice(0, MAX_ATTACHED)) {
    const bytes = typeof content === 'string' ? Buffer.from(content) : new Uint8Array(content);
    reports.push(isGzip(bytes) ? await decompress(bytes) : bytes);
  }
  const isSigned = email.headers.some(({ key }) => key === 'dkim-signature');
  const notes = isSigned
    ? []
    : ['the mail has no DKIM signature: RFC 8460 section 3 has it ignored, as anybody may have made it'];
  return { reports, notes };
}
