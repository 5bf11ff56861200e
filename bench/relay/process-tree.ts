/** What a process and all that it started have used: of those that ended, too. */
import { readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;

interface Stat {
  readonly pid: number;
  readonly parent: number;
  /** Of itself and of its children that ended, in seconds. */
  readonly cpu: number;
}

function stats(): Stat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/u.test(name))
    .flatMap((name) => {
      try {
        const text = readFileSync(`/proc/${name}/stat`, 'latin1');
        const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
        const ticks = [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i] ?? 0), 0);
        return [{ pid: Number(name), parent: Number(fields[1]), cpu: ticks / TICKS_PER_SECOND }];
      } catch {
        return []; // it has ended meanwhile
      }
    });
}

function treeOf(root: number): Stat[] {
  const all = stats();
  const found = all.filter(({ pid }) => pid === root);
  for (const { pid } of found) found.push(...all.filter(({ parent }) => parent === pid));
  return found;
}

/** Seconds. */
export function cpuOf(root: number): number {
  return treeOf(root).reduce((sum, { cpu }) => sum + cpu, 0);
}

/** Mebibytes, what is shared counted once. */
export function memoryOf(root: number): number {
  let kibibytes = 0;
  for (const { pid } of treeOf(root)) {
    try {
      const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
      kibibytes += Number(/^Pss:\s+(\d+)/mu.exec(text)?.[1] ?? 0);
    } catch {
      // it has ended meanwhile
    }
  }
  return kibibytes / 1024;
}
