/**
 * Puts the program and its libraries into a few files (`bundle/`), because starting is most of what a short command costs,
 * and Node takes about a millisecond for each file that it loads. Commands stay apart: each loads only what it uses.
 *
 *     npm run build      compiles, then runs this
 */
import { cpSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Loaded only for DANE-TA, and by a require of its own; and what the relay alone needs, some of it with binaries. */
export const NOT_BUNDLED = [
  '@peculiar/asn1-csr',
  '@peculiar/asn1-schema',
  '@peculiar/asn1-x509',
  'fastify',
  'lmdb',
  'nodemailer',
  'pg',
  'pino',
  'prom-client',
  'smtp-server',
];

export async function bundle() {
  const build = await rolldown({
    // A thread starts from a file of its own.
    input: {
      main: here('dist/cli/main.js'),
      'delivery-thread': here('dist/relay/delivery-thread.js'),
      'survey-thread': here('dist/survey/survey-thread.js'),
    },
    platform: 'node',
    external: NOT_BUNDLED.map((name) => new RegExp(`^${name}(/|$)`)),
  });
  await build.write({
    // As deep as `dist/cli`, so that the package's own files are where the code looks for them.
    dir: here('bundle/cli'),
    format: 'esm',
    chunkFileNames: '[name].js',
    cleanDir: true,
    sourcemap: true,
  });
  await build.close();
  // What is read as it is, stands beside the folder of what reads it.
  for (const built of ['dist', 'bundle'])
    cpSync(here('src/assets'), here(`${built}/assets`), { recursive: true });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundle();
