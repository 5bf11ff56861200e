/** Asks about many domains, so many at a time; results come as they are ready. */
import { askAll } from './ask-all.js';
import type { SurveyResult } from './survey-result.js';

export interface RunOptions {
  readonly domains: Iterable<string>;
  readonly atOnce: number;
  readonly survey: (domain: string) => Promise<SurveyResult>;
  /** Waited for before the next domain is asked about: whoever writes results sets the pace. */
  readonly onResult: (result: SurveyResult) => Promise<void> | void;
  readonly signal: AbortSignal;
  /** Waited for before the second time around; resolves at once when `signal` aborts. */
  readonly rest?: () => Promise<void>;
}

/** The second time around so many fewer domains are asked about at a time. */
const CALMER = 10;

export const calmer = (atOnce: number): number => Math.max(1, Math.floor(atOnce / CALMER));

/**
 * What could not be found out is asked about once more, when all others have been and with more calm: name servers
 * that had too much to do are asked again that way, and those that were silent, after a rest.
 *
 * Resolves when all have been asked about, or `signal` has aborted: what is under way is given up then, and is
 * asked about by the next run. @throws (rejects) what `survey` or `onResult` reject with
 */
export async function runSurvey(options: RunOptions): Promise<void> {
  const { domains, atOnce, survey, onResult, signal, rest } = options;
  const unclear: string[] = [];
  const first = (result: SurveyResult): Promise<void> | void => {
    if (result.status !== 'unclear') return onResult(result);
    unclear.push(result.domain);
  };
  await askAll({ next: nextOf(domains), atOnce, ask: survey, onResult: first, signal });
  if (unclear.length === 0 || signal.aborted) return;
  await rest?.();
  await askAll({ next: nextOf(unclear), atOnce: calmer(atOnce), ask: survey, onResult, signal });
}

function nextOf(domains: Iterable<string>): () => string | undefined {
  const iterator: Iterator<string, undefined> = domains[Symbol.iterator]();
  return () => iterator.next().value;
}
