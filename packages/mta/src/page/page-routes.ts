/**
 * The routes of the page. Each gives HTML, or the data behind it as JSON to those who accept that and not HTML.
 * Nothing here changes the queue: it is looked at, and domains are checked.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { printableJson } from '../cli/printable.js';
import { isToken, localPath, noCookie, sessionCookie } from '../http/access.js';
import { type Health, LOOK_TIME, type PageRoutes } from '../http/http-server.js';
import type { Queue } from '../queue/queue.js';
import { isQueueId } from '../queue/queue-id.js';
import { readAsset } from './asset.js';
import { checkPage, checkResultJson } from './check-page.js';
import { CHECK_TIME, type Checker } from './checker.js';
import { deferralsPage } from './deferrals-page.js';
import { destinationPage, destinationsPage } from './destinations-page.js';
import { documentOf, type PageView } from './layout.js';
import { loginPage } from './login-page.js';
import { html } from './markup.js';
import { findMessages } from './message-search.js';
import { messagePage, messagesPage } from './messages-page.js';
import { overviewPage } from './overview-page.js';
import { EMPTY, plus } from './protection-history.js';
import { lengthOf, SPANS, spanOfQuery } from './protection-view.js';
import { surveyor } from './queue-survey.js';
import type { RelayHistory } from './relay-history.js';

export interface PageOptions {
  /** As the configuration has it now. */
  readonly hostname: () => string;
  readonly token: string | undefined;
  readonly queue: Pick<Queue, 'counts' | 'destinations' | 'list' | 'read'>;
  readonly history: RelayHistory;
  readonly checker: Pick<Checker, 'check'>;
  readonly health: (signal: AbortSignal) => Promise<Health>;
  readonly inFlight: () => number;
  readonly clock: () => number;
}

/** Octets of a path or a query that is looked at: the longest address fits in. */
const MAX_TEXT = 400;

const ASSETS = [
  { path: '/page/page.css', file: 'page.css', type: 'text/css; charset=utf-8' },
  { path: '/page/icon.svg', file: 'icon.svg', type: 'image/svg+xml' },
] as const;

/** @throws (rejects) where the package's files are not there */
export async function pageRoutes(options: PageOptions): Promise<PageRoutes> {
  const assets = await Promise.all(
    ASSETS.map(async ({ path, file, type }) => {
      return { path, type, text: await readAsset(file) };
    }),
  );
  return {
    open: new Set(['/login', ...assets.map(({ path }) => path)]),
    loginPath: (path) => `/login?next=${encodeURIComponent(localPath(path))}`,
    register(app) {
      for (const { path, type, text } of assets)
        app.get(path, async (_, reply) => reply.type(type).send(text));
      register(app, options);
    },
  };
}

function register(app: FastifyInstance, options: PageOptions): void {
  const { queue, history, checker, health, inFlight, clock, hostname, token } = options;
  const survey = surveyor(queue, clock);

  const answer = (
    request: FastifyRequest,
    reply: FastifyReply,
    view: () => PageView,
    data: () => unknown,
    code = 200,
  ) => {
    reply.code(code).header('vary', 'accept');
    if (wantsJson(request)) return reply.type('application/json; charset=utf-8').send(printableJson(data()));
    const frame = { hostname: hostname(), now: clock(), canLogOut: token !== undefined };
    return reply.type('text/html; charset=utf-8').send(documentOf(view(), frame));
  };

  app.get('/', async (request, reply) => {
    const now = clock();
    const [found, state] = await Promise.all([survey(), health(AbortSignal.timeout(LOOK_TIME))]);
    const series = history.protection.series(undefined, SPANS.day.step, SPANS.day.steps, now);
    const overview = { now, health: state, survey: found, inFlight: inFlight(), series };
    return answer(
      request,
      reply,
      () => overviewPage(overview),
      () => overview,
    );
  });

  app.get('/messages', async (request, reply) => {
    const query = queryOf(request, 'q').trim();
    if (isQueueId(query)) return reply.redirect(`/messages/${query}`, 303);
    const isHeldOnly = queryOf(request, 'held') === '1';
    const found = await findMessages(queue, history.stories, query, isHeldOnly);
    const messages = { now: clock(), query, isHeldOnly, ...found };
    return answer(
      request,
      reply,
      () => messagesPage(messages),
      () => messages,
    );
  });

  app.get('/messages/:id', async (request, reply) => {
    const id = parameterOf(request, 'id');
    const entry = isQueueId(id) ? await queue.read(id) : undefined;
    const story = history.stories.story(id);
    if (entry === undefined && story === undefined) {
      return answer(
        request,
        reply,
        () => missing('No message of that id is in the queue, or was heard of lately.'),
        () => NOT_FOUND,
        404,
      );
    }
    const { down } = await survey();
    const message = { now: clock(), id, entry, story, down };
    return answer(
      request,
      reply,
      () => messagePage(message),
      () => ({ id, entry: entry ?? null, story: story ?? null }),
    );
  });

  app.get('/destinations', async (request, reply) => {
    const now = clock();
    const span = spanOfQuery(queryOf(request, 'span'));
    const series = history.protection.series(undefined, span.step, span.steps, now);
    const destinations = history.protection.destinations(now - lengthOf(span), now);
    return answer(
      request,
      reply,
      () => destinationsPage({ now, span, destinations, series }),
      () => ({ now, span, destinations, series }),
    );
  });

  app.get('/destinations/:name', async (request, reply) => {
    const now = clock();
    const destination = parameterOf(request, 'name').toLowerCase();
    const span = spanOfQuery(queryOf(request, 'span'));
    const series = history.protection.series(destination, span.step, span.steps, now);
    const tally = series.reduce(plus, EMPTY);
    const { down: all, deferrals } = await survey();
    const down = all.find((each) => each.destination === destination);
    const one = { now, destination, span, series, tally, down, deferrals };
    return answer(
      request,
      reply,
      () => destinationPage(one),
      () => ({ now, destination, span, series, tally, down: down ?? null }),
    );
  });

  app.get('/deferrals', async (request, reply) => {
    const found = await survey();
    return answer(
      request,
      reply,
      () => deferralsPage(found, clock()),
      () => found,
    );
  });

  app.get('/check', async (request, reply) => {
    const domain = queryOf(request, 'domain');
    return answer(
      request,
      reply,
      () => checkPage(domain, undefined),
      () => ({ error: 'post "domain" to check it' }),
    );
  });

  app.post('/check', async (request, reply) => {
    const domain = fieldOf(request, 'domain');
    const left = new AbortController();
    reply.raw.once('close', () => left.abort());
    // It takes longer than other answers, and says nothing meanwhile.
    request.raw.socket.setTimeout(CHECK_TIME + LOOK_TIME);
    const result = await checker.check(domain, left.signal);
    const code = { checked: 200, invalid: 400, busy: 503, 'too-late': 504 }[result.status];
    return answer(
      request,
      reply,
      () => checkPage(domain, result),
      () => checkResultJson(result),
      code,
    );
  });

  app.get('/login', async (request, reply) => {
    if (token === undefined) return reply.redirect('/', 303);
    const next = localPath(queryOf(request, 'next'));
    return answer(
      request,
      reply,
      () => loginPage(next, false),
      () => ({ error: 'post "token", or send it as Bearer' }),
    );
  });

  app.post('/login', async (request, reply) => {
    if (token === undefined) return reply.redirect('/', 303);
    const next = localPath(fieldOf(request, 'next'));
    if (!isToken(fieldOf(request, 'token'), token)) {
      return answer(
        request,
        reply,
        () => loginPage(next, true),
        () => ({ error: 'that is not the token' }),
        403,
      );
    }
    return reply.header('set-cookie', sessionCookie(token, clock(), isOverTls(request))).redirect(next, 303);
  });

  app.post('/logout', async (request, reply) =>
    reply
      .header('set-cookie', noCookie(isOverTls(request)))
      .redirect(token === undefined ? '/' : '/login', 303),
  );
}

const NOT_FOUND = { error: 'not found' };

const missing = (words: string): PageView => ({
  title: 'Not found',
  section: 'messages',
  body: html`<p>${words}</p><p><a href="/messages">All messages</a></p>`,
});

/** A browser accepts both, and means HTML. */
function wantsJson({ headers: { accept = '' } }: FastifyRequest): boolean {
  return /\bapplication\/json\b/u.test(accept) && !/\btext\/html\b/u.test(accept);
}

/** A browser names the origin of a form that it posts; a server with TLS stands in front then. */
const isOverTls = ({ headers: { origin = '' } }: FastifyRequest): boolean => origin.startsWith('https:');

function queryOf({ url }: FastifyRequest, name: string): string {
  return (new URLSearchParams(url.split('?')[1] ?? '').get(name) ?? '').slice(0, MAX_TEXT);
}

function parameterOf({ params }: FastifyRequest, name: 'id' | 'name'): string {
  const value: unknown =
    typeof params === 'object' && params !== null ? Object.getOwnPropertyDescriptor(params, name)?.value : '';
  return typeof value === 'string' ? value.slice(0, MAX_TEXT) : '';
}

function fieldOf({ body }: FastifyRequest, name: string): string {
  return body instanceof URLSearchParams ? (body.get(name) ?? '').slice(0, MAX_TEXT) : '';
}
