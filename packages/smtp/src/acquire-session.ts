/**
 * A session for one message at one address: one that others leave idle and that fits, else a new one.
 *
 * In this order: an idle connection of the pool; leave to open a new one (`admit`), and while that is waited
 * for whatever becomes idle and fits; a new connection, with the TLS session of an earlier one where there is
 * one that fits. What "fits" means is asked of today's policy each time (`share-session.ts`).
 */
import { type Admit, type Permit, reportOf } from './admission.js';
import type { Channel } from './channel.js';
import { errorWords, SmtpFault } from './fault.js';
import { type OpenedSession, openSession, type Session, type SessionOptions } from './session.js';
import { type Keeping, keepingOf } from './session-key.js';
import type { SessionPool } from './session-pool.js';
import { shareSession } from './share-session.js';
import type { Resumption } from './ticket-store.js';

export interface AcquireOptions extends SessionOptions {
  /** The server's name, for whoever counts connections. */
  readonly host: string;
  /** Each message has a connection of its own where it is left out. */
  readonly pool: SessionPool | undefined;
  /** New connections are opened without asking anybody where it is left out. */
  readonly admit: Admit | undefined;
  /** No shared connection: one has just shown to be dead. */
  readonly fresh: boolean;
}

/** Rejects only when the caller's signal aborts. */
export async function acquireSession(options: AcquireOptions): Promise<OpenedSession> {
  options.signal?.throwIfAborted();
  const { pool, fresh } = options;
  const keeping = keepingOf(options);
  const fits = (channel: Channel): Session | undefined => shareSession(channel, options);
  for (let session = fresh ? undefined : pool?.take(keeping.key, fits); session !== undefined; ) {
    if (session.connection.wake(options)) return { status: 'open', session };
    session.channel.end('ok');
    session = pool?.take(keeping.key, fits);
  }
  const admitted = await admission(options, keeping, fits);
  switch (admitted.status) {
    case 'shared':
      return { status: 'open', session: admitted.session };
    case 'failed':
      return notConnected(admitted.fault);
    case 'permit':
      return await openWith(admitted.permit, options, keeping);
    default: {
      const never: never = admitted;
      return never;
    }
  }
}

type Admitted =
  | { readonly status: 'permit'; readonly permit: Permit | undefined }
  | { readonly status: 'shared'; readonly session: Session }
  | { readonly status: 'failed'; readonly fault: SmtpFault };

/** Waits for leave to connect, or for a connection that makes it unnecessary. */
async function admission(
  { admit, pool, host, target, fresh, timeouts, signal, deadline }: AcquireOptions,
  keeping: Keeping,
  fits: (channel: Channel) => Session | undefined,
): Promise<Admitted> {
  if (admit === undefined) return { status: 'permit', permit: undefined };
  if (deadline?.aborted === true) return { status: 'failed', fault: deadlineFault() };
  return await new Promise<Admitted>((resolve, reject) => {
    const waiting = new AbortController();
    const undo: (() => void)[] = [];
    let over = false;
    /** Synchronous: whatever comes after the first end finds nobody waiting. */
    const end = (settle: () => void): void => {
      if (over) return;
      over = true;
      settle();
      for (const step of undo) step();
    };
    const endUnadmitted = (settle: () => void): void => {
      end(settle);
      waiting.abort();
    };
    // Awake at once: its owner may come to it a moment later only.
    const usable = (channel: Channel): Session | undefined => {
      const session = fits(channel);
      return session?.connection.wake({ timeouts, signal, deadline }) === true ? session : undefined;
    };
    const expire = (): void => resolve({ status: 'failed', fault: deadlineFault() });
    const share = (session: Session): void => resolve({ status: 'shared', session });
    undo.push(onAbort(signal, () => endUnadmitted(() => reject(signal?.reason))));
    undo.push(onAbort(deadline, () => endUnadmitted(expire)));
    if (pool !== undefined && !fresh) {
      undo.push(pool.wait(keeping, usable, (session) => endUnadmitted(() => share(session))));
    }
    // Nobody waits who is let in at once; for the others, whoever is idle in the way goes.
    const inTheWay = setImmediate(() => pool?.closeOldest(keeping.place));
    undo.push(() => clearImmediate(inTheWay));
    const { address, port } = target;
    admit({ host, address, port }, waiting.signal).then(
      (permit) => {
        if (over) permit.release('ok');
        else end(() => resolve({ status: 'permit', permit }));
      },
      (error: unknown) => end(() => resolve({ status: 'failed', fault: noPermit(error) })),
    );
  });
}

function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal === undefined) return () => {};
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}

async function openWith(
  permit: Permit | undefined,
  options: AcquireOptions,
  keeping: Keeping,
): Promise<OpenedSession> {
  try {
    const opened = await openResuming(options, options.pool?.resumption(keeping.key));
    if (opened.status === 'open') opened.session.channel.adopt(keeping, permit);
    else permit?.release(reportOf(opened.fault));
    return opened;
  } catch (error) {
    permit?.release('ok');
    throw error;
  }
}

/** Once more without: there are servers that stumble over the sessions that they issued themselves. */
async function openResuming(options: SessionOptions, kept: Resumption | undefined): Promise<OpenedSession> {
  if (kept === undefined) return await openSession(options);
  let offered = false;
  const offer: Resumption['offer'] = (fits) => {
    const ticket = kept.offer(fits);
    offered = ticket !== undefined;
    return ticket;
  };
  const opened = await openSession({ ...options, resumption: { ...kept, offer } });
  if (opened.status === 'open' || !offered || opened.fault.kind !== 'handshake') return opened;
  kept.forget();
  return await openSession({ ...options, resumption: kept });
}

function notConnected(fault: SmtpFault): OpenedSession {
  const ends = { sourceAddress: null, ehloName: null };
  return { status: 'failed', fault, tls: null, failures: [], ends, origin: null, handshake: null };
}

/** Not the server's fault: others of our own messages had all the connections that it may have. */
function deadlineFault(): SmtpFault {
  const words = 'the time for this delivery ended while we waited for leave to connect';
  return new SmtpFault('withheld', 'connect', words);
}

function noPermit(error: unknown): SmtpFault {
  return new SmtpFault('withheld', 'connect', `no connection may be opened now: ${errorWords(error)}`);
}
