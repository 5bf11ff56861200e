/** What is common to all files in the folder of a roll-over. */
/** Private keys may be beside it. */
export const FILE_MODE = 0o600;

/** The folder can't be used; the message is for people. */
export class RolloverStateError extends Error {
  override readonly name = 'RolloverStateError';
}
