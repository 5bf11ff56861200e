/** Files of the page that are not made: its style, its icon. */
import { readFile } from 'node:fs/promises';

export async function readAsset(file: 'page.css' | 'icon.svg'): Promise<string> {
  return await readFile(new URL(`../assets/${file}`, import.meta.url), 'utf8');
}
