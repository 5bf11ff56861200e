/** How much is tested: all of it, or what a change can wait for. */
import type { Size } from './internet-plan.js';

interface Run {
  readonly name: string;
  readonly seed: number;
  /** With the seed that everybody uses. */
  readonly isDefault: boolean;
  readonly size: Size;
  /** How many of them are tried. */
  readonly mutations: number;
}

const RUNS = {
  full: { size: { whole: 170, ofEachBreakage: 2 }, mutations: 2000 },
  small: { size: { whole: 40, ofEachBreakage: 1 }, mutations: 300 },
} as const;

/** Another one finds other things: `DIFFERENTIAL_SEED=7 npm run test:differential`. */
const DEFAULT_SEED = 7672;

function chosenRun(): Run {
  const name = process.env['DIFFERENTIAL'] ?? 'full';
  if (name !== 'full' && name !== 'small') throw new Error(`DIFFERENTIAL is "${name}": full or small`);
  const seed = Number(process.env['DIFFERENTIAL_SEED'] ?? DEFAULT_SEED);
  if (!Number.isSafeInteger(seed)) throw new Error('DIFFERENTIAL_SEED is no integer');
  return { name, seed, isDefault: seed === DEFAULT_SEED, ...RUNS[name] };
}

export const run = chosenRun();
