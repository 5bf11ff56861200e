/** What the program prints, where it can't be printed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const PROGRAM = fileURLToPath(new URL('../bin/danelaw.js', import.meta.url));

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
