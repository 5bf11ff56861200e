import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeQueue } from '../suite.js';
import { openEmbeddedQueue } from './open.js';

function fail(text: string): never {
  throw new Error(text);
}

// Nothing is repaired where nothing was broken.
describeQueue('the embedded queue', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'danelaw-queue-'));
  return {
    open: () => openEmbeddedQueue({ directory, minFree: 0, onRepair: fail }),
    remove: () => rm(directory, { recursive: true }),
  };
});
