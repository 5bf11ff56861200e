/** What a transaction says of the message for each recipient, and what follows from it. */
import type { SmtpFault } from './fault.js';
import type { Mailbox } from './mailbox.js';
import type { Reply } from './reply.js';
import type { Stage } from './timeouts.js';

/** What became of the message for one recipient. */
export type Verdict =
  /** The server has taken responsibility (section 4.2.5). */
  | { readonly status: 'accepted'; readonly reply: Reply }
  /** Refused for good: by the server's 5yz reply, or by us because the server can't carry the message. */
  | {
      readonly status: 'refused';
      readonly reply: Reply | undefined;
      readonly enhanced?: string;
      /** What the reply was to; undefined where nobody was asked. */
      readonly stage: Stage | undefined;
      readonly reason: string;
    }
  /** Refused for now, with 4yz. */
  | { readonly status: 'later'; readonly reply: Reply; readonly stage: Stage; readonly reason: string }
  /**
   * The connection was lost. `inDoubt`: after the final dot, so nobody knows whether the server has the
   * message.
   */
  | {
      readonly status: 'lost';
      readonly fault: SmtpFault;
      readonly inDoubt: boolean;
      readonly reason: string;
    };

export interface RecipientVerdict {
  readonly recipient: Mailbox;
  readonly verdict: Verdict;
}

/** Whether another server is not to be asked. */
export function isLastWord(verdict: Verdict): boolean {
  switch (verdict.status) {
    case 'accepted':
    case 'refused':
      return true;
    case 'later':
      return false;
    case 'lost':
      return verdict.inDoubt || verdict.fault.kind === 'withheld';
    default: {
      const never: never = verdict;
      return never;
    }
  }
}

/** Whether the server has the message now, for all we know: sent once more it would arrive twice. */
export function mayHaveMessage(verdict: Verdict): boolean {
  switch (verdict.status) {
    case 'accepted':
      return true;
    case 'refused':
    case 'later':
      return false;
    case 'lost':
      return verdict.inDoubt;
    default: {
      const never: never = verdict;
      return never;
    }
  }
}
