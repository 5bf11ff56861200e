/**
 * Sends an update to a zone's primary server, over TCP, signed; and tells what became of it.
 *
 * Whether it was carried out is known only where a signed answer says so. A refusal that is signed means that
 * nothing was changed (RFC 2136 section 3.3.2); where no answer came, or none that can be believed, it may
 * have been carried out or not, and a look at the zone tells.
 */
import { randomInt } from 'node:crypto';
import { onAbort, systemTimer, type Timer, untilAbort } from './abort.js';
import { RCODE, rcodeName } from './rrtype.js';
import type { ServerAddress } from './server-address.js';
import type { Transport } from './transport.js';
import { checkResponse, signRequest, type TsigError } from './tsig.js';
import type { TsigKey } from './tsig-key.js';
import { encodeUpdate, type Update } from './update-message.js';
import { WireError } from './wire.js';

export interface UpdateOptions {
  readonly transport: Transport;
  readonly server: ServerAddress;
  readonly key: TsigKey;
  readonly update: Update;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
  /** Milliseconds for all of it. */
  readonly patience?: number;
  readonly timer?: Timer;
  readonly signal?: AbortSignal;
  /** Below a bound; for the message's id. */
  readonly random?: (below: number) => number;
}

export type UpdateOutcome =
  /** Carried out, or it was so already. */
  | { readonly status: 'done' }
  /**
   * Signed by the server: not carried out. `rcode`: REFUSED, NOTAUTH, NOTZONE, NXRRSET, YXRRSET, SERVFAIL ...
   */
  | { readonly status: 'refused'; readonly rcode: string }
  /**
   * The server takes the key for unknown (BADKEY), or the signature for wrong (BADSIG). Unless `isSigned`
   * anybody may have said so.
   */
  | { readonly status: 'key-refused'; readonly error: TsigError; readonly isSigned: boolean }
  /**
   * The clocks differ too much: the server's is `ahead` seconds in front of ours. `isRejected`: not carried
   * out, by its word.
   */
  | {
      readonly status: 'clock';
      readonly ahead: number;
      readonly isRejected: boolean;
      readonly isSigned: boolean;
    }
  /** An answer came that proves nothing; `rcode` is what it says. */
  | { readonly status: 'unproved'; readonly rcode: string; readonly reason: string }
  | { readonly status: 'unanswered'; readonly reason: string };

/** Milliseconds. A server signs the zone and writes its journal before it answers. */
const PATIENCE_MS = 20_000;

/**
 * Rejects only when `signal` aborts, or with WireError for an update that can't be written (see
 * `encodeUpdate`).
 */
export async function sendUpdate(options: UpdateOptions): Promise<UpdateOutcome> {
  const { key, update, signal } = options;
  const { clock = Date.now, patience = PATIENCE_MS, timer = systemTimer, random = randomInt } = options;
  signal?.throwIfAborted();
  const seconds = () => Math.floor(clock() / 1000);
  const request = signRequest(encodeUpdate(update, random(0x10000)), key, seconds());
  const response = await exchanged(request.octets, options, patience, timer);
  if (typeof response === 'string') return { status: 'unanswered', reason: response };
  try {
    return outcomeOf(checkResponse(response, request, seconds()));
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return { status: 'unanswered', reason: `malformed answer: ${error.message}` };
  }
}

/** @returns the response, or why there is none */
async function exchanged(
  request: Uint8Array,
  { transport, server, signal }: UpdateOptions,
  patience: number,
  timer: Timer,
): Promise<Uint8Array | string> {
  const end = new AbortController();
  const stopListening = onAbort(signal, () => end.abort());
  const stopTimer = timer(patience, () => end.abort());
  try {
    const protocol = server.tls === undefined ? 'tcp' : 'tls';
    const exchange = async () => transport.exchange(request, { ...server, protocol }, end.signal);
    return await untilAbort(exchange(), end.signal);
  } catch (error) {
    signal?.throwIfAborted();
    if (end.signal.aborted) return `no answer in ${patience} ms`;
    return error instanceof Error ? error.message : String(error);
  } finally {
    stopTimer();
    stopListening();
  }
}

function outcomeOf(verdict: ReturnType<typeof checkResponse>): UpdateOutcome {
  switch (verdict.status) {
    case 'proved':
      return verdict.rcode === RCODE.NOERROR
        ? { status: 'done' }
        : { status: 'refused', rcode: rcodeName(verdict.rcode) };
    case 'rejected':
      return { status: 'key-refused', error: verdict.error, isSigned: verdict.isSigned };
    case 'clock':
      return verdict;
    case 'unproved':
      return { status: 'unproved', rcode: rcodeName(verdict.rcode), reason: verdict.reason };
    default: {
      const never: never = verdict;
      return never;
    }
  }
}
