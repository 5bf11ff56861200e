/**
 * A lock that one process holds, as a file with its name in it: who finds the file looks whether that process is
 * still there.
 *
 * A process number alone is no name. In a container the same program gets the same number after each restart, and
 * would wait for itself for ever. On Linux the number is joined by the machine's boot and the moment in it at which
 * the process began; elsewhere the number has to do, and a lock that was left behind is to be deleted by hand where
 * the number is in use again.
 *
 * Nobody removes a lock to make his own in its place: two who find the same dead one would take turns at that, and
 * both believe that they hold it. Locks are numbered instead (`sending.7.lock`). The next one is made only where the
 * highest is given back or its process gone, and it can be made only once.
 */
import { randomBytes } from 'node:crypto';
import { link, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

type Write = (file: string, text: string, options: { flag?: 'wx'; mode: number }) => Promise<void>;

/**
 * @param write in place of the system's
 * @returns what gives it back; undefined where another process, or this one, has it
 */
export async function takeLock(
  folder: string,
  name: string,
  mode: number,
  write: Write = writeFile,
): Promise<(() => Promise<void>) | undefined> {
  const fileOf = (number: number): string => join(folder, `${name}.${number}.lock`);
  const highest = Math.max(0, ...(await numbersOf(folder, name)));
  const holder = highest === 0 ? '' : await readIfThere(fileOf(highest));
  if (await isThere(holder.trim())) return undefined;
  const own = highest + 1;
  if (!(await isMade(fileOf(own), mode, write))) return undefined;
  // Whoever was slow may have made one that others had made, given back and cleared away before.
  const numbers = await numbersOf(folder, name);
  if (numbers.some((number) => number > own)) {
    await rm(fileOf(own), { force: true });
    return undefined;
  }
  for (const number of numbers) if (number < own) await rm(fileOf(number), { force: true });
  // The file stays, so that numbers only rise.
  return () => write(fileOf(own), 'given back\n', { mode });
}

/** @throws (rejects) where it can't be told who has it */
async function readIfThere(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return '';
    throw error;
  }
}

async function numbersOf(folder: string, name: string): Promise<number[]> {
  const files = (await readdir(folder)).filter((file) => file.startsWith(`${name}.`));
  return files.flatMap((file) => {
    const digits = /^\.(\d{1,15})\.lock$/u.exec(file.slice(name.length))?.[1];
    return digits === undefined ? [] : [Number(digits)];
  });
}

/** With the process's name in it from the first moment on: a link is made at once, or not at all. */
async function isMade(file: string, mode: number, write: Write): Promise<boolean> {
  const draft = `${file}.${process.pid}.${randomBytes(6).toString('hex')}`;
  const name = await nameOf(process.pid);
  try {
    await write(draft, `${name}\n`, { flag: 'wx', mode });
    await link(draft, file);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    // A full disk leaves it empty.
    await rm(draft, { force: true });
  }
}

async function isThere(name: string): Promise<boolean> {
  const pid = Number(name.split(' ')[0]);
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (codeOf(error) !== 'EPERM') return false;
  }
  return (await nameOf(pid)) === name;
}

/** `4711 BOOT-ID 123456`, or `4711`. */
async function nameOf(pid: number): Promise<string> {
  try {
    const [boot, stat] = await Promise.all([
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
      readFile(`/proc/${pid}/stat`, 'utf8'),
    ]);
    // proc(5): the second field is the program's name in parentheses, with anything in it; `starttime` is the 22nd.
    const begun = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return begun === undefined ? String(pid) : `${pid} ${boot.trim()} ${begun}`;
  } catch (error) {
    // No such system, or no such process; and not one that we failed to look at.
    if (!ABSENT.has(codeOf(error))) throw error;
    return String(pid);
  }
}

/** ESRCH: it ended while it was read. */
const ABSENT: ReadonlySet<unknown> = new Set(['ENOENT', 'ESRCH']);

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined;
