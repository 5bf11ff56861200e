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

/**
 * Resolves when all have been asked about, or `signal` has aborted: what is under way is given up then, and is
 * asked about by the next run. @throws (rejects) what `survey` or `onResult` reject with
 */
export async function runSurvey({ domains, atOnce, survey, onResult, signal }: RunOptions): Promise<void> {
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
