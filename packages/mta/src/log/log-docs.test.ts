import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { documentedEvents } from '../testing/log-table.js';

const SOURCE = fileURLToPath(new URL('..', import.meta.url));
/** Where the relay's log is written to. */
const FOLDERS = ['relay', 'log', 'http'];
/** Outcomes of recipients, whose events are values. */
const OUTCOMES = ['delivered', 'deferred', 'bounced'];

describe('docs/relay.md', () => {
  it('has every event of the log, and none that is not there', () => {
    const files = FOLDERS.flatMap((folder) =>
      readdirSync(`${SOURCE}${folder}`).map((name) => `${SOURCE}${folder}/${name}`),
    );
    const texts = [...files, `${SOURCE}cli/serve.ts`]
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
      .map((file) => readFileSync(file, 'utf8'));
    const written = texts.flatMap((text) =>
      [...text.matchAll(/(?:\blog\.(?:info|warn|error)\(\s*|[{,] event: )'([a-z-]+)'/gu)].map(
        ([, event = '']) => event,
      ),
    );
    expect(written.length).toBeGreaterThan(20);
    expect([...documentedEvents().keys()].sort()).toEqual([...new Set([...written, ...OUTCOMES])].sort());
  });
});
