/** Whether a sender is told what became of a recipient (RFC 3461). Pure. */
import type { Notify } from '../queue/queue.js';

/** RFC 3464 section 2.3.3. */
export type DsnAction = 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded';

/**
 * @param notify what the sender asked for; undefined where he did not say
 * @param from the reverse-path of the message; empty for the null one
 */
export function dsnDue(notify: Notify | undefined, action: DsnAction, from: string): boolean {
  // Section 5.2: "A DSN MUST NOT be returned ... for any message for which the return address ... was NULL".
  if (from === '' || notify === 'never') return false;
  switch (action) {
    case 'failed': // section 5.2.6, 5.2.2 (c) and (f)
      return notify === undefined || notify.includes('failure');
    case 'delayed': // section 5.2.5: (b) may be told where nothing was said
      return notify === undefined || notify.includes('delay');
    case 'delivered': // section 5.2.3
    case 'relayed': // section 5.2.2 (b) and (e)
    case 'expanded': // section 5.2.7.3 (c)
      return notify?.includes('success') ?? false;
    default: {
      const never: never = action;
      return never;
    }
  }
}

/**
 * What it is to the sender that the next hop took the message over SMTP. One that offers DSN reports itself, and nothing
 * is due from us (section 5.2.1); one that does not leaves it at "relayed" (section 5.2.2 (b)).
 *
 * @param outcome `RecipientOutcome` of @danelaw/smtp, whose `dsn` tells of the offer
 */
export function actionOfHandover(outcome: { readonly dsn?: true }): 'relayed' | undefined {
  return outcome.dsn === true ? undefined : 'relayed';
}
