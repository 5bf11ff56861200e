/** What processes use, as the kernel tells: processor time by thread, and memory with what is shared divided. */
import { readdir, readFile } from 'node:fs/promises';

/** Of the kernel, in a second. */
const TICKS = 100;

/** @typedef {{ all: number, main: number, others: Map<string, number> }} Used seconds */

/** Threads of Node.js, by the names that it gives them since version 22; before, all are called alike. */
const THREADS = new Map([
  ['libuv-worker', 'signatures'],
  ['V8Worker', 'garbage collection, compiler'],
]);

/**
 * Seconds of a process by what its threads are for; undefined where it has ended.
 * @param {number} pid
 * @returns {Promise<Used | undefined>}
 */
export async function cpuOf(pid) {
  const all = await secondsIn(`/proc/${pid}/stat`);
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const main = await secondsIn(`/proc/${pid}/task/${pid}/stat`);
  if (all === undefined || main === undefined) return undefined;
  const others = /** @type {Map<string, number>} */ (new Map());
  for (const thread of threads) {
    if (Number(thread) === pid) continue;
    const name = (await readFile(`/proc/${pid}/task/${thread}/comm`, 'latin1').catch(() => '')).trim();
    const what = THREADS.get(name) ?? 'other threads';
    others.set(what, (others.get(what) ?? 0) + ((await secondsIn(`/proc/${pid}/task/${thread}/stat`)) ?? 0));
  }
  return { all, main, others };
}

/**
 * Seconds of processes and all that they started.
 * @param {readonly (number | undefined)[]} roots
 */
export async function cpuOfTrees(roots) {
  const parents = new Map();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/u.test(name)) continue;
    const fields = await statOf(`/proc/${name}/stat`);
    if (fields !== undefined) parents.set(Number(name), Number(fields[1]));
  }
  const found = new Set(roots);
  // A parent has the lower number, but for once around; a second pass costs little.
  for (let pass = 0; pass < 2; pass++)
    for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid);
  let sum = 0;
  for (const pid of found) sum += (await secondsIn(`/proc/${pid}/stat`)) ?? 0;
  return sum;
}

/** Seconds of all processors, whoever used them. */
export async function cpuOfAll() {
  const [, ...fields] = (await readFile('/proc/stat', 'utf8')).split('\n')[0]?.split(/\s+/u) ?? [];
  // user, nice, system; interrupts, too
  return [0, 1, 2, 5, 6].reduce((sum, i) => sum + Number(fields[i] ?? 0), 0) / TICKS;
}

/**
 * Mebibytes: the proportional share (PSS).
 * @param {number} pid
 */
export async function memoryOf(pid) {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'latin1').catch(() => '');
  return Number(/^Pss:\s+(\d+)/mu.exec(text)?.[1] ?? 0) / 1024;
}

/** @param {string} file */
async function secondsIn(file) {
  const fields = await statOf(file);
  return fields === undefined ? undefined : (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** @param {string} file */
async function statOf(file) {
  const text = await readFile(file, 'latin1').catch(() => undefined);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
}
