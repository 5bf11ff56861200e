/** What people read of the project: its Markdown files, for tests that hold them to the program. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Document {
  /** From the root of the project: `docs/relay.md` */
  readonly path: string;
  readonly text: string;
}

export const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
/** Made by tools, or of others. */
const NOT_READ = new Set(['node_modules', 'dist', 'bundle', 'reference', 'test-output']);

export function documents(): readonly Document[] {
  const found: Document[] = [];
  const walk = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.name.startsWith('.') || NOT_READ.has(entry.name)) continue;
      if (entry.isDirectory()) walk(path);
      else if (entry.name.endsWith('.md')) {
        found.push({ path: relative(ROOT, path), text: readFileSync(path, 'utf8') });
      }
    }
  };
  walk(ROOT);
  return found;
}
