/** Where a domain wants its reports: the TXT look-up at `_smtp._tls.DOMAIN` (RFC 8460 section 3). */
import { isAnswered, type Resolver } from '@danelaw/dns';
import { readTlsRptRecord, type TlsRptRecord } from './record.js';

/** Octets of a name in text (RFC 1035 section 2.3.4). */
const MAX_NAME = 253;

/** Rejects only when `signal` aborts. A look-up that failed says nothing: it is to be tried again. */
export async function discoverTlsRpt(
  resolver: Pick<Resolver, 'resolve'>,
  domain: string,
  signal?: AbortSignal,
): Promise<TlsRptRecord | { readonly status: 'failed'; readonly reason: string }> {
  const name = `_smtp._tls.${domain}`;
  if (name.length > MAX_NAME) return { status: 'none' };
  const lookup = await resolver.resolve(name, 'TXT', signal === undefined ? {} : { signal });
  if (!isAnswered(lookup)) {
    return {
      status: 'failed',
      reason: `the TXT look-up of ${name} failed (${lookup.status}): ${lookup.reason}`,
    };
  }
  // "multiple strings ... MUST be treated as if those strings are concatenated without adding spaces".
  return readTlsRptRecord(
    lookup.records.flatMap(({ data }) =>
      data.type === 'TXT' ? [Buffer.concat(data.strings).toString('latin1')] : [],
    ),
  );
}
