/**
 * Leave to open a connection: asked of whoever counts connections, given back when the connection is gone.
 *
 * The scheduler of a relay limits how many connections a server gets. It gives permits; a connection holds
 * one from before it is opened until it has ended for good, idle time in the pool included. With the permit
 * comes back how the server took it, which is what slow start and back-off learn from.
 */
import type { SmtpFault } from './fault.js';
import type { Transaction } from './transaction.js';

/**
 * `busy`: the server said 421, or 4yz to the greeting, EHLO or MAIL: it wants less of us. `failed`: it could
 * not be reached, or the connection broke. `ok`: anything else, a message that was refused included.
 */
export type ConnectionReport = 'ok' | 'failed' | 'busy';

export interface Permit {
  /** Called once, when the connection has ended for good. */
  release(report: ConnectionReport): void;
}

/**
 * Resolves when a new connection may be opened. `signal` aborts when nobody waits any longer; a permit that
 * comes nevertheless is released at once.
 */
export type Admit = (
  target: { readonly host: string; readonly address: string; readonly port: number },
  signal?: AbortSignal,
) => Promise<Permit>;

/** How a connection that came to nothing is reported. */
export function reportOf({ kind, stage, reply }: SmtpFault): ConnectionReport {
  switch (kind) {
    case 'connect':
    case 'timeout':
    case 'closed':
    case 'protocol':
      return 'failed';
    case 'refused': {
      const early = stage === 'greeting' || stage === 'ehlo' || stage === 'mail';
      const code = reply?.code ?? 0;
      return code === 421 || (early && code >= 400 && code < 500) ? 'busy' : 'ok';
    }
    case 'starttls-not-offered':
    case 'handshake':
    case 'unauthenticated':
    case 'login':
    case 'requiretls-not-offered':
    case 'deadline':
    case 'withheld':
      return 'ok';
    default: {
      const never: never = kind;
      return never;
    }
  }
}

/** How the connection of a transaction is reported, had it ended with it. */
export function transactionReport({ verdicts, fault }: Transaction): ConnectionReport {
  if (fault !== undefined) return reportOf(fault);
  const refusedMail = verdicts.some(({ verdict }) => verdict.status === 'later' && verdict.stage === 'mail');
  return refusedMail ? 'busy' : 'ok';
}
