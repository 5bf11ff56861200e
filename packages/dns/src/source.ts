/** Where answers come from: a forwarder to other resolvers, or our own walk from the root. Nothing it says is trusted yet. */
import type { ExtendedError } from './lookup.js';
import type { Message } from './message.js';
import type { Name } from './name.js';
import type { TrustAnchor } from './trust-anchor.js';

export interface Source {
  /**
   * Asks one question.
   * @returns a reply that is NOERROR, NXDOMAIN or YXDOMAIN, checked to be one to this question; or why there is none
   * @throws (rejects) only when `signal` aborts
   */
  ask(question: { readonly name: Name; readonly type: number }, signal?: AbortSignal): Promise<Exchanged>;
  /**
   * After a look-up failed: looks whether the network has changed.
   * @returns true where questions go another way from now on, so that asking again is worth it
   */
  reconsider?(): Promise<boolean>;
  /** The trust anchors have changed (RFC 5011): what is probed is probed by these. */
  trust?(anchors: readonly TrustAnchor[]): void;
  /** Whom the questions go to now, for people. */
  readonly via?: string;
  close(): Promise<void>;
}

export type Exchanged = Reply | NoReply;

export interface Reply {
  readonly kind: 'reply';
  readonly message: Message;
  /** Who sent it, for people: `127.0.0.1#53`. */
  readonly server: string;
}

export interface NoReply {
  readonly kind: 'failure';
  readonly reason: string;
  readonly rcode?: string;
  readonly ede: ExtendedError;
  /** So many servers were to be asked, and the network has a way to none of them. */
  readonly unreached?: number;
}
