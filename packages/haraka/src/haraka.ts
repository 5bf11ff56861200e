/**
 * As much of Haraka as the plugin touches, as version 3.3 has it (`plugins.js`, `outbound/hmail.js`). Haraka brings no
 * types of its own.
 */
import type { Readable } from 'node:stream';
import type { Delivery } from '@danelaw/smtp';
import type { ConfigReader } from './options.js';

/** What a hook says: go on with the next plugin, or one of the codes that Haraka puts into the global scope. */
export type Next = (code?: number, message?: string) => void;

declare global {
  /** `get_mx`: try again later. Set by Haraka (`haraka-constants`) before a plugin's hooks are called. */
  var DENYSOFT: number;
}

/** The plugin itself: `this` in each of its functions. */
export interface Plugin {
  /** Seconds after which Haraka goes on without the hook's answer; 0 for never. */
  timeout: number;
  readonly config: ConfigReader;
  register_hook(hook: string, method: string, priority?: number): void;
  loginfo(message: string): void;
}

/** A mailbox of the envelope, and what a bounce will say about it. */
export interface Recipient {
  /** `local@domain`. */
  readonly address: string;
  reason?: string;
  dsn_action?: 'delivered' | 'delayed' | 'failed';
  /** RFC 3463. */
  dsn_status?: string | undefined;
  dsn_smtp_code?: string;
  dsn_smtp_extc?: string;
  dsn_smtp_response?: string;
  dsn_remote_mta?: string;
}

/** A queue file: one message for one domain's recipients. */
export interface QueuedMail {
  readonly filename: string;
  readonly todo: {
    readonly domain: string;
    readonly mail_from: { readonly address: string };
    readonly rcpt_to: readonly Recipient[];
    readonly notes: { readonly outbound_helo?: unknown; readonly outbound_ip?: unknown };
  };
  /** Ours: what the latest attempt proved. `notes` won't do, as all queue files of one message have them in common. */
  danelaw?: Delivery | undefined;
  /** Plugins that are still to be asked. Haraka runs no other hook before the list is empty. */
  hooks_to_run?: unknown[];
  /** Results that have to be there before the file is removed. */
  refcount: number;
  /** The message, dots doubled as on the wire. */
  data_stream(): Readable;
  temp_fail(reason: string, extra?: { readonly fail_recips?: readonly Recipient[] }): void;
  bounce(reason: string, extra?: { readonly bounce_recips?: readonly Recipient[] }): void;
  delivered(
    ip: string,
    port: number,
    mode: 'SMTP',
    host: string,
    response: string,
    delivered: readonly Recipient[],
    deferred: readonly Recipient[],
    failed: readonly Recipient[],
    secured: boolean,
    loggedIn: boolean,
  ): void;
  /** Takes back one reference, and removes the file with the last one. */
  discard(): void;
  /** Makes a queue file of its own for some of the recipients. */
  split_to_new_recipients(
    recipients: readonly Recipient[],
    reason: string,
    done: (split: QueuedMail) => void,
  ): void;
  loginfo(message: string): void;
  lognotice(message: string): void;
  logerror(message: string): void;
}
