/**
 * What a failure of the database means for the queue.
 *
 * PostgreSQL says it with SQLSTATE, five characters whose first two are the class. What has none comes from
 * the driver, and is about the connection. Three kinds matter: nothing was done and it may be tried again
 * (`Interrupted`); no room; and nothing that another try would mend. Whatever is left is about the data that
 * were sent, and concerns those alone who sent them.
 *
 * No message has a secret in it: the driver's name users and hosts, never a password.
 */
import pg from 'pg';
import { QueueFullError, QueueUnavailableError, QueueUnusableError } from '../queue.js';

/** Surely nothing was done. Another try, on another connection, may succeed. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  /** The connection is of no use any more. */
  readonly connectionLost: boolean;

  constructor(message: string, connectionLost: boolean, cause: unknown) {
    super(message, { cause });
    this.connectionLost = connectionLost;
  }
}

/** The server is going down, is not up yet, is out of connections, or has ended ours. */
const CONNECTION_STATES = new Set(['57P01', '57P02', '57P03', '57P04', '57P05', '25P03', '25P04', '53300']);
/** Serialisation failure, deadlock, lock time-out, statement time-out. */
const RETRY_STATES = new Set(['40001', '40P01', '55P03', '57014']);
const DISK_FULL = '53100';
/** Read-only (a standby), no privilege, no such database, schema, table, column. */
const UNUSABLE_STATES = new Set(['25006', '42501', '3D000', '3F000', '42P01', '42703']);
const DATA_CORRUPTED = new Set(['XX001', 'XX002']);

/** An error as the queue's own; others are given back as they are. */
export function understand(error: unknown): Error {
  if (error instanceof QueueUnusableError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const state = sqlState(error);
  if (state === undefined) {
    if (isSetUpWrongly(error)) {
      return new QueueUnusableError(`the connection to the database can't be made: ${text}`, {
        cause: error,
      });
    }
    return new Interrupted(`the connection to the database failed: ${text}`, true, error);
  }
  const said = `the database says: ${text} (SQLSTATE ${state})`;
  if (state.startsWith('08') || CONNECTION_STATES.has(state)) return new Interrupted(said, true, error);
  if (RETRY_STATES.has(state)) return new Interrupted(said, false, error);
  if (state === DISK_FULL) return new QueueFullError(`no room in the database: ${text}`, { cause: error });
  if (state.startsWith('28') || UNUSABLE_STATES.has(state)) {
    return new QueueUnusableError(`the queue in the database can't be used: ${text} (SQLSTATE ${state})`, {
      cause: error,
    });
  }
  return error instanceof Error ? error : new Error(text);
}

/** A failure of one member's data: the others of its batch have nothing to do with it. */
export function concernsOneMember(error: unknown): boolean {
  const ours =
    error instanceof Interrupted ||
    error instanceof QueueFullError ||
    error instanceof QueueUnusableError ||
    error instanceof QueueUnavailableError;
  return !ours;
}

/** A damaged page of a table, or a piece of a large value that is gone. */
export function isCorruption(error: unknown): boolean {
  const state = sqlState(error);
  return state !== undefined && DATA_CORRUPTED.has(state);
}

/** No password for a server that wants one; no TLS where it is demanded, or a certificate that does not hold. */
function isSetUpWrongly(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? String(error.code) : '';
  return /^SASL|does not support SSL/u.test(error.message) || /CERT|^ERR_TLS|^ERR_SSL/u.test(code);
}

function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined;
}
