/** What a watch counts, for Prometheus. */
import { Counter, Gauge, Registry } from 'prom-client';
import type { Look } from './look.js';
import { LEVELS } from './problem.js';

export class WatchMetrics {
  readonly #registry = new Registry();
  readonly #problems = new Gauge({
    name: 'danelaw_watch_problems',
    help: 'Problems of a domain, by level',
    labelNames: ['domain', 'level'],
    registers: [this.#registry],
  });
  readonly #byCode = new Gauge({
    name: 'danelaw_watch_problems_by_code',
    help: 'Problems of a domain, by code; 0 where there were some and there are none now',
    labelNames: ['domain', 'code'],
    registers: [this.#registry],
  });
  /** Codes that a domain has had. */
  readonly #codes = new Map<string, Set<string>>();
  readonly #looked = new Gauge({
    name: 'danelaw_watch_look_timestamp_seconds',
    help: 'When the domain was last looked at',
    labelNames: ['domain'],
    registers: [this.#registry],
  });
  readonly #signatures = new Gauge({
    name: 'danelaw_watch_signatures_end_timestamp_seconds',
    help: "When the first of the DNSSEC signatures ends that the domain's mail rests on",
    labelNames: ['domain'],
    registers: [this.#registry],
  });
  readonly #certificates = new Gauge({
    name: 'danelaw_watch_certificates_end_timestamp_seconds',
    help: 'When the first of the certificates ends whose date a sender looks at',
    labelNames: ['domain'],
    registers: [this.#registry],
  });
  readonly #alerts = new Counter({
    name: 'danelaw_watch_alerts_total',
    help: 'Times that news were told, by channel and outcome',
    labelNames: ['channel', 'outcome'],
    registers: [this.#registry],
  });

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  look({ domain, problems, signaturesEnd, certificatesEnd }: Look, now: number): void {
    for (const level of LEVELS) {
      this.#problems.set({ domain, level }, problems.filter((each) => each.level === level).length);
    }
    const codes = this.#codes.get(domain) ?? new Set();
    this.#codes.set(domain, codes);
    for (const { code } of problems) codes.add(code);
    for (const code of codes) {
      this.#byCode.set({ domain, code }, problems.filter((each) => each.code === code).length);
    }
    this.#looked.set({ domain }, now / 1000);
    set(this.#signatures, domain, signaturesEnd);
    set(this.#certificates, domain, certificatesEnd);
  }

  told(channel: string, outcome: 'taken' | 'failed'): void {
    this.#alerts.inc({ channel, outcome });
  }
}

function set(gauge: Gauge<'domain'>, domain: string, time: number | undefined): void {
  if (time === undefined) gauge.remove({ domain });
  else gauge.set({ domain }, time / 1000);
}
