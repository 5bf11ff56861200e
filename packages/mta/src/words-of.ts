/** What went wrong, in the words of whoever found it; anything may be thrown. */
export const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
