/**
 * A query that is started and heard of: what our own transport offers beside `exchange`, for whoever asks all the time. There is
 * neither a promise nor a signal to be made for each query, which together cost as much as the rest of it.
 */
import type { Endpoint, Transport } from './transport.js';

/** Hears what becomes of one query: one of the two is called, once, unless the query is ended before. */
export interface QueryListener {
  replied(reply: Uint8Array): void;
  /** @param error as `Transport.exchange` rejects with */
  failed(error: unknown): void;
}

export interface StartedQuery {
  /** Nothing is heard of it any more. */
  end(): void;
}

/** A symbol: no transport of others has such a method by chance, nor is it gone around by one that wraps `exchange` of ours. */
export const START = Symbol('start');

export interface StartingTransport extends Transport {
  /** Undefined where it has to go by `exchange`. */
  [START](query: Uint8Array, server: Endpoint, listener: QueryListener): StartedQuery | undefined;
}

/** Starts a query over any transport. */
export function startQuery(
  transport: Transport,
  query: Uint8Array,
  server: Endpoint,
  listener: QueryListener,
): StartedQuery {
  const started = isStarting(transport) ? transport[START](query, server, listener) : undefined;
  return started ?? startExchange(transport, query, server, listener);
}

function isStarting(transport: Transport): transport is StartingTransport {
  return START in transport;
}

function startExchange(
  transport: Transport,
  query: Uint8Array,
  server: Endpoint,
  listener: QueryListener,
): StartedQuery {
  const abort = new AbortController();
  let isEnded = false;
  Promise.resolve(transport.exchange(query, server, abort.signal)).then(
    (reply) => {
      if (!isEnded) listener.replied(reply);
    },
    (error: unknown) => {
      if (!isEnded) listener.failed(error);
    },
  );
  return {
    end: () => {
      isEnded = true;
      abort.abort();
    },
  };
}
