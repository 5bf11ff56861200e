import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { documentedEvents } from '../testing/log-table.js';

const SOURCE = fileURLToPath(new URL('..', import.meta.url));
const CALL = /\blog\.(?:info|warn|error)\(\s*'([a-z-]+)'/gu;
/** Outcomes of recipients, whose events are values. */
const OUTCOMES = ['delivered', 'deferred', 'bounced'];

describe('docs/relay.md', () => {
  it('has every event of the log, and none that is not there', () => {
    const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter(
      (file) => file.endsWith('.ts') && !file.endsWith('.test.ts'),
    );
    const written = files.flatMap((file) => {
      // Elsewhere a field "event" is of something else.
      const pattern = file.startsWith('log/') ? /[{,] event: '([a-z-]+)'/gu : CALL;
      const text = readFileSync(`${SOURCE}${file}`, 'utf8');
      return [...text.matchAll(CALL), ...text.matchAll(pattern)].map(([, event = '']) => event);
    });
    expect(written.length).toBeGreaterThan(20);
    expect([...documentedEvents().keys()].sort()).toEqual([...new Set([...written, ...OUTCOMES])].sort());
  });
});
