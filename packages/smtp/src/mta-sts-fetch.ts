/**
 * Fetching an MTA-STS policy: one HTTPS GET (RFC 8461 section 3.3).
 *
 * The whole worth of MTA-STS is in this connection: DNS may lie about where the web server is, but not about
 * who it is. So the certificate must lead to a root of ours and have the DNS-ID `mta-sts.DOMAIN`, and is
 * checked before a word of HTTP is said. Nothing that could lead elsewhere is followed: no redirect (a MUST
 * NOT), no cache of HTTP, no proxy. The other end is whoever the domain names, so everything is bounded:
 * addresses, time, headers, octets.
 */
import type { Socket } from 'node:net';
import { createSecureContext, connect as tlsConnect } from 'node:tls';
import { type Roots, takeChain, verifyPkix } from '@danelaw/dane';
import { isAnswered, type Resolver } from '@danelaw/dns';
import type { Connect, Target } from './connection.js';
import { MAX_POLICY_OCTETS, parseStsPolicy, type StsPolicyBody } from './mta-sts-policy.js';
import type { StsProblem } from './sts-finding.js';

/** Milliseconds for the whole fetch ("A suggested timeout is one minute", section 3.3). */
export const FETCH_TIMEOUT = 60_000;
/** Addresses of the Policy Host that are tried. */
const MAX_ADDRESSES = 4;
/** Octets of response headers; a web server that needs more is not serving a text of ten lines. */
const MAX_HEADER_OCTETS = 16_384;

export interface StsFetchOptions {
  readonly resolver: Resolver;
  /** Opens the TCP connection. */
  readonly connect: Connect;
  /** 443; another one for tests. */
  readonly port: number;
  /** The Web's roots where it is left out. */
  readonly roots: Roots | undefined;
  /** Milliseconds since the epoch: when the certificate must be valid. */
  readonly now: number;
  /** Milliseconds. */
  readonly timeout: number;
  readonly signal: AbortSignal;
}

export type StsFetched =
  | { readonly status: 'policy'; readonly policy: StsPolicyBody }
  | { readonly status: 'failed'; readonly problem: StsProblem };

class FetchError extends Error {
  readonly problem: StsProblem;
  constructor(failureType: StsProblem['failureType'], reason: string) {
    super(reason);
    this.problem = { failureType, reason };
  }
}

const fetchError = (reason: string): FetchError => new FetchError('sts-policy-fetch-error', reason);

/** Fetches the policy of one domain. Rejects only when `signal` aborts. */
export async function fetchStsPolicy(domain: string, options: StsFetchOptions): Promise<StsFetched> {
  const host = `mta-sts.${domain}`;
  const deadline = AbortSignal.timeout(options.timeout);
  const stop = AbortSignal.any([options.signal, deadline]);
  try {
    const socket = await connectTo(host, options, stop);
    const text = await get(host, socket, stop);
    const parsed = parseStsPolicy(text);
    if (parsed.status === 'policy') return parsed;
    throw new FetchError(
      'sts-policy-invalid',
      `the MTA-STS policy of ${domain} is invalid: ${parsed.reason}`,
    );
  } catch (error) {
    options.signal.throwIfAborted();
    const problem = deadline.aborted
      ? fetchError(`https://${host} did not answer within ${options.timeout / 1000} s`).problem
      : problemOf(host, error);
    return { status: 'failed', problem };
  }
}

function problemOf(host: string, error: unknown): StsProblem {
  if (error instanceof FetchError) return error.problem;
  // What Node.js says about sockets, TLS and HTTP; an error of ours would be a fault in this file, and told
  // the same.
  const words = error instanceof Error ? error.message : String(error);
  return fetchError(`https://${host}: ${words}`).problem;
}

/** The first address that answers, over TLS, as the host that was asked for. */
async function connectTo(host: string, options: StsFetchOptions, stop: AbortSignal): Promise<Socket> {
  let last = fetchError(`${host} has no address`);
  for (const target of await addressesOf(host, options, stop)) {
    const plain = options.connect(target);
    const destroy = (): void => void plain.destroy();
    stop.addEventListener('abort', destroy, { once: true });
    try {
      await connected(plain);
      return await secured(plain, host, options);
    } catch (error) {
      plain.destroy();
      stop.throwIfAborted();
      last = new FetchError(
        error instanceof FetchError ? error.problem.failureType : 'sts-policy-fetch-error',
        `https://${host} [${target.address}]: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
  throw last;
}

async function addressesOf(
  host: string,
  { resolver, port }: StsFetchOptions,
  stop: AbortSignal,
): Promise<Target[]> {
  const [v6, v4] = await Promise.all([
    resolver.resolve(host, 'AAAA', { signal: stop }),
    resolver.resolve(host, 'A', { signal: stop }),
  ]);
  if (!isAnswered(v6) && !isAnswered(v4)) {
    throw fetchError(`the addresses of ${host} could not be looked up: ${v4.reason}`);
  }
  const targets = [v6, v4].flatMap((lookup) => {
    if (!isAnswered(lookup)) return [];
    return lookup.records.flatMap(({ data }): Target[] => {
      if (data.type !== 'A' && data.type !== 'AAAA') return [];
      return [{ address: data.address, family: data.type === 'A' ? 4 : 6, port }];
    });
  });
  return targets.slice(0, MAX_ADDRESSES);
}

async function connected(socket: Socket): Promise<void> {
  if (socket.readyState === 'open') return;
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve).once('error', reject);
    socket.once('close', () => reject(fetchError('the connection was ended')));
  });
}

/**
 * TLS with the Policy Host's name as SNI (section 7.1), and its certificate verified before anything is sent.
 */
async function secured(plain: Socket, host: string, { roots, now }: StsFetchOptions): Promise<Socket> {
  const socket = tlsConnect({
    socket: plain,
    servername: host,
    secureContext: secureContext(),
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: false, // our own verification follows, as for mail hosts
    checkServerIdentity: () => undefined,
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve).once('error', reject);
    socket.once('close', () => reject(fetchError('the connection was ended during the TLS handshake')));
  });
  const chain = takeChain(socket);
  const verdict = verifyPkix({ chain, names: [host], time: new Date(now), ...(roots && { roots }) });
  if (verdict.authenticated) return socket;
  socket.destroy();
  throw new FetchError('sts-webpki-invalid', `${verdict.reason} (RFC 8461 section 3.3)`);
}

let context: ReturnType<typeof createSecureContext> | undefined;

function secureContext(): ReturnType<typeof createSecureContext> {
  context ??= createSecureContext({ ca: [], minVersion: 'TLSv1.2' });
  return context;
}

async function get(host: string, socket: Socket, stop: AbortSignal): Promise<string> {
  try {
    // Loaded here, as most domains have no policy, and starting up is to be quick.
    const { request } = await import('node:http');
    return await new Promise<string>((resolve, reject) => {
      const sent = request({
        createConnection: () => socket,
        path: '/.well-known/mta-sts.txt',
        headers: { host, 'user-agent': 'danelaw', accept: 'text/plain', connection: 'close' },
        maxHeaderSize: MAX_HEADER_OCTETS,
        signal: stop,
      });
      sent.once('error', reject);
      sent.once('response', (response) => {
        const fault = responseFault(host, response.statusCode, response.headers);
        if (fault !== undefined) {
          reject(fault);
          return;
        }
        const pieces: Uint8Array[] = [];
        let octets = 0;
        response.on('data', (piece: Uint8Array) => {
          octets += piece.length;
          pieces.push(piece);
          if (octets > MAX_POLICY_OCTETS) reject(tooLarge(host));
        });
        response.once('error', reject);
        response.once('end', () => {
          if (response.complete) resolve(decode(Buffer.concat(pieces)));
          else reject(fetchError(`https://${host} broke off in the middle of the policy`));
        });
      });
      sent.end();
    });
  } finally {
    socket.destroy(); // whatever else it would send, a gigabyte perhaps, nobody reads it
  }
}

function responseFault(
  host: string,
  status: number | undefined,
  headers: Readonly<Record<string, string | string[] | undefined>>,
): FetchError | undefined {
  // "only valid if the HTTP response code is 200 (OK). HTTP 3xx redirects MUST NOT be followed".
  if (status !== 200) return fetchError(`https://${host} answered with HTTP status ${status} and not 200`);
  // "senders SHOULD validate that the media type is 'text/plain'"; parameters are ignored.
  const type = String(headers['content-type'] ?? '');
  if (!/^text\/plain[ \t]*(?:;|$)/iu.test(type)) {
    return fetchError(`https://${host} answered with the media type "${printable(type)}" and not text/plain`);
  }
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    return fetchError(`https://${host} answered in an encoding that was not asked for`);
  }
  return Number(headers['content-length'] ?? 0) > MAX_POLICY_OCTETS ? tooLarge(host) : undefined;
}

function tooLarge(host: string): FetchError {
  return fetchError(`https://${host} sends more than ${MAX_POLICY_OCTETS} octets, which no policy needs`);
}

function decode(octets: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(octets);
  } catch {
    throw new FetchError('sts-policy-invalid', 'the MTA-STS policy is no UTF-8');
  }
}

const printable = (text: string): string => text.replace(/[^\x20-\x7e]/gu, '?').slice(0, 60);
