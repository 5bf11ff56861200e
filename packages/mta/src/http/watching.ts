/** Puts the HTTP server in front of a relay that runs: its token, metrics, page, and what "healthy" means. */
import { readFile } from 'node:fs/promises';
import type { Resolver } from '@danelaw/dns';
import type { CheckContext } from '../cli/check-domain.js';
import { type HttpConfig, SHORTEST_TOKEN } from '../config/http-config.js';
import { ConfigError } from '../config.js';
import type { RelayLog } from '../log/relay-log.js';
import { Checker } from '../page/checker.js';
import { type PageOptions, pageRoutes } from '../page/page-routes.js';
import type { RelayHistory } from '../page/relay-history.js';
import type { Queue } from '../queue/queue.js';
import { wordsOf } from '../words-of.js';
import { type Health, type HttpServer, type PageRoutes, startHttpServer } from './http-server.js';
import type { RelayMetrics } from './relay-metrics.js';

export interface WatchedRelay {
  readonly queue: Queue;
  readonly resolver: Resolver;
  readonly metrics: RelayMetrics;
  readonly inFlight: () => number;
  /** Why nothing is delivered now, where that is so. */
  readonly trouble: () => string | undefined;
  readonly clock: () => number;
  readonly log: RelayLog;
  /** Undefined where there is no page. */
  readonly page: WatchedPage | undefined;
}

/** What the page shows beside the queue. */
export interface WatchedPage {
  readonly history: RelayHistory;
  /** How this relay delivers, as it is configured now. */
  readonly checkContext: () => CheckContext;
}

/** @throws (rejects) `ConfigError` where there is no token to read; another error where it can't listen */
export async function startWatching(config: HttpConfig, relay: WatchedRelay): Promise<HttpServer> {
  const { queue, resolver, metrics, inFlight, trouble, clock, log, page } = relay;
  const token = await tokenOf(config);
  metrics.watch({ queue, clock, inFlight });
  const health = (signal: AbortSignal): Promise<Health> => healthOf({ queue, resolver, trouble }, signal);
  const shared = { token, queue, health, inFlight, clock };
  return await startHttpServer({
    address: config.address,
    port: config.port,
    token,
    metrics,
    health,
    clock,
    page: page && (await openPage(page, shared)),
    onError: (error) => log.error('http', { reason: error.message }),
  });
}

async function openPage(
  { history, checkContext }: WatchedPage,
  shared: Omit<PageOptions, 'hostname' | 'history' | 'checker'>,
): Promise<PageRoutes> {
  const checker = new Checker({ context: checkContext });
  return await pageRoutes({ ...shared, hostname: () => checkContext().heloName, history, checker });
}

/** @throws (rejects) `ConfigError` where there is none to read */
export async function tokenOf({ token, tokenFile }: HttpConfig): Promise<string | undefined> {
  if (tokenFile === undefined) return token;
  let text: string;
  try {
    text = (await readFile(tokenFile, 'utf8')).trim();
  } catch (error) {
    throw new ConfigError(`http.token_file: ${wordsOf(error)}`);
  }
  if (text.length >= SHORTEST_TOKEN && !/\s/u.test(text)) return text;
  throw new ConfigError(
    `http.token_file: ${tokenFile} should hold one word of ${SHORTEST_TOKEN} characters or more`,
  );
}

/** What of a look-up says whether it can be trusted. */
export type RootLookup =
  | { readonly status: 'secure' | 'insecure' }
  | { readonly status: 'bogus' | 'indeterminate'; readonly reason: string };

export interface RootResolver {
  resolve(name: '.', type: 'NS', options: { readonly signal: AbortSignal }): Promise<RootLookup>;
}

export interface HealthSources {
  readonly queue: Pick<Queue, 'setDestination'>;
  readonly resolver: RootResolver;
  readonly trouble: () => string | undefined;
}

/** No destination has this name (RFC 6761 section 6.4), so forgetting it changes nothing. */
const NOBODY = 'health.invalid';

/**
 * The queue takes a write, DNS has a root that can be trusted, and a thread delivers: else mail is refused, or all
 * of it waits.
 */
export async function healthOf(
  { queue, resolver, trouble }: HealthSources,
  signal: AbortSignal,
): Promise<Health> {
  const late = new Promise<string>((resolve) => {
    signal.addEventListener('abort', () => resolve('no answer in time'), { once: true });
  });
  const writes = queue.setDestination(NOBODY, undefined).then(() => 'ok', wordsOf);
  const trusts = resolver.resolve('.', 'NS', { signal }).then((root) => {
    switch (root.status) {
      case 'secure':
        return 'ok';
      case 'insecure':
        return 'the root is not secure: nothing can be validated';
      case 'bogus':
      case 'indeterminate':
        return root.reason;
      default: {
        const never: never = root;
        return never;
      }
    }
  }, wordsOf);
  const [queueSays, resolverSays] = await Promise.all([
    Promise.race([writes, late]),
    Promise.race([trusts, late]),
  ]);
  const checks = { queue: queueSays, resolver: resolverSays, delivery: trouble() ?? 'ok' };
  return { ok: Object.values(checks).every((said) => said === 'ok'), checks };
}
