/** What the program prints, where it can't be printed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openEmbeddedQueue } from '../src/queue/embedded/open.js';
import { start } from './program.js';

const PROGRAM = fileURLToPath(new URL('../bin/danelaw.js', import.meta.url));

describe('output that nobody reads to its end', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'danelaw-output-'));
    await (await openEmbeddedQueue({ directory: join(folder, 'queue'), minFree: 0 })).close();
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each<[what: string, argv: readonly string[], code: number, words: string]>([
    [
      'an export is no backup then (EX_IOERR), and says so in a line',
      ['export'],
      74,
      'danelaw: the export is not whole: whoever read it went away before its end\n',
    ],
    ['a list has shown what was wanted, and ends quietly', ['list'], 0, ''],
  ])('%s', async (_, argv, code, words) => {
    const child = start('queue', ...argv, '--state', folder);
    // It is closed before the program has begun to run.
    child.stdout?.destroy();
    let err = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text));
    expect([await once(child, 'close'), err]).toEqual([[code, null], words]);
  });

  it('is no reason to break off where nobody hears of that either', async () => {
    const child = start('queue', 'export', '--state', folder);
    child.stdout?.destroy();
    child.stderr?.destroy();
    expect(await once(child, 'exit')).toEqual([74, null]);
  });
});

describe.runIf(existsSync('/dev/full'))('output to a full disk', () => {
  it('is told in a sentence, and by the exit code (EX_CANTCREAT), so that no half backup is taken for one', async () => {
    const child = spawn(process.execPath, [PROGRAM, '--help'], {
      stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'],
    });
    let err = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text));
    expect(await once(child, 'close')).toEqual([73, null]);
    expect(err).toMatch(/^danelaw: the output can't be written: ENOSPC.*\n$/u);
  });
});
