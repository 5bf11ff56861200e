/** Asks about many domains, so many at a time; results come as they are ready. */
import type { SurveyResult } from './survey-result.js';

export interface RunOptions {
  readonly domains: Iterable<string>;
  readonly atOnce: number;
  readonly survey: (domain: string) => Promise<SurveyResult>;
  /** Waited for before the next domain is asked about: whoever writes results sets the pace. */
  readonly onResult: (result: SurveyResult) => Promise<void> | void;
  readonly signal: AbortSignal;
}

/** The second time around so many fewer domains are asked about at a time. */
const CALMER = 10;

/**
 * What could not be found out is asked about once more, when all others have been and with more calm: name servers
 * that had too much to do are asked again that way.
 *
 * Resolves when all have been asked about, or `signal` has aborted: what is under way is given up then, and is
 * asked about by the next run. @throws (rejects) what `survey` or `onResult` reject with
 */
export async function runSurvey(options: RunOptions): Promise<void> {
  const { atOnce, onResult, signal } = options;
  const unclear: string[] = [];
  await askAll({
    ...options,
    onResult: (result) => {
      if (result.status !== 'unclear') return onResult(result);
      unclear.push(result.domain);
    },
  });
  if (unclear.length === 0 || signal.aborted) return;
  await askAll({ ...options, domains: unclear, atOnce: Math.max(1, Math.floor(atOnce / CALMER)) });
}

async function askAll({ domains, atOnce, survey, onResult, signal }: RunOptions): Promise<void> {
  const waiting = domains[Symbol.iterator]();
  let failure: { readonly reason: unknown } | undefined;
  const worker = async (): Promise<void> => {
    while (!signal.aborted && failure === undefined) {
      const { done, value } = waiting.next();
      if (done) return;
      try {
        await onResult(await survey(value));
      } catch (error) {
        if (!signal.aborted) failure ??= { reason: error };
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  if (failure !== undefined) throw failure.reason;
}
