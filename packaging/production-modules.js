/**
 * Which npm packages the bundled program loads when it runs, and where they lie: found by walking `node_modules` as Node does,
 * without a network and without npm.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * @param {readonly string[]} names what the program imports
 * @param {string} from the folder of who imports them
 * @returns {{ name: string, folder: string, manifest: Record<string, any> }[]} each folder once, sorted
 */
export function productionModules(names, from) {
  const found = new Map();
  const add = (name, importer, optional) => {
    const folder = folderOf(name, importer);
    if (folder === undefined) {
      // Binaries for other systems are optional, and not installed here.
      if (optional) return;
      throw new Error(`${name}, which ${importer} imports, is not installed: run "npm ci"`);
    }
    if (found.has(folder)) return;
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    found.set(folder, { name, folder, manifest });
    const optionals = manifest.optionalDependencies ?? {};
    for (const each of Object.keys(manifest.dependencies ?? {})) add(each, folder, each in optionals);
    for (const each of Object.keys(optionals)) add(each, folder, true);
  };
  for (const name of names) add(name, from, false);
  return [...found.values()].sort((a, b) => (a.folder < b.folder ? -1 : 1));
}

function folderOf(name, importer) {
  for (let at = importer; ; at = dirname(at)) {
    const folder = join(at, 'node_modules', name);
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (dirname(at) === at) return undefined;
  }
}
