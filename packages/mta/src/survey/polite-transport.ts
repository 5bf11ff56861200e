/** DNS for a survey that iterates: no name server gets more than a few questions at a time. */
import { createNetworkTransport, formatServer, type NetworkTransport } from '@danelaw/dns';

interface Line {
  underWay: number;
  readonly waiting: (() => void)[];
}

export function politeTransport(
  atOnce: number,
  network: NetworkTransport = createNetworkTransport(),
): NetworkTransport {
  const lines = new Map<string, Line>();
  return {
    exchange: (query, server, signal) => network.exchange(query, server, signal),
    async turn(server, signal) {
      const key = formatServer(server);
      const line = lines.get(key) ?? { underWay: 0, waiting: [] };
      lines.set(key, line);
      if (line.underWay < atOnce) line.underWay += 1;
      else await turnIn(line.waiting, signal);
      return () => {
        const next = line.waiting.shift();
        if (next !== undefined) next();
        else if (--line.underWay === 0) lines.delete(key);
      };
    },
    close: () => network.close(),
  };
}

/** The place in the line is left where the question is given up meanwhile. */
function turnIn(waiting: (() => void)[], signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const go = (): void => {
      signal.removeEventListener('abort', giveUp);
      resolve();
    };
    const giveUp = (): void => {
      waiting.splice(waiting.indexOf(go), 1);
      reject(signal.reason);
    };
    waiting.push(go);
    signal.addEventListener('abort', giveUp, { once: true });
  });
}
