/**
 * From an address to a session that may carry mail: connect, greeting, EHLO, STARTTLS, EHLO again - under one
 * policy.
 *
 * A session is open only when its policy is satisfied. Whatever stands against that - no STARTTLS where TLS
 * is a must, a chain that does not match - ends the connection before MAIL FROM, and is told with all that
 * was learned by then.
 *
 * What the connection is, is its `Channel`; what this destination may say of it, is in the `Session`. The
 * former may be shared (`share-session.ts`), the latter never.
 */
import type { Roots } from '@danelaw/dane';
import { type Capabilities, NO_CAPABILITIES, readCapabilities, serverNameOf } from './capabilities.js';
import { Channel, type ClearCause } from './channel.js';
import { type Connect, Connection, type Target } from './connection.js';
import { type FaultKind, refused, SmtpFault } from './fault.js';
import type { JudgedFailure, Verify } from './judge.js';
import { logIn, refuseClearLogin, type WantedLogin } from './login.js';
import type { StartTlsPolicy, TlsPolicy } from './policy.js';
import { formatReply, type Reply } from './reply.js';
import { requireTlsFault } from './require-tls.js';
import { upgrade } from './starttls.js';
import type { Resumption } from './ticket-store.js';
import type { Stage, Timeouts } from './timeouts.js';
import type { TlsFacts } from './tls-facts.js';

export interface SessionOptions {
  readonly target: Target;
  readonly policy: TlsPolicy;
  /** The name that EHLO says: ours, fully qualified (RFC 5321 section 4.1.1.1), or an address literal. */
  readonly heloName: string;
  readonly connect: Connect;
  readonly verify: Verify;
  /** Who is trusted where DANE has no part; the Web's roots where it is left out. */
  readonly roots?: Roots | undefined;
  /** RFC 8689: the message needs a server that is authenticated and offers REQUIRETLS. */
  readonly requireTls?: boolean | undefined;
  /** The relay wants to know who we are. */
  readonly login?: WantedLogin | undefined;
  /** TLS sessions of earlier connections; every handshake is a full one where it is left out. */
  readonly resumption?: Resumption | undefined;
  readonly timeouts: Timeouts;
  readonly clock: () => number;
  readonly signal?: AbortSignal | undefined;
  readonly deadline?: AbortSignal | undefined;
}

/** A session that satisfies its policy. Whoever opened it ends it, or gives its channel to a pool. */
export interface Session {
  readonly channel: Channel;
  readonly connection: Connection;
  readonly capabilities: Capabilities;
  /** Null where the session is in clear text. */
  readonly tls: TlsFacts | null;
  /** What the server was lenient or strange about, for people. */
  readonly notes: readonly string[];
  /** What failed and does not stop the delivery: audits, MTA-STS in testing mode, `TLS-Required: No`. */
  readonly overlooked: readonly JudgedFailure[];
  readonly ends: Ends;
  readonly origin: ConnectionOrigin;
  /** Milliseconds of the TLS handshake; null in clear text, and where an earlier message paid for it. */
  readonly handshake: number | null;
}

/** Who was at the two ends of a connection, as far as it came. */
export interface Ends {
  /** Our address. */
  readonly sourceAddress: string | null;
  /** The name with which the server answered EHLO. */
  readonly ehloName: string | null;
}

/**
 * `new`: opened for this attempt, with a full handshake where there was one. `resumed`: opened for it, with
 * the TLS session of an earlier connection. `shared`: had carried messages before.
 */
export type ConnectionOrigin = 'new' | 'resumed' | 'shared';

export type OpenedSession = { readonly status: 'open'; readonly session: Session } | FailedSession;

export interface FailedSession {
  readonly status: 'failed';
  readonly fault: SmtpFault;
  /** What was known about the TLS session when it was given up; null where there was none. */
  readonly tls: TlsFacts | null;
  /** Why the server was not authenticated, by everyone's measure. */
  readonly failures: readonly JudgedFailure[];
  readonly ends: Ends;
  /** Null where nobody was connected to. */
  readonly origin: ConnectionOrigin | null;
  /** Milliseconds of the TLS handshake; null where none was completed. */
  readonly handshake: number | null;
}

type OpenSession = Extract<OpenedSession, { status: 'open' }>;

/** What a policy says of a channel, as the session that a message is sent in. */
export function sessionOn(
  channel: Channel,
  verdict: Pick<Session, 'tls' | 'notes' | 'overlooked' | 'origin' | 'handshake'>,
): Session {
  const { connection, capabilities, ends } = channel;
  return { channel, connection, capabilities, ends, ...verdict };
}

/** Opens a session to one address. Rejects only when the caller's signal aborts. */
export async function openSession(options: SessionOptions): Promise<OpenedSession> {
  let connection: Connection | undefined;
  let tls: TlsFacts | null = null;
  let failures: readonly JudgedFailure[] = [];
  let ends: Ends = { sourceAddress: null, ehloName: null };
  let origin: ConnectionOrigin | null = null;
  let handshake: number | null = null;
  try {
    connection = await Connection.open(options);
    origin = 'new';
    ends = { ...ends, sourceAddress: connection.socket.localAddress ?? null };
    await greeting(connection);
    const clear = await hello(connection, options);
    ends = { ...ends, ehloName: clear.serverName };
    const agreed = await agreeOnTls(connection, clear, options.policy);
    if (agreed.next === 'clear') {
      if (options.login !== undefined) refuseClearLogin(options.login);
      return inClear(connection, clear, agreed, ends);
    }
    const upgraded = await upgrade(connection, { ...options, policy: agreed.policy });
    const { rejected, overlooked, secured, resumed } = upgraded;
    tls = upgraded.tls;
    failures = upgraded.failures;
    handshake = upgraded.handshake;
    origin = resumed ? 'resumed' : 'new';
    if (rejected !== undefined) throw rejected;
    // RFC 3207 section 4.2: what the server offers is asked anew; `clear` is not looked at again.
    const capabilities = await hello(connection, options);
    const missing = options.requireTls === true ? requireTlsFault(tls, capabilities) : undefined;
    if (missing !== undefined) throw missing;
    if (options.login !== undefined) await logIn(connection, capabilities, options.login);
    const facts = { connection, capabilities, ends, secured, clearCause: undefined, resumed };
    const channel = new Channel(facts);
    const verdict = { tls, notes: [], overlooked, origin, handshake };
    return { status: 'open', session: sessionOn(channel, verdict) };
  } catch (error) {
    if (!(error instanceof SmtpFault)) {
      connection?.destroy();
      throw error;
    }
    leave(connection, error);
    return { status: 'failed', fault: error, tls, failures, ends, origin, handshake };
  }
}

function inClear(
  connection: Connection,
  capabilities: Capabilities,
  { cause, notes, overlooked }: AgreedClear,
  ends: Ends,
): OpenSession {
  const facts = { connection, capabilities, ends, secured: null, clearCause: cause, resumed: false };
  const verdict = { tls: null, notes, overlooked, origin: 'new', handshake: null } as const;
  return { status: 'open', session: sessionOn(new Channel(facts), verdict) };
}

/** With a word of goodbye where the server still listens (RFC 3207 section 4.1, RFC 5321 section 3.1). */
function leave(connection: Connection | undefined, fault: SmtpFault): void {
  const listens: ReadonlySet<FaultKind> = new Set<FaultKind>([
    'refused',
    'unauthenticated',
    'login',
    'starttls-not-offered',
    'requiretls-not-offered',
  ]);
  if (listens.has(fault.kind)) connection?.quit();
  else connection?.destroy();
}

/** RFC 5321 section 3.1: 220, or 554 (or 421) where the server wants no mail from us now. */
async function greeting(connection: Connection): Promise<void> {
  const reply = await connection.reply('greeting');
  if (reply.code !== 220) throw refusal('greeting', reply);
}

/** EHLO, and where a server in clear does not know it HELO (RFC 5321 section 3.2). */
async function hello(connection: Connection, { heloName, policy }: SessionOptions): Promise<Capabilities> {
  const reply = await connection.command('ehlo', `EHLO ${heloName}`);
  if (reply.code === 250) return readCapabilities(reply);
  const mayGoWithout = policy.level === 'none' || isClearAllowed(policy);
  if (reply.code < 500 || !mayGoWithout) throw refusal('ehlo', reply);
  const second = await connection.command('ehlo', `HELO ${heloName}`);
  if (second.code !== 250) throw refusal('ehlo', second);
  return { ...NO_CAPABILITIES, serverName: serverNameOf(second) };
}

function refusal(stage: Stage, reply: Reply): SmtpFault {
  if (reply.code >= 400) return refused(stage, reply);
  return new SmtpFault('protocol', stage, `the server's reply makes no sense here: ${formatReply(reply)}`, {
    reply,
  });
}

type Agreed = AgreedClear | { readonly next: 'tls'; readonly policy: StartTlsPolicy };

interface AgreedClear {
  readonly next: 'clear';
  readonly cause: ClearCause;
  readonly notes: readonly string[];
  readonly overlooked: readonly JudgedFailure[];
}

/** Opportunistic, or what fails is only reported. */
export function isClearAllowed(policy: StartTlsPolicy): boolean {
  if (policy.level === 'may' || policy.lenience !== undefined) return true;
  return policy.level === 'sts' && policy.sts.mode === 'testing';
}

/** Whether TLS comes next. Clear text only where the policy allows it. */
async function agreeOnTls(connection: Connection, offered: Capabilities, policy: TlsPolicy): Promise<Agreed> {
  if (policy.level === 'none') {
    return { next: 'clear', cause: 'policy', notes: [], overlooked: [] };
  }
  if (!offered.startTls) {
    if (isClearAllowed(policy)) return clear(policy, 'not-offered', NOT_OFFERED);
    const words = `the server does not offer STARTTLS, and TLS is a must: ${policy.source}`;
    throw new SmtpFault('starttls-not-offered', 'starttls', words, { failureType: STARTTLS });
  }
  const reply = await connection.command('starttls', 'STARTTLS');
  if (reply.code === 220) return { next: 'tls', policy };
  if (isClearAllowed(policy)) {
    if (reply.code === 421) throw refused('starttls', reply);
    // RFC 3207 section 6: after a 454 the client may go ahead with the rest of the session.
    return clear(policy, 'failed', `the server offers STARTTLS and refuses it: ${formatReply(reply)}`);
  }
  const words = `the server refused STARTTLS, and TLS is a must: ${formatReply(reply)}`;
  throw new SmtpFault('refused', 'starttls', words, { reply, failureType: STARTTLS });
}

const STARTTLS = 'starttls-not-supported';
export const NOT_OFFERED = 'the server does not offer STARTTLS';

/** Clear text is nothing to report where nobody asked for more. */
function clear(policy: StartTlsPolicy, cause: ClearCause, note: string): Agreed {
  const reason = `${note}: ${policy.source}`;
  const failure = { binding: false, demand: 'any', failureType: STARTTLS, reason } as const;
  const asksForMore = policy.level !== 'may' || policy.sts !== undefined;
  return { next: 'clear', cause, notes: [note], overlooked: asksForMore ? [failure] : [] };
}
