/** TLS reports (RFC 8460) as the relay counts and sends them. */
import { join } from 'node:path';
import { Roots } from '@danelaw/dane';
import type { Resolver } from '@danelaw/dns';
import type { Config } from '../config.js';
import { ConfigError } from '../config.js';
import type { Dkim } from '../dkim/dkim.js';
import type { RelayLog } from '../log/relay-log.js';
import { submitNow } from '../tlsrpt/submit-now.js';
import { TlsReports } from '../tlsrpt/tls-reports.js';
import type { WorkerSettings } from './worker-settings.js';

export interface ReportSurroundings {
  readonly resolver: Resolver;
  readonly dkim: Dkim;
  readonly clock: () => number;
  readonly settings: WorkerSettings;
  readonly log: RelayLog;
}

/**
 * Undefined where reports are not wanted.
 * @throws ConfigError where they are, and it is not said in whose name
 */
export function openReports(
  { relay }: Config,
  { resolver, dkim, clock, settings, log }: ReportSurroundings,
): TlsReports | undefined {
  const { enabled, organization, contact, from } = relay.tlsReports;
  if (!enabled) return undefined;
  if (organization === undefined || contact === undefined) {
    throw new ConfigError('[tls_reports] needs "organization" and "contact": they stand in every report');
  }
  const { webRoots, heloName, ownNames, policyTable, credentials, smtpPort: port, timeouts } = settings;
  const roots = webRoots === undefined ? {} : { roots: new Roots(webRoots) };
  const submit = submitNow({
    resolver,
    heloName,
    ownNames,
    policyTable,
    credentials: (name) => credentials.get(name),
    port,
    timeouts,
    clock,
    ...roots,
  });
  return new TlsReports({
    state: join(relay.state, 'tls-reports'),
    clock,
    sending: { resolver, organization, contact, from, dkim, submit, post: roots },
    log: ({ event: status, domain, day, reportId: report, words: reason }) =>
      log.info('tls-report', { status, domain, day, report, reason }),
    warn: (reason) => log.warn('tls-reports', { reason }),
  });
}

/** The reports of a relay that runs: counted all the time, written and sent until `end`. */
export class LiveReports {
  readonly #log: RelayLog;
  #current: TlsReports | undefined;
  #ended = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(first: TlsReports | undefined, log: RelayLog) {
    this.#log = log;
    this.replace(first);
  }

  readonly count: TlsReports['count'] = (attempts, options) => this.#current?.count(attempts, options);

  /** What was counted so far is written before the next one looks at the folder. */
  replace(next: TlsReports | undefined): void {
    this.#ended.abort();
    this.#ended = new AbortController();
    const { signal } = this.#ended;
    this.#current = next;
    this.#running = this.#running
      .then(() => next?.run(signal))
      .catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        this.#log.error('tls-reports', { reason });
      });
  }

  async end(): Promise<void> {
    this.#ended.abort();
    await this.#running;
  }
}
