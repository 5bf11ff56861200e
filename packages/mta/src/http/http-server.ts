/**
 * The HTTP server through which the relay is watched: `/metrics` for Prometheus, `/health` for whoever restarts
 * or balances, and the page for people, which brings routes of its own.
 *
 * Who may ask is in `access.ts`. Metrics and health name no sender, no recipient and no domain; the page does.
 */
import { type FastifyInstance, fastify } from 'fastify';
import { hasSession, isOwnName, isOwnPost, showsToken } from './access.js';

export interface HttpServerOptions {
  readonly address: string;
  readonly port: number;
  readonly token: string | undefined;
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  readonly health: (signal: AbortSignal) => Promise<Health>;
  readonly clock: () => number;
  /** Routes of the page; undefined where there is none. */
  readonly page?: PageRoutes | undefined;
  readonly onError: (error: Error) => void;
}

export interface PageRoutes {
  /** Paths that need no token: they say nothing of the relay. */
  readonly open: ReadonlySet<string>;
  /** Where a browser without a login is sent. */
  readonly loginPath: (path: string) => string;
  register(app: FastifyInstance): void;
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
export const LOOK_TIME = 5000;
/** Octets of a body: a form with one field. */
const MAX_BODY = 4096;

const HEADERS = {
  'content-security-policy':
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  // Not `no-referrer`: a browser would keep from us where a form was, and every post would look like a stranger's.
  'referrer-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-store',
} as const;

/** @throws (rejects) where it can't listen */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { address, token, metrics, health, clock, page, onError } = options;
  const app = fastify({
    bodyLimit: MAX_BODY,
    requestTimeout: REQUEST_TIME,
    connectionTimeout: REQUEST_TIME + LOOK_TIME,
    forceCloseConnections: true,
    logger: false,
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_, body, done) =>
    done(null, new URLSearchParams(String(body))),
  );
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS);
    const { authorization, cookie, origin, host, accept } = request.headers;
    if (token === undefined && !isOwnName(request.hostname)) {
      return await reply.code(421).send({ error: 'ask for this server by its address or as localhost' });
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      const site = request.headers['sec-fetch-site'];
      if (!isOwnPost({ site: typeof site === 'string' ? site : undefined, origin, host })) {
        return await reply.code(403).send({ error: 'this has to come from a page of this server' });
      }
    }
    const [path = ''] = request.url.split('?');
    if (token === undefined || page?.open.has(path) === true) return;
    if (showsToken(authorization, token) || (page !== undefined && hasSession(cookie, token, clock())))
      return;
    const isBrowser = request.method === 'GET' && /\btext\/html\b/u.test(accept ?? '');
    if (isBrowser && page !== undefined) return await reply.redirect(page.loginPath(request.url), 303);
    await reply.code(401).header('www-authenticate', 'Bearer').send({ error: 'a token is needed' });
  });
  app.setNotFoundHandler(async (_, reply) => await reply.code(404).send({ error: 'not found' }));
  app.setErrorHandler(async (error, _, reply) => {
    const code = codeOf(error);
    if (code !== undefined) return await reply.code(code).send({ error: 'the request is not understood' });
    onError(error instanceof Error ? error : new Error(String(error)));
    // The words are the log's: they may name what the client has no business with.
    return await reply.code(500).send({ error: 'it could not be found out; the log says why' });
  });
  app.get('/metrics', async (_, reply) => reply.type(metrics.contentType).send(await metrics.text()));
  app.get('/health', async (_, reply) => {
    const found = await health(AbortSignal.timeout(LOOK_TIME));
    return reply.code(found.ok ? 200 : 503).send(found);
  });
  page?.register(app);
  await app.listen({ host: address, port: options.port });
  const bound = app.server.address();
  return {
    port: bound === null || typeof bound === 'string' ? options.port : bound.port,
    close: () => app.close(),
  };
}

/** The code of a fault that is the client's: a body that is too long, or of a type that no form has. */
function codeOf(error: unknown): number | undefined {
  const code = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  return typeof code === 'number' && code >= 400 && code < 500 ? code : undefined;
}
