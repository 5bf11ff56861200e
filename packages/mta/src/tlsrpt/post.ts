/**
 * A report by HTTPS: one POST (RFC 8460 section 5.4).
 *
 * The address of the server comes from DNS as our resolver validates it, its certificate must lead to a root
 * of ours and have its name. Section 3 would let a sender ignore that; we don't, because the domain chooses
 * the URL, and the certificate is what keeps it from naming a machine inside our own network. Nothing is
 * followed elsewhere, and addresses, time and headers are bounded; what the server says in its body is not
 * read.
 */
import { isIPv6 } from 'node:net';
import { type Roots, secureSocket } from '@danelaw/dane';
import { isAnswered, type Resolver } from '@danelaw/dns';
import { type Connect, connectTcp, type Target } from '@danelaw/smtp';

/** Milliseconds for the whole POST. */
const POST_TIMEOUT = 60_000;
/** Addresses of a server that are tried. */
const MAX_ADDRESSES = 4;
/** Octets of response headers. */
const MAX_HEADER_OCTETS = 16_384;

export interface PostOptions {
  readonly resolver: Resolver;
  /** Opens the TCP connection. */
  readonly connect?: Connect | undefined;
  /** The Web's roots where it is left out. */
  readonly roots?: Roots | undefined;
  /** Milliseconds since the epoch: when the certificate must be valid. */
  readonly clock: () => number;
  /** Milliseconds. */
  readonly timeout?: number | undefined;
  readonly signal: AbortSignal;
}

export type Sent =
  | { readonly status: 'accepted'; readonly words: string }
  /** `permanent`: trying the same again is of no use. */
  | { readonly status: 'failed'; readonly permanent: boolean; readonly words: string };

/** Posts a compressed report. Rejects only when `signal` aborts. */
export async function postReport(url: URL, report: Uint8Array, options: PostOptions): Promise<Sent> {
  const { timeout = POST_TIMEOUT } = options;
  const deadline = AbortSignal.timeout(timeout);
  const stop = AbortSignal.any([options.signal, deadline]);
  const later = (words: string): Sent => ({
    status: 'failed',
    permanent: false,
    words: `${url.host}: ${words}`,
  });
  try {
    let last = later('it has no address');
    for (const target of await addressesOf(url, options.resolver, stop)) {
      try {
        const status = await post(url, target, report, options, stop);
        return judge(url, status);
      } catch (error) {
        stop.throwIfAborted();
        last = later(`[${target.address}] ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    return last;
  } catch (error) {
    options.signal.throwIfAborted();
    if (deadline.aborted) return later(`no answer within ${timeout / 1000} s`);
    return later(error instanceof Error ? error.message : String(error));
  }
}

/** "Other codes could indicate a delivery failure and may be retried as per local sender policy". */
function judge({ host }: URL, status: number): Sent {
  const words = `${host} answered with HTTP status ${status}`;
  if (status >= 200 && status < 300) return { status: 'accepted', words };
  const passing = status >= 500 || status === 408 || status === 429;
  return { status: 'failed', permanent: !passing, words };
}

async function addressesOf(
  { hostname, port }: URL,
  resolver: Resolver,
  signal: AbortSignal,
): Promise<Target[]> {
  const [v6, v4] = await Promise.all([
    resolver.resolve(hostname, 'AAAA', { signal }),
    resolver.resolve(hostname, 'A', { signal }),
  ]);
  if (!isAnswered(v6) && !isAnswered(v4))
    throw new Error(`its addresses could not be looked up: ${v4.reason}`);
  const addresses = [v6, v4].flatMap((lookup) =>
    isAnswered(lookup)
      ? lookup.records.flatMap(({ data }) =>
          data.type === 'A' || data.type === 'AAAA' ? [data.address] : [],
        )
      : [],
  );
  return addresses
    .slice(0, MAX_ADDRESSES)
    .map((address) => ({ address, family: isIPv6(address) ? 6 : 4, port: Number(port || 443) }));
}

/** The status of the response. */
async function post(
  url: URL,
  target: Target,
  report: Uint8Array,
  { connect = connectTcp, roots, clock }: PostOptions,
  signal: AbortSignal,
): Promise<number> {
  const plain = connect(target);
  const destroy = (): void => void plain.destroy();
  signal.addEventListener('abort', destroy, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      if (plain.readyState === 'open') resolve();
      plain.once('connect', resolve).once('error', reject);
      plain.once('close', () => reject(new Error('the connection was ended')));
    });
    const trust = {
      by: 'pkix',
      serverName: url.hostname,
      ...(roots === undefined ? {} : { roots }),
    } as const;
    const { socket } = await secureSocket(plain, { trust, clock, signal, alpn: ['http/1.1'] });
    const { request } = await import('node:http');
    return await new Promise<number>((resolve, reject) => {
      const sent = request({
        createConnection: () => socket,
        method: 'POST',
        path: `${url.pathname}${url.search}`,
        headers: {
          host: url.host,
          'user-agent': 'danelaw',
          'content-type': 'application/tlsrpt+gzip',
          'content-length': report.length,
          connection: 'close',
        },
        maxHeaderSize: MAX_HEADER_OCTETS,
        signal,
      });
      // `on`: one that comes after the response, too, must find somebody who hears it.
      sent.on('error', reject);
      sent.once('response', (response) => {
        resolve(response.statusCode ?? 0);
        response.destroy();
      });
      sent.end(report);
    });
  } finally {
    signal.removeEventListener('abort', destroy);
    plain.on('error', () => {}).destroy();
  }
}
