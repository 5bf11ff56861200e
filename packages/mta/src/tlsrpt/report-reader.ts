/**
 * Reports that others send us: JSON as RFC 8460 section 4.4 has it, from whoever has written it.
 *
 * Anybody can send us one (section 7: "Untrusted content"), so everything is bounded, and nothing is believed
 * to have the right type before it has been looked at. Where senders differ from the RFC in harmless ways -
 * an `mx-host` that is no list, numbers in quotes, fields that are missing - the report is read all the same,
 * and the differences are told.
 */
import { isObject } from './cell-record.js';

/** Octets of a report, uncompressed: "a commonly observed receiver limit is ten megabytes" (section 5.2). */
export const MAX_REPORT_OCTETS = 50 * 1024 * 1024;
/** Policies of one report, and failures of one policy, that are read. */
const MAX_LIST = 10_000;
/** Characters of a text that are kept. */
const MAX_TEXT = 1_000;

export interface ReadReport {
  readonly organization: string;
  readonly contact: string;
  readonly reportId: string;
  readonly start: string;
  readonly end: string;
  readonly policies: readonly ReadPolicy[];
  /** Where it is not as the RFC has it. */
  readonly notes: readonly string[];
}

export interface ReadPolicy {
  readonly type: string;
  readonly strings: readonly string[];
  readonly domain: string;
  readonly mxHosts: readonly string[];
  readonly successful: number;
  readonly failed: number;
  readonly failures: readonly ReadFailure[];
}

export interface ReadFailure {
  readonly resultType: string;
  readonly count: number;
  readonly sendingMtaIp: string | null;
  readonly receivingMxHostname: string | null;
  readonly receivingMxHelo: string | null;
  readonly receivingIp: string | null;
  readonly additionalInformation: string | null;
  readonly reason: string | null;
}

/** It is no TLS report. */
export class ReportError extends Error {
  override readonly name = 'ReportError';
}

/** @throws ReportError */
export function readReport(octets: Uint8Array): ReadReport {
  if (octets.length > MAX_REPORT_OCTETS)
    throw new ReportError(`it is larger than ${MAX_REPORT_OCTETS} octets`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(octets));
  } catch (error) {
    throw new ReportError(`it is no JSON: ${error instanceof Error ? error.message.slice(0, 100) : error}`);
  }
  if (!isObject(value)) throw new ReportError('it is no JSON object');
  return new Reader().report(value);
}

type Table = Readonly<Record<string, unknown>>;

class Reader {
  readonly #notes = new Set<string>();

  report(value: Table): ReadReport {
    const { policies } = value;
    if (!Array.isArray(policies))
      throw new ReportError('it has no list of "policies" (RFC 8460 section 4.4)');
    if (policies.length > MAX_LIST)
      this.#note(`only the first ${MAX_LIST} of ${policies.length} policies were read`);
    const range = this.#table(value, 'date-range');
    const read = policies.slice(0, MAX_LIST).flatMap((each) => {
      if (isObject(each)) return [this.#policy(each)];
      this.#note('a policy is no object');
      return [];
    });
    return {
      organization: this.#text(value, 'organization-name') ?? 'somebody',
      contact: this.#text(value, 'contact-info') ?? '',
      reportId: this.#text(value, 'report-id') ?? '',
      start: this.#text(range, 'start-datetime') ?? '',
      end: this.#text(range, 'end-datetime') ?? '',
      policies: read,
      notes: [...this.#notes],
    };
  }

  #policy(value: Table): ReadPolicy {
    const policy = this.#table(value, 'policy');
    const summary = this.#table(value, 'summary');
    const details = value['failure-details'] ?? [];
    if (!Array.isArray(details)) this.#note('"failure-details" is no list');
    const list: unknown[] = Array.isArray(details) ? details : [];
    if (list.length > MAX_LIST) this.#note(`only the first ${MAX_LIST} of ${list.length} failures were read`);
    return {
      type: this.#text(policy, 'policy-type') ?? 'unknown',
      strings: this.#texts(policy, 'policy-string'),
      domain: (this.#text(policy, 'policy-domain') ?? '').toLowerCase(),
      mxHosts: this.#texts(policy, 'mx-host'),
      successful: this.#count(summary, 'total-successful-session-count'),
      failed: this.#count(summary, 'total-failure-session-count'),
      failures: list.slice(0, MAX_LIST).flatMap((each) => (isObject(each) ? [this.#failure(each)] : [])),
    };
  }

  #failure(value: Table): ReadFailure {
    return {
      resultType: this.#text(value, 'result-type') ?? 'unknown',
      count: this.#count(value, 'failed-session-count'),
      sendingMtaIp: this.#optional(value, 'sending-mta-ip'),
      receivingMxHostname: this.#optional(value, 'receiving-mx-hostname'),
      receivingMxHelo: this.#optional(value, 'receiving-mx-helo'),
      receivingIp: this.#optional(value, 'receiving-ip'),
      additionalInformation: this.#optional(value, 'additional-information'),
      reason: this.#optional(value, 'failure-reason-code'),
    };
  }

  #table(value: Table, key: string): Table {
    const table = value[key];
    if (isObject(table)) return table;
    this.#note(`"${key}" is missing or no object`);
    return {};
  }

  #text(value: Table, key: string): string | undefined {
    const text = value[key];
    if (typeof text === 'string') return text.slice(0, MAX_TEXT);
    this.#note(`"${key}" is missing or no text`);
    return undefined;
  }

  #optional(value: Table, key: string): string | null {
    const text = value[key];
    if (text === undefined || text === null || text === '') return null;
    if (typeof text === 'string') return text.slice(0, MAX_TEXT);
    this.#note(`"${key}" is no text`);
    return null;
  }

  #texts(value: Table, key: string): readonly string[] {
    const list = value[key];
    if (list === undefined || list === null) return [];
    // Many write a single `mx-host` as a text; RFC 8460's own example does.
    if (typeof list === 'string') return [list.slice(0, MAX_TEXT)];
    if (Array.isArray(list)) {
      const texts = list.slice(0, MAX_LIST).filter((each) => typeof each === 'string');
      return texts.map((each) => each.slice(0, MAX_TEXT));
    }
    this.#note(`"${key}" is no list of texts`);
    return [];
  }

  #count(value: Table, key: string): number {
    const count = value[key];
    const number = typeof count === 'string' && /^[0-9]{1,15}$/u.test(count) ? Number(count) : count;
    if (typeof count === 'string') this.#note(`"${key}" is a text and should be a number`);
    if (typeof number === 'number' && Number.isSafeInteger(number) && number >= 0) return number;
    this.#note(`"${key}" is missing or no count`);
    return 0;
  }

  #note(words: string): void {
    if (this.#notes.size < 20) this.#notes.add(words);
  }
}
