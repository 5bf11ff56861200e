/**
 * The relay, put together: listener -> acceptance -> queue -> scheduler -> threads that deliver, and beside them
 * the log, MTA-STS policies and TLS reports.
 *
 * It starts from the queue outwards, and stops the other way round: nobody hands in what nobody can keep.
 */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Roots } from '@danelaw/dane';
import { createResolver, type Resolver } from '@danelaw/dns';
import type { StsFinding } from '@danelaw/smtp';
import { createAcceptance } from '../acceptance/acceptance.js';
import type { RelayConfig } from '../config/relay-config.js';
import { type Config, ConfigError } from '../config.js';
import { Dkim } from '../dkim/dkim.js';
import { DkimConfigError, loadDkimKeys } from '../dkim/dkim-rules.js';
import type { HttpServer } from '../http/http-server.js';
import type { RelayMetrics } from '../http/relay-metrics.js';
import type { WatchedRelay } from '../http/watching.js';
import { createListener, type Listener, listenerProblems } from '../listener/listener.js';
import type { ListenerSettings } from '../listener/options.js';
import type { ClosableLog } from '../log/json-log.js';
import { listenerLog } from '../log/listener-log.js';
import { openQueue } from '../queue/open-queue.js';
import type { Queue } from '../queue/queue.js';
import { StsPolicies } from '../sts-policies.js';
import { DeliveryThreads } from './delivery-threads.js';
import { type HostLimitOptions, HostLimits } from './host-limits.js';
import { listenerSettings } from './listener-settings.js';
import { reportWriter } from './report-writer.js';
import { Scheduler } from './scheduler.js';
import { openReports } from './tls-reports.js';
import { type WorkerSettings, workerSettings } from './worker-settings.js';

/** The relay can't start; the message says why. */
export class RelayStartError extends Error {
  override readonly name = 'RelayStartError';
}

export interface Relay {
  /** Where it listens. */
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
  /** The new configuration holds from the next client and the next try on. */
  reload(config: Config): Promise<void>;
  /** @param grace milliseconds that mail which was handed over is waited for */
  stop(grace: number): Promise<void>;
}

/** @throws (rejects) `QueueUnusableError`, `ConfigError`, `RelayStartError` */
export async function startRelay(config: Config, log: ClosableLog): Promise<Relay> {
  const opened: (() => Promise<void>)[] = [];
  try {
    return await start(config, log, opened);
  } catch (error) {
    for (const close of opened.reverse()) await close().catch(() => {});
    throw error;
  }
}

async function start(config: Config, log: ClosableLog, opened: (() => Promise<void>)[]): Promise<Relay> {
  const { relay } = config;
  const clock = Date.now;
  const settings = await workerSettings(config);
  refuseProblems(listenerSettings(relay));
  const dkim = await openDkim(config, log);
  await mkdir(relay.state, { recursive: true, mode: 0o700 });
  const ended = new AbortController();
  const queue = await openQueue(relay, 'owner', (reason) => log.warn('queue', { reason }));
  opened.push(() => queue.close());
  const resolver = createResolver({
    ...settings.resolver,
    onNotice: ({ text }) => log.warn('resolver', { reason: text }),
  });
  opened.push(() => resolver.close());
  const policies = await openPolicies(relay, settings, clock, log);
  policies?.keepUp(resolver, ended.signal);
  opened.push(async () => await policies?.close());
  const limits = hostLimits(relay, queue, clock, (server) => threads.makeRoom(server));
  const threads: DeliveryThreads = new DeliveryThreads({
    threads: relay.delivery.workers ?? availableParallelism(),
    settings,
    limits,
    sts: (domain) => stsPolicy(policies, domain, resolver, clock(), ended.signal),
    log,
  });
  opened.push(() => threads.end());
  const reports = openReports(config, { resolver, dkim, clock, settings, log });
  const reporting = reports?.run(ended.signal).catch((error: unknown) => {
    log.error('tls-reports', { reason: wordsOf(error) });
  });
  opened.push(async () => await reporting);
  const metrics = await openMetrics(relay);
  const scheduler = new Scheduler({
    queue,
    deliverer: threads,
    reportsFor: reportWriter({ hostname: relay.hostname, clock, random: randomBytes, dkim }),
    schedule: relay.retry,
    destinations: { initial: relay.delivery.initial, most: relay.delivery.most },
    total: MOST_CLAIMS,
    lease: relay.queue.lease,
    clock,
    random: Math.random,
    log: metrics?.counted(log) ?? log,
    onOutcome: (_, { attempts, unrouted }, message) => {
      metrics?.count(attempts);
      // A report's own sessions are not counted (RFC 8460 section 3).
      reports?.count(attempts, { unrouted, ...(message === undefined ? {} : { message }) });
    },
  });
  await scheduler.start();
  opened.push(() => scheduler.stop());
  const acceptance = createAcceptance({
    queue,
    hostname: relay.hostname,
    clock,
    random: randomBytes,
    dkim,
    aliases: relay.aliases,
    lineEnds: relay.clients.lineEnds,
    limits: { messageOctets: relay.clients.messageSize, recipients: relay.clients.recipients },
    ...(relay.ownDomains.length === 0 ? {} : { ownDomains: relay.ownDomains }),
    onError: (error) => log.error('acceptance', { reason: wordsOf(error) }),
  });
  const heard = metrics?.countedListener(listenerLog(log)) ?? listenerLog(log);
  const listener = createListener({ ...listenerSettings(relay), acceptance, log: heard });
  const addresses = await listen(listener);
  opened.push(() => listener.close(0));
  if (metrics !== undefined) {
    const inFlight = (): number => scheduler.inFlight;
    const http = await openHttp(relay, { queue, resolver, metrics, inFlight, clock, log });
    opened.push(async () => await http?.close());
  }
  log.info('started', {
    hostname: relay.hostname,
    listen: addresses.map(({ host, port }) => ({ host, port })),
    threads: relay.delivery.workers ?? availableParallelism(),
  });
  return {
    addresses,
    async reload(next) {
      const changed = await workerSettings(next);
      await listener.reload(listenerSettings(next.relay));
      threads.configure(changed);
      log.info('reloaded', { rules: next.policyTable.rules.length });
    },
    async stop(grace) {
      log.info('stopping', { underWay: scheduler.inFlight });
      const late = sleep(grace, 'late' as const, { ref: false });
      const idle = scheduler.stop().then(() => 'idle' as const);
      await listener.close(grace);
      if ((await Promise.race([idle, late])) === 'late') {
        // Whoever has not answered by now is not waited for: his messages are in doubt, and are tried again.
        log.warn('stopping', { underWay: scheduler.inFlight, reason: 'the time to stop is over' });
        await threads.end();
        const soon = sleep(SETTLE_WITHIN, 'late' as const, { ref: false });
        if ((await Promise.race([idle, soon])) === 'late') {
          log.error('stopping', { underWay: scheduler.inFlight, reason: 'the queue takes no outcomes' });
          scheduler.abandon();
        }
        await idle;
      }
      ended.abort();
      for (const close of opened.reverse()) await close();
      log.info('stopped', {});
    },
  };
}

/** Milliseconds to write down what became of the messages under way when the time to stop was over. */
const SETTLE_WITHIN = 3000;

/** Claims under way: more than any sensible number of connections, so that slow servers delay no other's mail. */
const MOST_CLAIMS = 2000;

/** @throws ConfigError */
function refuseProblems(settings: ListenerSettings): void {
  const problems = listenerProblems(settings);
  if (problems.length > 0) throw new ConfigError(problems.join('; '));
}

async function listen(listener: Listener): Promise<Relay['addresses']> {
  try {
    return await listener.listen();
  } catch (error) {
    throw new RelayStartError(wordsOf(error));
  }
}

/** Only who is watched counts, and loads what that takes. */
async function openMetrics({ http }: RelayConfig): Promise<RelayMetrics | undefined> {
  if (http === undefined) return undefined;
  const { RelayMetrics: Metrics } = await import('../http/relay-metrics.js');
  return new Metrics();
}

async function openHttp({ http }: RelayConfig, watched: WatchedRelay): Promise<HttpServer | undefined> {
  if (http === undefined) return undefined;
  const { startWatching } = await import('../http/watching.js');
  try {
    return await startWatching(http, watched);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new RelayStartError(`http.listen: ${wordsOf(error)}`);
  }
}

async function openDkim({ dkim }: Config, log: ClosableLog): Promise<Dkim | undefined> {
  if (dkim.length === 0) return undefined;
  try {
    const { keys, warnings } = await loadDkimKeys(dkim);
    for (const reason of warnings) log.warn('dkim', { reason });
    return new Dkim(keys);
  } catch (error) {
    if (error instanceof DkimConfigError) throw new ConfigError(error.message);
    throw error;
  }
}

async function openPolicies(
  { sts, state }: RelayConfig,
  { webRoots }: WorkerSettings,
  clock: () => number,
  log: ClosableLog,
): Promise<StsPolicies | undefined> {
  if (!sts.enabled) return undefined;
  const fetch = { port: sts.port, ...(webRoots === undefined ? {} : { roots: new Roots(webRoots) }) };
  const say = (reason: string): void => log.warn('mta-sts', { reason });
  return await StsPolicies.open({ file: join(state, 'mta-sts'), clock, say, fetch });
}

async function stsPolicy(
  policies: StsPolicies | undefined,
  domain: string,
  resolver: Resolver,
  now: number,
  signal: AbortSignal,
): Promise<StsFinding> {
  const nobody: StsFinding = { status: 'none', domain, reason: 'MTA-STS is not asked for', problems: [] };
  if (policies === undefined) return nobody;
  return await policies.source.policyFor(domain, { resolver, now, signal });
}

function hostLimits(
  { delivery, queue: settings }: RelayConfig,
  queue: Queue,
  clock: () => number,
  onWait: NonNullable<HostLimitOptions['onWait']>,
): HostLimits {
  const { connections: total, connectionsPerHost: perHost } = delivery;
  // On one machine these limits are the only ones; on several the queue counts for all.
  if (settings.engine === 'embedded') return new HostLimits({ total, perHost, onWait });
  const takeSlot = (host: string) => queue.takeSlot(host, perHost, clock(), settings.lease);
  return new HostLimits({ total, perHost, takeSlot, onWait });
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
