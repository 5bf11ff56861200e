/** Debian's copyright file: our licence, and that of each package that is inside. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Every Debian machine has it. */
const APACHE = 'The licence is in /usr/share/common-licenses/Apache-2.0.';

/**
 * @param {string} root of the repository
 * @param {readonly { name: string, folder: string, manifest: Record<string, any> }[]} modules
 */
export function copyrightText(root, modules) {
  const parts = modules.map(({ name, folder, manifest }) => {
    const title = `${name} ${manifest.version} (${manifest.license})`;
    if (manifest.license === 'Apache-2.0') return { title, text: APACHE };
    const file = readdirSync(folder).find((each) => /^licen[cs]e/iu.test(each));
    const text =
      file === undefined ? `Licence: ${manifest.license}` : readFileSync(join(folder, file), 'utf8');
    return { title, text: text.trim() };
  });
  const unique = new Map(parts.map((part) => [part.title, part]));
  return [
    'danelaw',
    '',
    readFileSync(join(root, 'LICENSE'), 'utf8').trim(),
    '',
    'The package holds these packages from npm.',
    ...[...unique.values()].flatMap(({ title, text }) => ['', '-'.repeat(78), title, '', text]),
    '',
  ].join('\n');
}
