/**
 * One question to one server: over UDP, over TCP where that does not do, and what came of it.
 *
 * What is decided here is only what is a reply and what is none. NOERROR, NXDOMAIN and YXDOMAIN are replies; every other
 * response code, silence, junk and malformed messages are troubles, each kept apart, and never an empty answer.
 */
import type { Timer } from './abort.js';
import type { Deadline } from './deadline.js';
import { EDE } from './dnssec/extended-error.js';
import { exchangeOnce } from './exchange-once.js';
import type { ExtendedError } from './lookup.js';
import type { Message } from './message.js';
import type { Name } from './name.js';
import { rcodeName } from './rrtype.js';
import type { ServerAddress } from './server-address.js';
import type { NoReply } from './source.js';
import type { Endpoint, Transport } from './transport.js';

/** How long a server may take over TCP, with the connection's set-up, for what it has an answer to. */
export const TCP_TRY_MS = 5_000;
/** How long one may take at least that is asked over a connection from the start: two or three round trips go before. */
export const STREAM_TRY_MS = 3_000;

export interface Question {
  readonly name: Name;
  readonly type: number;
}

export interface QueryFlags {
  /** Recursion desired. */
  readonly rd: boolean;
  /** Checking disabled: give what you have, we validate (RFC 4035 section 3.2.2). */
  readonly cd: boolean;
  /** DNSSEC records are wanted (RFC 3225). */
  readonly do: boolean;
  /** The AD bit of the reply will be looked at (RFC 6840 section 5.7). */
  readonly ad?: boolean;
  /**
   * Letters in random case, which the reply has to repeat: more for a forger to guess. A reply that does not is asked for
   * over TCP, where there is nothing to guess.
   */
  readonly mixedCase?: boolean;
}

export interface AskingParts {
  readonly transport: Transport;
  readonly timer: Timer;
  /** Hears for how many milliseconds the question waited for its turn, which is not the server's time. */
  readonly onWaited?: (milliseconds: number) => void;
}

/** Why one server gave no reply. In order of what tells a person most. */
export type Trouble =
  | { readonly kind: 'rcode'; readonly rcode: number; readonly ede?: ExtendedError }
  | { readonly kind: 'malformed'; readonly reason: string }
  | { readonly kind: 'network'; readonly reason: string; readonly isLasting: boolean }
  | { readonly kind: 'silent' };

export type Tried = { readonly kind: 'reply'; readonly message: Message } | Trouble;

/**
 * @param patience says, when the question's turn has come, how many milliseconds there are for a reply; over TCP and TLS
 * it may be more
 * @param deadline ends everything; the question then counts as unanswered
 */
export async function askServer(
  parts: AskingParts,
  server: ServerAddress,
  question: Question,
  flags: QueryFlags,
  patience: () => number,
  deadline: Deadline,
): Promise<Tried> {
  const once = (protocol: Endpoint['protocol'], milliseconds: () => number) =>
    exchangeOnce(parts, endpointOf(server, protocol), question, flags, milliseconds, deadline);
  const patient = () => Math.max(patience(), STREAM_TRY_MS);
  if (server.tls !== undefined) return unlessTruncated(await once('tls', patient));
  if (server.tcpOnly) return unlessTruncated(await once('tcp', patient));
  let tried = await once('udp', patience);
  const isTruncated = tried.kind === 'reply' && tried.message.flags.tc;
  if (isTruncated || tried.kind === 'malformed') tried = await once('tcp', () => TCP_TRY_MS);
  return unlessTruncated(tried);
}

function endpointOf(
  { address, port, tls, isLocal }: ServerAddress,
  protocol: Endpoint['protocol'],
): Endpoint {
  const endpoint = isLocal === undefined ? { address, port, protocol } : { address, port, protocol, isLocal };
  return tls === undefined ? endpoint : { ...endpoint, tls };
}

/** What is cut off where there is room for everything is no reply. */
function unlessTruncated(tried: Tried): Tried {
  return tried.kind === 'reply' && tried.message.flags.tc
    ? { kind: 'malformed', reason: 'truncated over TCP' }
    : tried;
}

const TELLING: readonly Trouble['kind'][] = ['rcode', 'malformed', 'network', 'silent'];

/** Servers that a reason names one by one; of more, it names one for each trouble. */
const MAX_NAMED = 3;

/** The most telling trouble decides code and error; the reason tells of every server. */
export function noReply(troubles: ReadonlyMap<string, Trouble>): NoReply {
  const list = [...troubles].sort(([, a], [, b]) => rank(a) - rank(b));
  const reason = (list.length > MAX_NAMED ? byTrouble(list) : list.map(describe)).join('; ');
  const [, worst] = list[0] ?? [];
  const isUnreached = list.every(([, trouble]) => trouble.kind === 'network' && !trouble.isLasting);
  const text = {
    kind: 'failure',
    reason: reason === '' ? 'there was no time to ask any server' : reason,
    ...(isUnreached && list.length > 0 ? { unreached: list.length } : {}),
  } as const;
  switch (worst?.kind) {
    case 'rcode': {
      const rcode = rcodeName(worst.rcode);
      return { ...text, rcode, ede: worst.ede ?? { code: EDE.OTHER, text: reason } };
    }
    case 'malformed':
    case 'network':
      return { ...text, ede: { code: EDE.NETWORK_ERROR, text: reason } };
    case 'silent':
    case undefined:
      return { ...text, ede: { code: EDE.NO_REACHABLE_AUTHORITY, text: reason } };
    default: {
      const never: never = worst;
      return never;
    }
  }
}

const describe = ([server, trouble]: readonly [string, Trouble]): string =>
  `${server}: ${describeTrouble(trouble)}`;

function byTrouble(list: readonly (readonly [server: string, trouble: Trouble])[]): string[] {
  const groups = new Map<string, [first: readonly [string, Trouble], others: number]>();
  for (const entry of list) {
    const [server, trouble] = entry;
    const [address = ''] = server.split('#');
    const alike = describeTrouble(trouble).replaceAll(address, '');
    const [first, others] = groups.get(alike) ?? [entry, -1];
    groups.set(alike, [first, others + 1]);
  }
  return [...groups.values()].map(([[server, trouble], others]) =>
    describe([others === 0 ? server : `${server} and ${others} more`, trouble]),
  );
}

function rank(trouble: Trouble): number {
  const hasReason = trouble.kind === 'rcode' && trouble.ede !== undefined;
  return hasReason ? -1 : TELLING.indexOf(trouble.kind);
}

/** For people, to be put behind a server's name. */
export function describeTrouble(trouble: Trouble): string {
  switch (trouble.kind) {
    case 'rcode': {
      const { rcode, ede } = trouble;
      return ede === undefined
        ? rcodeName(rcode)
        : `${rcodeName(rcode)} (extended error ${ede.code}: ${ede.text || 'no text'})`;
    }
    case 'malformed':
    case 'network':
      return trouble.reason;
    case 'silent':
      return 'no answer in time';
    default: {
      const never: never = trouble;
      return never;
    }
  }
}
