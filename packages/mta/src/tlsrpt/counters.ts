/**
 * The counts of one UTC day: for each report domain and policy, sessions that complied, sessions that failed,
 * and the failures in detail.
 *
 * Whoever can make us send mail can make us count, so everything is bounded. What is over a bound is never
 * miscounted: a domain too many is not counted at all; of a policy or a failure too many the summary is still
 * right, and only what tells it apart is left out.
 */
import { createHash } from 'node:crypto';
import type { FailureDetail, ReportedPolicy, Tally } from './tally.js';

/** Report domains of a day. A cell is about a kilobyte, so these are some tens of megabytes. */
export const MAX_DOMAINS = 20_000;
/** Policies of one report domain: a host each at least, and a change of records during the day. */
export const MAX_POLICIES = 50;
/** Failures that are told apart under one policy; beyond them, by their result type alone. */
export const MAX_DETAILS = 100;
/**
 * Characters of all policies and failures of a day. Beyond them policies and failures are told apart by their
 * types alone, which takes little: a day's file stays well below what is read of one.
 */
export const MAX_CHARACTERS = 24_000_000;

export interface CountedFailure {
  readonly detail: FailureDetail;
  readonly count: number;
}

/** One policy of one report domain on one day. */
export interface Cell {
  readonly reportDomain: string;
  readonly policy: ReportedPolicy;
  readonly successful: number;
  readonly failed: number;
  readonly failures: readonly CountedFailure[];
}

interface OpenCell {
  readonly reportDomain: string;
  readonly policy: ReportedPolicy;
  successful: number;
  failed: number;
  readonly failures: Map<string, { readonly detail: FailureDetail; count: number }>;
}

/** What tells one policy of a domain from another. */
export function policyKey({ type, domain, strings, mxHosts }: ReportedPolicy): string {
  const text = JSON.stringify([type, domain, strings, mxHosts]);
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}

export class DayCounters {
  readonly #domains = new Map<string, Map<string, OpenCell>>();
  readonly #changed = new Set<OpenCell>();
  #dropped = 0;
  #characters = 0;

  /** Tallies that had no room. */
  get dropped(): number {
    return this.#dropped;
  }

  get domains(): readonly string[] {
    return [...this.#domains.keys()];
  }

  /** False where there was no room for the domain. */
  add({ reportDomain, policy, failures }: Tally): boolean {
    const cell = this.#cell(reportDomain, policy);
    if (cell === undefined) return false;
    if (failures.length === 0) cell.successful += 1;
    else cell.failed += 1;
    // A type counts once a session, however many records or names it is about.
    for (const detail of oneOfEach(failures)) this.#count(cell, detail, 1);
    this.#changed.add(cell);
    return true;
  }

  /** Adds what another process counted. */
  merge({ reportDomain, policy, successful, failed, failures }: Cell): void {
    const cell = this.#cell(reportDomain, policy);
    if (cell === undefined) return;
    cell.successful += successful;
    cell.failed += failed;
    for (const each of failures) this.#count(cell, each.detail, each.count);
  }

  /** The cells of one domain, or of all. */
  cells(domain?: string): Cell[] {
    const found = domain === undefined ? [...this.#domains.values()] : [this.#domains.get(domain)];
    return found.flatMap((policies) => [...(policies?.values() ?? [])].map(closed));
  }

  /** The cells that changed since this was last asked. */
  takeChanged(): Cell[] {
    const changed = [...this.#changed].map(closed);
    this.#changed.clear();
    return changed;
  }

  /** They were not written after all. */
  markChanged(cells: readonly Cell[]): void {
    for (const { reportDomain, policy } of cells) {
      const cell = this.#domains.get(reportDomain)?.get(policyKey(policy));
      if (cell !== undefined) this.#changed.add(cell);
    }
  }

  #cell(domain: string, policy: ReportedPolicy): OpenCell | undefined {
    let policies = this.#domains.get(domain);
    if (policies === undefined) {
      if (this.#domains.size >= MAX_DOMAINS) {
        this.#dropped += 1;
        return undefined;
      }
      policies = new Map();
      this.#domains.set(domain, policies);
    }
    const key = policyKey(policy);
    const known = policies.get(key);
    if (known !== undefined) return known;
    // One too many loses its records and hosts, and shares a cell with the others of its type.
    const isKept = policies.size < MAX_POLICIES && this.#characters < MAX_CHARACTERS;
    const kept = isKept ? policy : { ...policy, domain, strings: [], mxHosts: [] };
    const keptKey = policyKey(kept);
    const present = policies.get(keptKey);
    if (present !== undefined) return present;
    const cell = newCell(domain, kept);
    policies.set(keptKey, cell);
    this.#characters += sizeOf(kept);
    return cell;
  }

  #count({ failures }: OpenCell, detail: FailureDetail, by: number): void {
    const key = JSON.stringify(detail);
    const known = failures.get(key);
    if (known !== undefined) {
      known.count += by;
      return;
    }
    const isKept = failures.size < MAX_DETAILS && this.#characters < MAX_CHARACTERS;
    const kept = isKept ? detail : anonymous(detail);
    const keptKey = isKept ? key : JSON.stringify(kept);
    const present = failures.get(keptKey);
    if (present !== undefined) {
      present.count += by;
      return;
    }
    failures.set(keptKey, { detail: kept, count: by });
    this.#characters += keptKey.length;
  }
}

const sizeOf = ({ strings, mxHosts, domain }: ReportedPolicy): number =>
  [domain, ...strings, ...mxHosts].reduce((sum, text) => sum + text.length, 0);

function newCell(reportDomain: string, policy: ReportedPolicy): OpenCell {
  return { reportDomain, policy, successful: 0, failed: 0, failures: new Map() };
}

/** By its result type alone, of which there are eleven. */
function anonymous({ resultType }: FailureDetail): FailureDetail {
  const nobody = { sendingMtaIp: null, receivingMxHostname: null, receivingMxHelo: null, receivingIp: null };
  return { resultType, ...nobody, reason: 'further failures of this type' };
}

function oneOfEach(failures: readonly FailureDetail[]): FailureDetail[] {
  return [...new Map(failures.toReversed().map((failure) => [failure.resultType, failure])).values()];
}

function closed({ reportDomain, policy, successful, failed, failures }: OpenCell): Cell {
  const list = [...failures.values()].map(({ detail, count: times }) => ({ detail, count: times }));
  return { reportDomain, policy, successful, failed, failures: list };
}
