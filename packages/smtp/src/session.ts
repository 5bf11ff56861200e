/**
 * From an address to a session that may carry mail: connect, greeting, EHLO, STARTTLS, EHLO again - under one
 * policy.
 *
 * A session is open only when its policy is satisfied. Whatever stands against that - no STARTTLS where TLS
 * is a must, a chain that does not match - ends the connection before MAIL FROM, and is told with all that
 * was learned by then.
 */
import { type Capabilities, NO_CAPABILITIES, readCapabilities } from './capabilities.js';
import { type Connect, Connection, type Target } from './connection.js';
import { refused, SmtpFault } from './fault.js';
import type { TlsPolicy } from './policy.js';
import { formatReply, type Reply } from './reply.js';
import { type StartTlsPolicy, type TlsFacts, upgrade, type Verify } from './starttls.js';
import type { Stage, Timeouts } from './timeouts.js';

export interface SessionOptions {
  readonly target: Target;
  readonly policy: TlsPolicy;
  /** The name that EHLO says: ours, fully qualified (RFC 5321 section 4.1.1.1), or an address literal. */
  readonly heloName: string;
  readonly connect: Connect;
  readonly verify: Verify;
  readonly timeouts: Timeouts;
  readonly clock: () => number;
  readonly signal?: AbortSignal | undefined;
  readonly deadline?: AbortSignal | undefined;
}

/** A session that satisfies its policy. Whoever opened it ends it, with `connection.quit()`. */
export interface Session {
  readonly connection: Connection;
  readonly capabilities: Capabilities;
  /** Null where the session is in clear text. */
  readonly tls: TlsFacts | null;
  /** What the server was lenient or strange about, for people. */
  readonly notes: readonly string[];
}

export type OpenedSession =
  | { readonly status: 'open'; readonly session: Session }
  /** `tls`: what was known about the TLS session when it was given up; null where there was none. */
  | { readonly status: 'failed'; readonly fault: SmtpFault; readonly tls: TlsFacts | null };

/** Opens a session to one address. Rejects only when the caller's signal aborts. */
export async function openSession(options: SessionOptions): Promise<OpenedSession> {
  let connection: Connection | undefined;
  let tls: TlsFacts | null = null;
  try {
    connection = await Connection.open(options);
    await greeting(connection);
    const clear = await hello(connection, options);
    const agreed = await agreeOnTls(connection, clear, options.policy);
    if (agreed.next === 'clear') {
      const notes = agreed.note === undefined ? [] : [agreed.note];
      return { status: 'open', session: { connection, capabilities: clear, tls: null, notes } };
    }
    const upgraded = await upgrade(connection, { ...options, policy: agreed.policy });
    tls = upgraded.tls;
    if (upgraded.rejected !== undefined) throw upgraded.rejected;
    // RFC 3207 section 4.2: what the server offers is asked anew; `clear` is not looked at again.
    const capabilities = await hello(connection, options);
    return { status: 'open', session: { connection, capabilities, tls, notes: [] } };
  } catch (error) {
    if (!(error instanceof SmtpFault)) {
      connection?.destroy();
      throw error;
    }
    leave(connection, error);
    return { status: 'failed', fault: error, tls };
  }
}

/** With a word of goodbye where the server still listens (RFC 3207 section 4.1, RFC 5321 section 3.1). */
function leave(connection: Connection | undefined, fault: SmtpFault): void {
  const listens =
    fault.kind === 'refused' || fault.kind === 'unauthenticated' || fault.kind === 'starttls-not-offered';
  if (listens) connection?.quit();
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
  const mayGoWithout = policy.level === 'none' || policy.level === 'may';
  if (reply.code < 500 || !mayGoWithout) throw refusal('ehlo', reply);
  const second = await connection.command('ehlo', `HELO ${heloName}`);
  if (second.code !== 250) throw refusal('ehlo', second);
  return NO_CAPABILITIES;
}

function refusal(stage: Stage, reply: Reply): SmtpFault {
  if (reply.code >= 400) return refused(stage, reply);
  return new SmtpFault('protocol', stage, `the server's reply makes no sense here: ${formatReply(reply)}`, {
    reply,
  });
}

type Agreed =
  | { readonly next: 'clear'; readonly note?: string }
  | { readonly next: 'tls'; readonly policy: StartTlsPolicy };

/** Whether TLS comes next. Clear text only where the policy allows it. */
async function agreeOnTls(connection: Connection, offered: Capabilities, policy: TlsPolicy): Promise<Agreed> {
  switch (policy.level) {
    case 'none':
      return { next: 'clear' };
    case 'may': {
      if (!offered.startTls) return { next: 'clear', note: 'the server does not offer STARTTLS' };
      const reply = await connection.command('starttls', 'STARTTLS');
      if (reply.code === 220) return { next: 'tls', policy };
      if (reply.code === 421) throw refused('starttls', reply);
      // RFC 3207 section 6: after a 454 the client may go ahead with the rest of the session.
      return { next: 'clear', note: `the server offers STARTTLS and refuses it: ${formatReply(reply)}` };
    }
    case 'encrypt':
    case 'dane':
    case 'dane-only': {
      if (!offered.startTls) {
        const words = `the server does not offer STARTTLS, and TLS is a must: ${policy.source}`;
        throw new SmtpFault('starttls-not-offered', 'starttls', words, {
          failureType: 'starttls-not-supported',
        });
      }
      const reply = await connection.command('starttls', 'STARTTLS');
      if (reply.code === 220) return { next: 'tls', policy };
      const words = `the server refused STARTTLS, and TLS is a must: ${formatReply(reply)}`;
      throw new SmtpFault('refused', 'starttls', words, { reply, failureType: 'starttls-not-supported' });
    }
    default: {
      const never: never = policy;
      return never;
    }
  }
}
