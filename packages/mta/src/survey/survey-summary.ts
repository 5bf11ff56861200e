/** A survey in numbers. It grows with providers and reasons, not with domains. */
import { isIP } from 'node:net';
import { SURVEY_STATUSES, type SurveyReason, type SurveyResult, type SurveyStatus } from './survey-result.js';

/** Providers that are counted; the rest is "others". */
const MAX_PROVIDERS = 100_000;
/** Providers that are shown. */
const SHOWN_PROVIDERS = 20;

export interface ProviderCount {
  /** The last two labels of MX hosts: who runs the servers, roughly. */
  readonly provider: string;
  readonly domains: number;
  readonly dane: number;
  readonly broken: number;
}

export interface SurveySummary {
  readonly domains: number;
  readonly status: Readonly<Record<SurveyStatus, number>>;
  /** Domains by reason; one may have several. */
  readonly reasons: readonly { readonly reason: SurveyReason; readonly domains: number }[];
  /** Usage, selector and matching type of TLSA records that can be used: `3 1 1`. Once for each domain. */
  readonly records: readonly { readonly parameters: string; readonly domains: number }[];
  readonly providers: readonly ProviderCount[];
  readonly sts: number;
  readonly tlsrpt: number;
}

interface Provider {
  domains: number;
  dane: number;
  broken: number;
}

export class SummaryCounter {
  readonly #status = new Map<SurveyStatus, number>();
  readonly #reasons = new Map<SurveyReason, number>();
  readonly #records = new Map<string, number>();
  readonly #providers = new Map<string, Provider>();
  #domains = 0;
  #sts = 0;
  #tlsrpt = 0;

  add({ status, reasons, hosts, sts, tlsrpt }: SurveyResult): void {
    this.#domains += 1;
    if (sts === true) this.#sts += 1;
    if (tlsrpt === true) this.#tlsrpt += 1;
    count(this.#status, status);
    for (const reason of new Set(reasons)) count(this.#reasons, reason);
    const parameters = hosts.flatMap(({ records }) =>
      records.map((record) => record.split(' ').slice(0, 3).join(' ')),
    );
    for (const each of new Set(parameters)) count(this.#records, each);
    for (const provider of new Set(hosts.map(({ host }) => providerOf(host)))) {
      const known = this.#provider(provider);
      known.domains += 1;
      if (status === 'dane') known.dane += 1;
      if (status === 'broken') known.broken += 1;
    }
  }

  get summary(): SurveySummary {
    const providers = [...this.#providers]
      .map(([provider, counts]) => ({ provider, ...counts }))
      .sort((a, b) => b.domains - a.domains || (a.provider < b.provider ? -1 : 1));
    const status = SURVEY_STATUSES.map((each) => [each, this.#status.get(each) ?? 0] as const);
    return {
      domains: this.#domains,
      status: fromEntries(status),
      reasons: byCount(this.#reasons).map(([reason, domains]) => ({ reason, domains })),
      records: byCount(this.#records).map(([parameters, domains]) => ({ parameters, domains })),
      providers: providers.slice(0, SHOWN_PROVIDERS),
      sts: this.#sts,
      tlsrpt: this.#tlsrpt,
    };
  }

  #provider(name: string): Provider {
    const key = this.#providers.size < MAX_PROVIDERS || this.#providers.has(name) ? name : '(others)';
    const known = this.#providers.get(key) ?? { domains: 0, dane: 0, broken: 0 };
    this.#providers.set(key, known);
    return known;
  }
}

function fromEntries(
  entries: readonly (readonly [SurveyStatus, number])[],
): Readonly<Record<SurveyStatus, number>> {
  const counts = { dane: 0, partial: 0, none: 0, broken: 0, 'no-mail': 0, unclear: 0 };
  for (const [status, domains] of entries) counts[status] = domains;
  return counts;
}

function count<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** Equal ones by name: the summary does not depend on which domain came first. */
const byCount = <K extends string>(counts: ReadonlyMap<K, number>): [K, number][] =>
  [...counts].sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1));

function providerOf(host: string): string {
  if (isIP(host.replace(/[[\]]|IPv6:/gu, '')) !== 0) return host;
  return host.toLowerCase().split('.').slice(-2).join('.');
}
