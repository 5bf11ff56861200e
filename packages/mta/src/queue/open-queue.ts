/** Opens the queue that the configuration names, loading no engine but that one. */
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { RelayConfig } from '../config/relay-config.js';
import type { Queue } from './queue.js';

/**
 * @param mode `owner`: the relay; `visitor`: a command beside it; `maker`: one that needs no queue to be there yet
 * @param say hears what an administrator should know
 * @throws (rejects) `QueueUnusableError`
 */
export async function openQueue(
  { state, queue }: Pick<RelayConfig, 'state' | 'queue'>,
  mode: 'owner' | 'visitor' | 'maker',
  say: (words: string) => void = () => {},
): Promise<Queue> {
  switch (queue.engine) {
    case 'embedded': {
      const { openEmbeddedQueue } = await import('./embedded/open.js');
      const { maxMessages, minFree } = queue;
      return await openEmbeddedQueue({
        directory: join(state, 'queue'),
        mode,
        maxMessages,
        minFree,
        onRepair: say,
      });
    }
    case 'postgres': {
      const { openPostgresQueue } = await import('./postgres/postgres-queue.js');
      const { url = '', passwordFile, schema } = queue;
      return await openPostgresQueue({ url, passwordFile, schema, node: hostname(), onWarning: say });
    }
    default: {
      const never: never = queue.engine;
      return never;
    }
  }
}
