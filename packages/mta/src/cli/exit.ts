/**
 * How a command ends: the exit codes of sysexits.h, and the error that carries one.
 *
 * Scripts decide by the code alone whether to try again (75), to give up (69) or to wake a person (64, 65,
 * 66, 78), so the code is part of each error, chosen where the error is understood.
 */
export const EXIT = {
  OK: 0,
  /** Of `danelaw watch --once` alone: what Nagios and its like understand. */
  MONITOR_WARNING: 1,
  MONITOR_CRITICAL: 2,
  MONITOR_UNKNOWN: 3,
  /** EX_USAGE: the command line is wrong. */
  USAGE: 64,
  /** EX_DATAERR: what was to be sent is malformed. */
  DATA: 65,
  /** EX_NOINPUT: a file that was to be sent can't be read. */
  NO_INPUT: 66,
  /** EX_UNAVAILABLE: permanent failure; trying again won't help. */
  UNAVAILABLE: 69,
  /** EX_SOFTWARE: a fault in danelaw itself. */
  SOFTWARE: 70,
  /** EX_CANTCREAT: a file can't be written. */
  CANT_CREATE: 73,
  /** EX_IOERR: whoever read the output went away before its end, and half of it is worth nothing. */
  OUTPUT: 74,
  /** EX_TEMPFAIL: nothing is decided; try again later. */
  TEMPORARY: 75,
  /** EX_NOPERM: a server does not permit it; a person has to change that. */
  NO_PERMISSION: 77,
  /** EX_CONFIG: trust anchors, root hints or the system's resolver settings are unusable. */
  CONFIG: 78,
  /** 128 + SIGINT, as shells count: ended by the person at the keyboard. */
  INTERRUPTED: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** An error that a person can mend, told in one sentence or two, with the exit code it ends in. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** 69 if anything failed for good, else 75 if anything has to be tried again, else 0. */
export function worstOf(outcomes: Iterable<'fine' | 'temporary' | 'permanent'>): ExitCode {
  let code: ExitCode = EXIT.OK;
  for (const outcome of outcomes) {
    if (outcome === 'permanent') return EXIT.UNAVAILABLE;
    if (outcome === 'temporary') code = EXIT.TEMPORARY;
  }
  return code;
}
