/**
 * The relay, put together: listener -> acceptance -> queue -> scheduler -> threads that deliver, and beside them
 * the log, MTA-STS policies and TLS reports.
 *
 * It starts from the queue outwards, and stops the other way round: nobody hands in what nobody can keep.
 */
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Roots } from '@danelaw/dane';
import type { StsSource } from '@danelaw/smtp';
import { createAcceptance, DEFAULT_ACCEPTANCE_LIMITS } from '../acceptance/acceptance.js';
import type { Acceptance } from '../acceptance/submission.js';
import type { CheckContext } from '../cli/check-domain.js';
import type { RelayConfig } from '../config/relay-config.js';
import { type Config, ConfigError } from '../config.js';
import { Dkim, type DkimKey } from '../dkim/dkim.js';
import { DkimConfigError, loadDkimKeys } from '../dkim/dkim-rules.js';
import type { HttpServer } from '../http/http-server.js';
import type { RelayMetrics } from '../http/relay-metrics.js';
import type { WatchedRelay } from '../http/watching.js';
import { createListener, type Listener, listenerProblems } from '../listener/listener.js';
import type { ListenerSettings } from '../listener/options.js';
import type { ClosableLog } from '../log/json-log.js';
import { listenerLog } from '../log/listener-log.js';
import type { RelayLog } from '../log/relay-log.js';
import { Maildrop } from '../maildrop/maildrop.js';
import { makeFolder } from '../make-folder.js';
import type { OpenHistory } from '../page/relay-history.js';
import { openQueue } from '../queue/open-queue.js';
import type { Queue, QueueDamagedError } from '../queue/queue.js';
import { randomPool } from '../queue/random-pool.js';
import { StsFileError, stsFileOf } from '../sts-file.js';
import { StsPolicies } from '../sts-policies.js';
import { wordsOf } from '../words-of.js';
import { checking } from './checking.js';
import { closeAll } from './close-all.js';
import { DeliveryThreads } from './delivery-threads.js';
import { type ConnectionLimits, type HostLimitOptions, HostLimits } from './host-limits.js';
import { listenerSettings } from './listener-settings.js';
import { LivePolicies } from './live-policies.js';
import { LiveResolver } from './live-resolver.js';
import { needsRestart } from './needs-restart.js';
import { Pace } from './pace.js';
import { reportWriter } from './report-writer.js';
import { Scheduler } from './scheduler.js';
import type { SchedulerSettings } from './scheduler-options.js';
import { LiveReports, openReports } from './tls-reports.js';
import { type WorkerSettings, workerSettings } from './worker-settings.js';

/** The relay can't start; the message says why. */
export class RelayStartError extends Error {
  override readonly name = 'RelayStartError';
}

export interface Relay {
  /** Where it listens. */
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
  /**
   * The new configuration holds from the next client and the next try on.
   * @throws (rejects) `ConfigError` or what keeps the listener from it; nothing has changed then
   */
  reload(config: Config): Promise<void>;
  /** Resolves where going on is of no use, and a new start is: then it is to be stopped. */
  readonly broken: Promise<QueueDamagedError>;
  /** @param grace milliseconds that mail which was handed over is waited for */
  stop(grace: number): Promise<void>;
}

/** @throws (rejects) `QueueUnusableError`, `ConfigError`, `RelayStartError` */
export async function startRelay(config: Config, log: ClosableLog): Promise<Relay> {
  const opened: (() => Promise<void>)[] = [];
  try {
    return await start(config, log, opened);
  } catch (error) {
    await closeAll(opened, () => {}); // why it could not start says more
    throw error;
  }
}

async function start(config: Config, log: ClosableLog, opened: (() => Promise<void>)[]): Promise<Relay> {
  const { relay } = config;
  const clock = Date.now;
  const settings = await workerSettings(config);
  refuseProblems(listenerSettings(relay));
  const dkim = new Dkim(await dkimKeys(config, log));
  const ended = new AbortController();
  // The queue on disk makes the folder itself, and sees to it that a power failure leaves it there.
  const queue = await openQueue(relay, 'owner', (reason) => log.warn('queue', { reason }));
  opened.push(() => queue.close());
  await makeFolder(relay.state);
  const metrics = await openMetrics(relay);
  const resolver = new LiveResolver(settings.resolver, {
    onNotice: (reason) => log.warn('resolver', { reason }),
    onLookup: (told) => metrics?.lookups([{ ...told, count: 1 }]),
  });
  opened.push(() => resolver.close());
  const policies = new LivePolicies(
    () => openPolicies(relay, settings, clock, log),
    (opened) => opened.keepUp(resolver, ended.signal),
  );
  await policies.prepare(relay.sts.enabled);
  policies.enable(relay.sts.enabled);
  opened.push(() => policies.close());
  const limits = hostLimits(relay, queue, clock, (server) => threads.makeRoom(server));
  const threads: DeliveryThreads = new DeliveryThreads({
    threads: relay.delivery.workers ?? availableParallelism(),
    settings,
    limits,
    sts: (domain) => policies.policyFor(domain, { resolver, now: clock(), signal: ended.signal }),
    log,
    onLookups: (counts) => metrics?.lookups(counts),
  });
  opened.push(() => threads.end());
  const surroundings = { resolver, dkim, clock, log };
  const reports = new LiveReports(openReports(config, { ...surroundings, settings }), log);
  opened.push(() => reports.end());
  const past = await openPast(relay, clock, log);
  opened.push(async () => await past?.close());
  const known = past?.history.hearing(log) ?? log;
  let onDamaged: (error: QueueDamagedError) => void = () => {};
  const broken = new Promise<QueueDamagedError>((resolve) => {
    onDamaged = resolve;
  });
  const scheduler = new Scheduler({
    ...schedulerSettings(relay, { dkim, clock }),
    queue,
    deliverer: threads,
    total: MOST_CLAIMS,
    pace: new Pace({ idleTimes: () => threads.idleTimes() }),
    lease: relay.queue.lease,
    clock,
    random: Math.random,
    log: metrics?.counted(known) ?? known,
    onDamaged,
    onOutcome: (claim, outcome, message) => {
      const { attempts, unrouted } = outcome;
      metrics?.count(attempts, unrouted);
      past?.history.count(claim, outcome);
      // A report's own sessions are not counted (RFC 8460 section 3).
      reports.count(attempts, { unrouted, ...(message === undefined ? {} : { message }) });
    },
  });
  await threads.ready().catch((error: unknown) => {
    throw new RelayStartError(`a thread that delivers can't start: ${wordsOf(error)}`);
  });
  const acceptanceFor = (next: RelayConfig): Acceptance => acceptanceOf(next, { queue, dkim, clock, log });
  let current = acceptanceFor(relay);
  let hostname = relay.hostname;
  const acceptance: Acceptance = {
    checkSender: (...sender) => current.checkSender(...sender),
    checkRecipient: (...recipient) => current.checkRecipient(...recipient),
    accept: (submission) => current.accept(submission),
  };
  const maildrop = maildropOf(relay, {
    hostname: () => hostname,
    acceptance,
    queue,
    dkim,
    clock,
    log: metrics?.countedMaildrop(known) ?? known,
  });
  // What is in the queue and in the maildrop must leave the maildrop before it can leave the queue.
  await maildrop?.finishLast();
  await scheduler.start();
  opened.push(() => scheduler.stop());
  const heard = metrics?.countedListener(listenerLog(known)) ?? listenerLog(known);
  const listener = createListener({ ...listenerSettings(relay), acceptance, log: heard });
  const addresses = await listen(listener);
  opened.push(() => listener.close(0));
  maildrop?.start();
  opened.push(async () => await maildrop?.stop());
  let inForce = settings;
  let http: HttpServer | undefined;
  if (metrics !== undefined) {
    const inFlight = (): number => scheduler.inFlight;
    const trouble = (): string | undefined => threads.trouble;
    const sts: StsSource = { policyFor: (domain, asked) => policies.policyFor(domain, asked) };
    const checkContext = (): CheckContext => checking(inForce, { resolver, sts, clock });
    const page = past && { history: past.history, checkContext };
    http = await openHttp(relay, { queue, resolver, metrics, inFlight, trouble, clock, log, page });
    opened.push(async () => await http?.close());
  }
  log.info('started', {
    hostname: relay.hostname,
    listen: addresses.map(({ host, port }) => ({ host, port })),
    threads: relay.delivery.workers ?? availableParallelism(),
    ...(http === undefined ? {} : { http: { host: relay.http?.address, port: http.port } }),
  });
  return {
    addresses,
    broken,
    async reload(next) {
      // Whatever can fail comes first, and the listener last of it: it changes all or nothing itself.
      const changed = await workerSettings(next);
      const keys = await dkimKeys(next, log);
      const accepting = acceptanceFor(next.relay);
      const reporting = openReports(next, { ...surroundings, settings: changed });
      await policies.prepare(next.relay.sts.enabled);
      await listener.reload(listenerSettings(next.relay));
      policies.enable(next.relay.sts.enabled);
      dkim.replace(keys);
      current = accepting;
      hostname = next.relay.hostname;
      resolver.replace(changed.resolver);
      reports.replace(reporting);
      limits.configure(connectionLimits(next.relay));
      threads.configure(changed);
      inForce = changed;
      scheduler.configure(schedulerSettings(next.relay, { dkim, clock }));
      const restart = needsRestart(relay, next.relay);
      if (restart.length > 0) {
        log.warn('reload', {
          reason: `changes of these take effect at the next start: ${restart.join(', ')}`,
        });
      }
      log.info('reloaded', { rules: next.policyTable.rules.length });
    },
    async stop(grace) {
      log.info('stopping', { underWay: scheduler.inFlight });
      const late = sleep(grace, 'late' as const, { ref: false });
      const idle = scheduler.stop().then(() => 'idle' as const);
      await maildrop?.stop();
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
      await closeAll(opened, (error) => log.error('stopping', { reason: wordsOf(error) }));
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

/** What the page tells of the past is kept where there is a page. */
async function openPast(
  { http, state }: RelayConfig,
  clock: () => number,
  log: ClosableLog,
): Promise<OpenHistory | undefined> {
  if (http === undefined || !http.page) return undefined;
  const { openHistory } = await import('../page/relay-history.js');
  return await openHistory(join(state, 'page-history'), clock, (reason) => log.warn('http', { reason }));
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

/** @throws (rejects) ConfigError */
async function dkimKeys({ dkim }: Config, log: ClosableLog): Promise<readonly DkimKey[]> {
  try {
    const { keys, warnings } = await loadDkimKeys(dkim);
    for (const reason of warnings) log.warn('dkim', { reason });
    return keys;
  } catch (error) {
    if (error instanceof DkimConfigError) throw new ConfigError(error.message);
    throw error;
  }
}

interface Surroundings {
  readonly queue: Queue;
  readonly dkim: Dkim;
  readonly clock: () => number;
  readonly log: RelayLog;
}

function acceptanceOf(relay: RelayConfig, { queue, dkim, clock, log }: Surroundings): Acceptance {
  return createAcceptance({
    queue,
    hostname: relay.hostname,
    clock,
    random: randomPool(randomBytes),
    dkim,
    aliases: relay.aliases,
    lineEnds: relay.clients.lineEnds,
    limits: { messageOctets: relay.clients.messageSize, recipients: relay.clients.recipients },
    ...(relay.ownDomains.length === 0 ? {} : { ownDomains: relay.ownDomains }),
    onError: (error) => log.error('acceptance', { reason: wordsOf(error) }),
  });
}

function maildropOf(
  { maildrop: { folder, named }, clients }: RelayConfig,
  surroundings: Surroundings & { readonly acceptance: Acceptance; readonly hostname: () => string },
): Maildrop | undefined {
  if (folder === undefined) return undefined;
  const messageOctets = Math.max(clients.messageSize, DEFAULT_ACCEPTANCE_LIMITS.messageOctets);
  return new Maildrop({ ...surroundings, folder, named, messageOctets, user: process.getuid?.() ?? 0 });
}

function schedulerSettings(
  { hostname, retry, delivery }: RelayConfig,
  { dkim, clock }: Pick<Surroundings, 'dkim' | 'clock'>,
): SchedulerSettings {
  return {
    reportsFor: reportWriter({ hostname, clock, random: randomBytes, dkim }),
    schedule: retry,
    destinations: { initial: delivery.initial, most: delivery.most },
  };
}

/** @throws (rejects) ConfigError */
async function openPolicies(
  { sts, state }: RelayConfig,
  { webRoots }: WorkerSettings,
  clock: () => number,
  log: ClosableLog,
): Promise<StsPolicies> {
  const fetch = { port: sts.port, ...(webRoots === undefined ? {} : { roots: new Roots(webRoots) }) };
  const say = (reason: string): void => log.warn('mta-sts', { reason });
  try {
    return await StsPolicies.open({ file: stsFileOf(state), clock, say, fetch });
  } catch (error) {
    if (error instanceof StsFileError) throw new ConfigError(error.message);
    throw error;
  }
}

const connectionLimits = ({ delivery }: RelayConfig): ConnectionLimits => ({
  total: delivery.connections,
  perHost: delivery.connectionsPerHost,
});

function hostLimits(
  relay: RelayConfig,
  queue: Queue,
  clock: () => number,
  onWait: NonNullable<HostLimitOptions['onWait']>,
): HostLimits {
  const settings = connectionLimits(relay);
  const { engine, lease } = relay.queue;
  // On one machine these limits are the only ones; on several the queue counts for all.
  if (engine === 'embedded') return new HostLimits({ ...settings, onWait });
  const limits: HostLimits = new HostLimits({
    ...settings,
    takeSlot: (host) => queue.takeSlot(host, limits.perHost, clock(), lease),
    onWait,
  });
  return limits;
}
