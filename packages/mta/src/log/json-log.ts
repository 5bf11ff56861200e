/**
 * The log as JSON lines (pino): one for each event, for whatever collects logs.
 *
 *     {"level":"info","time":"2026-11-25T15:04:05.678Z","event":"delivered","id":"01kb...","to":"you@example.org",...}
 *
 * Lines are written in blocks behind the work's back, a fifth of a second after they were made at the latest; errors, and
 * everything at the end of the program, at once.
 */
import { destination, pino, stdTimeFunctions } from 'pino';
import type { RelayLog } from './relay-log.js';

export interface ClosableLog extends RelayLog {
  /** Writes what is waiting. */
  flush(): void;
}

/** Octets that are written at a time. */
const BLOCK = 8 * 1024;
/** Milliseconds. */
const AT_LATEST = 200;

/** @param fd 1 is standard output */
export function jsonLog(fd: number, level: 'info' | 'warn' | 'error'): ClosableLog {
  const file = destination({ fd, minLength: BLOCK, sync: false, periodicFlush: AT_LATEST });
  const log = pino(
    {
      level,
      base: null,
      messageKey: 'event',
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    file,
  );
  return {
    info: (event, fields) => log.info(fields, event),
    warn: (event, fields) => log.warn(fields, event),
    error: (event, fields) => {
      log.error(fields, event);
      file.flush();
    },
    flush: () => {
      try {
        file.flushSync();
      } catch {
        // Not open yet, or gone: there is nobody to write to.
      }
    },
  };
}
