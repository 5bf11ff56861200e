/**
 * Keys for all zones. Making an RSA key takes longer than signing a small zone with it, so zones share them: a key file
 * names its zone in one place, and the private half not at all. Two of each kind, so that one can be the wrong one.
 */
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dnsPrograms } from '../interop/neighbours.js';
import { runOk } from '../interop/run.js';
import type { Algorithm } from './zone-plan.js';

export type Role = 'ksk' | 'zsk';

/** The name that pooled keys are made for. */
const POOL_ORIGIN = 'pool';

export class KeyPool {
  readonly #folder: string;
  readonly #made = new Map<string, Promise<string>>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Puts a key for `origin` into `folder`.
   * @returns the base name of its files, with the folder
   */
  async place(algorithm: Algorithm, role: Role, origin: string, folder: string): Promise<string> {
    const pooled = await this.#key(algorithm, role);
    const apex = origin === '.' ? '.' : `${origin}.`;
    const placed = join(folder, pooled.replace(`K${POOL_ORIGIN}.`, `K${apex}`));
    const publicHalf = await readFile(join(this.#folder, `${pooled}.key`), 'utf8');
    await writeFile(`${placed}.key`, publicHalf.replace(new RegExp(`^${POOL_ORIGIN}\\. `, 'm'), `${apex} `));
    await copyFile(join(this.#folder, `${pooled}.private`), `${placed}.private`);
    return placed;
  }

  #key(algorithm: Algorithm, role: Role): Promise<string> {
    const name = `${algorithm} ${role}`;
    const made = this.#made.get(name) ?? this.#make(algorithm, role);
    this.#made.set(name, made);
    return made;
  }

  async #make(algorithm: Algorithm, role: Role): Promise<string> {
    await mkdir(this.#folder, { recursive: true });
    const bits = algorithm.includes('RSA') ? ['-b', '2048'] : [];
    const flags = role === 'ksk' ? ['-f', 'KSK'] : [];
    const printed = await runOk(
      dnsPrograms.dnssecKeygen,
      ['-q', '-K', this.#folder, '-a', algorithm, ...bits, ...flags, POOL_ORIGIN],
      { cwd: this.#folder },
    );
    return printed.trim();
  }
}
