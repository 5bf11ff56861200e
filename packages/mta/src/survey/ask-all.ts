/** Asks about domains, so many at a time, as long as there are some. */

export interface AskAllOptions<Work, Result> {
  /** What comes next; undefined where there is nothing more. */
  readonly next: () => Promise<Work | undefined> | Work | undefined;
  readonly atOnce: number;
  readonly ask: (work: Work) => Promise<Result>;
  /** Waited for before the next is asked about: whoever writes results sets the pace. */
  readonly onResult: (result: Result, work: Work) => Promise<void> | void;
  readonly signal: AbortSignal;
}

/**
 * Resolves when all have been asked about, or `signal` has aborted: what is under way is given up then.
 * @throws (rejects) what `next`, `ask` or `onResult` reject with
 */
export async function askAll<Work, Result>(options: AskAllOptions<Work, Result>): Promise<void> {
  const { next, atOnce, ask, onResult, signal } = options;
  let failure: { readonly reason: unknown } | undefined;
  const worker = async (): Promise<void> => {
    while (!signal.aborted && failure === undefined) {
      try {
        const work = await next();
        if (work === undefined) return;
        await onResult(await ask(work), work);
      } catch (error) {
        if (!signal.aborted) failure ??= { reason: error };
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  if (failure !== undefined) throw failure.reason;
}
