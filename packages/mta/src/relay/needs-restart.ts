/** What of a new configuration a running relay does not take up. */
import { isDeepStrictEqual } from 'node:util';
import type { RelayConfig } from '../config/relay-config.js';

/** The keys that have changed and are looked at only when the relay starts, as the file names them. */
export function needsRestart(before: RelayConfig, after: RelayConfig): readonly string[] {
  const parts: readonly [key: string, of: (config: RelayConfig) => unknown][] = [
    ['state', ({ state }) => state],
    ['maildrop', ({ maildrop }) => maildrop],
    ['queue', ({ queue }) => queue],
    ['delivery.workers', ({ delivery }) => delivery.workers],
    ['sts.port', ({ sts }) => sts.port],
    ['sts.web_roots', ({ sts }) => sts.webRoots],
    ['http', ({ http }) => http],
    ['log', ({ log }) => log],
  ];
  return parts.filter(([, of]) => !isDeepStrictEqual(of(before), of(after))).map(([key]) => key);
}
