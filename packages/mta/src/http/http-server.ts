/**
 * The HTTP server through which the relay is watched: `/metrics` for Prometheus, `/health` for whoever restarts
 * or balances. It only reads, and nothing that it says names a sender, a recipient or a domain.
 *
 * - Where a token is configured, every request has to show it. It is compared in constant time.
 * - Where none is, the server is on loopback, and a request has to be for an address or `localhost`: else any
 *   page in a browser on this machine could read it under a name of its own (DNS rebinding).
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { fastify } from 'fastify';

export interface HttpServerOptions {
  readonly address: string;
  readonly port: number;
  readonly token: string | undefined;
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  readonly health: (signal: AbortSignal) => Promise<Health>;
  readonly onError: (error: Error) => void;
}

export interface Health {
  readonly ok: boolean;
  /** Each with what is wrong with it, or `ok`. */
  readonly checks: Readonly<Record<string, string>>;
}

export interface HttpServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Connections at a time: a few scrapers and a person. */
const MAX_CONNECTIONS = 64;
/** Milliseconds for a request to come in. */
const REQUEST_TIME = 10_000;
/** Milliseconds for what is looked up: a scraper does not wait longer. */
const LOOK_TIME = 5000;
/** Octets of a body, which no request here has. */
const MAX_BODY = 1024;

const HEADERS = {
  'content-security-policy':
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-store',
} as const;

/** @throws (rejects) where it can't listen */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { address, token, metrics, health, onError } = options;
  const app = fastify({
    bodyLimit: MAX_BODY,
    requestTimeout: REQUEST_TIME,
    connectionTimeout: REQUEST_TIME + LOOK_TIME,
    forceCloseConnections: true,
    logger: false,
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS);
    if (token === undefined) {
      if (isOwnName(request.hostname)) return;
      await reply.code(421).send({ error: 'ask for this server by its address or as localhost' });
    } else if (!shows(request.headers.authorization, token)) {
      await reply.code(401).header('www-authenticate', 'Bearer').send({ error: 'a token is needed' });
    }
  });
  app.setNotFoundHandler(async (_, reply) => await reply.code(404).send({ error: 'not found' }));
  app.setErrorHandler(async (error, _, reply) => {
    onError(error instanceof Error ? error : new Error(String(error)));
    // The words are the log's: they may name what the client has no business with.
    await reply.code(500).send({ error: 'it could not be found out; the log says why' });
  });
  app.get('/metrics', async (_, reply) => reply.type(metrics.contentType).send(await metrics.text()));
  app.get('/health', async (_, reply) => {
    const found = await health(AbortSignal.timeout(LOOK_TIME));
    return reply.code(found.ok ? 200 : 503).send(found);
  });
  await app.listen({ host: address, port: options.port });
  const bound = app.server.address();
  return {
    port: bound === null || typeof bound === 'string' ? options.port : bound.port,
    close: () => app.close(),
  };
}

const isOwnName = (hostname: string): boolean =>
  hostname === 'localhost' || isIP(hostname.replace(/^\[(.*)\]$/u, '$1')) !== 0;

/** RFC 6750 section 2.1. Digests are compared, as they have one length. */
function shows(authorization: string | undefined, token: string): boolean {
  const shown = /^Bearer +(\S+)$/iu.exec(authorization ?? '')?.[1] ?? '';
  return timingSafeEqual(digest(shown), digest(token));
}

const digest = (text: string): Uint8Array => createHash('sha256').update(text).digest();
