/**
 * Writes the manual pages (`man/`) from the commands' help.
 *
 *     npm run build      compiles, then runs this
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { modelOf } from './dist/cli/command-model.js';
import { version, wholeProgram } from './dist/cli/main.js';
import { manPages } from './dist/cli/man-page.js';

const folder = new URL('man/', import.meta.url);
const { stdout, stderr, stdin, env } = process;
const program = await wholeProgram({ stdout, stderr, stdin, env, signal: new AbortController().signal });
await rm(folder, { recursive: true, force: true });
await mkdir(folder);
for (const { file, text } of manPages(modelOf(program), version()))
  await writeFile(new URL(file, folder), text);
