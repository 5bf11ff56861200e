/** DNS for a survey that iterates: no name server gets more than a few questions at a time, and a silent one hardly any. */
import { createNetworkTransport, formatServer, type NetworkTransport } from '@danelaw/dns';
import { ServerLine } from './server-line.js';

/** Silent servers that are remembered while nobody asks them. */
const MAX_REMEMBERED = 10_000;

/** @param clock milliseconds; only differences count */
export function politeTransport(
  atOnce: number,
  network: NetworkTransport = createNetworkTransport(),
  clock: () => number = () => performance.now(),
): NetworkTransport {
  const lines = new Map<string, ServerLine>();
  const lineOf = (server: string): ServerLine => {
    const known = lines.get(server);
    if (known !== undefined) return known;
    if (lines.size >= MAX_REMEMBERED) forgetOne(lines);
    const made = new ServerLine(server, atOnce, clock);
    lines.set(server, made);
    return made;
  };
  return {
    exchange: (query, server, signal) => network.exchange(query, server, signal),
    async turn(server, signal) {
      const key = formatServer(server);
      const line = lineOf(key);
      const endTurn = await line.take(signal);
      return (end) => {
        endTurn(end);
        if (line.isIdle && line.isBlank) lines.delete(key);
      };
    },
    close: () => network.close(),
  };
}

/** The oldest that nobody asks now. */
function forgetOne(lines: Map<string, ServerLine>): void {
  for (const [key, line] of lines) {
    if (!line.isIdle) continue;
    lines.delete(key);
    return;
  }
}
