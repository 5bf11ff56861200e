/** DNS for a survey that iterates: no name server gets more than a few questions at a time. */
import { createNetworkTransport, formatServer, type NetworkTransport } from '@danelaw/dns';

export function politeTransport(
  atOnce: number,
  network: NetworkTransport = createNetworkTransport(),
): NetworkTransport {
  const servers = new Map<string, { underWay: number; readonly waiting: (() => void)[] }>();
  return {
    async exchange(query, server, signal) {
      const key = formatServer(server);
      const state = servers.get(key) ?? { underWay: 0, waiting: [] };
      servers.set(key, state);
      if (state.underWay < atOnce) state.underWay += 1;
      else await turnIn(state.waiting, signal);
      try {
        return await network.exchange(query, server, signal);
      } finally {
        const next = state.waiting.shift();
        if (next !== undefined) next();
        else if (--state.underWay === 0) servers.delete(key);
      }
    },
    close: () => network.close(),
  };
}

/** The place in the queue is left where the question is given up meanwhile. */
function turnIn(waiting: (() => void)[], signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const go = (): void => {
      signal?.removeEventListener('abort', giveUp);
      resolve();
    };
    const giveUp = (): void => {
      waiting.splice(waiting.indexOf(go), 1);
      reject(signal?.reason);
    };
    waiting.push(go);
    signal?.addEventListener('abort', giveUp, { once: true });
  });
}
