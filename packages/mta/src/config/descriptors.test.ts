import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { connectionDefaults, descriptorLimit } from './descriptors.js';

describe('connections by default', () => {
  it.each([
    ['as many as a relay is good for, where nobody limits them', undefined, 1000, 500],
    ['the same with a limit that is far away', 524_288, 1000, 500],
    ['few more than the way out needs', 1400, 600, 500],
    ['half and half at the limit that many systems have', 1024, 362, 362],
    ['a few at a limit that is too low for any', 64, 20, 20],
  ])('are %s', (_, descriptors, incoming, outgoing) => {
    expect(connectionDefaults(descriptors)).toEqual({ incoming, outgoing });
  });

  it.runIf(process.platform === 'linux')('know the limit of the process', () => {
    // Node.js raises it to the hard one.
    expect(String(descriptorLimit() ?? 'unlimited')).toBe(
      execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim(),
    );
  });
});
