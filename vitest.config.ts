import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (name: string) => fileURLToPath(new URL(`packages/${name}/src/index.ts`, import.meta.url));

// Tests run on the sources; only the command-line tests start the compiled program (`npm run build`).
const globalSetup = fileURLToPath(new URL('packages/mta/test/fresh-program.ts', import.meta.url));
const alias = {
  '@danelaw/dns': source('dns'),
  '@danelaw/dane': source('dane'),
  '@danelaw/smtp': source('smtp'),
  '@danelaw/nodemailer': source('nodemailer'),
  '@danelaw/lab': source('lab'),
};

const ALONE = ['packages/*/src/**/*.alone.test.ts'];

export default defineConfig({
  test: {
    // Vitest leaves one core free, which is half of a machine with two; and tests of whole programs mostly wait.
    maxWorkers: Math.ceil(availableParallelism() * 1.5),
    projects: [
      // Each package alone, beside its code. The code is loaded once for many files, which takes half the time.
      {
        resolve: { alias },
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts'],
          exclude: ALONE,
          isolate: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      // What depends on how Node.js was when the code was loaded, or on whether it was: each file in a process of its own.
      {
        resolve: { alias },
        test: { name: 'alone', include: ALONE },
      },
      // Packages together, on the private Internet of the lab.
      {
        resolve: { alias },
        test: {
          name: 'lab',
          include: ['packages/*/test/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          globalSetup,
        },
      },
      // Software that nobody here wrote, from Debian.
      {
        resolve: { alias },
        test: {
          name: 'interop',
          include: ['interop/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 300_000,
          fileParallelism: false,
          globalSetup,
        },
      },
      // Not tests, but measurements: they need the helpers of the tests.
      {
        resolve: { alias },
        test: {
          name: 'bench',
          include: ['bench/**/*.test.ts'],
          testTimeout: 900_000,
          hookTimeout: 300_000,
          fileParallelism: false,
          globalSetup,
        },
      },
      // The relay, killed.
      {
        resolve: { alias },
        test: {
          name: 'crash',
          include: ['crash/**/*.test.ts'],
          testTimeout: 900_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          globalSetup,
        },
      },
      // The resolver against Unbound, on an Internet generated for it.
      {
        resolve: { alias },
        test: {
          name: 'differential',
          include: ['differential/**/*.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
