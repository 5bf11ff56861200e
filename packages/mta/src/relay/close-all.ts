/**
 * Closes what was opened, the last first: nobody uses what is closed already. What can't be closed is told of, and
 * keeps nothing else from being closed.
 */
export async function closeAll(
  opened: readonly (() => Promise<void>)[],
  tell: (error: unknown) => void,
): Promise<void> {
  for (const close of opened.toReversed()) {
    try {
      await close();
    } catch (error) {
      tell(error);
    }
  }
}
