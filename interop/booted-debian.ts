/**
 * A Debian with systemd as its first process, in a container (systemd-nspawn): this machine's own files under an overlay, into
 * which everything that is installed or written goes. It has the network of whoever starts it.
 *
 * So a package is installed as an administrator does it - dpkg, its scripts, users, units with all their restrictions - and
 * this machine does not change. No unit starts but those that every system needs.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Finished, run } from './run.js';

const NSPAWN = '/usr/bin/systemd-nspawn';
/** Milliseconds for systemd to start. */
const BOOT_WITHIN = 60_000;
const TARGET = 'danelaw-test.target';

export class BootedDebian {
  readonly #container: ChildProcess;
  readonly #ended: Promise<unknown>;
  /** Of systemd in the container, as this side numbers it. */
  readonly #leader: number;

  private constructor(container: ChildProcess, ended: Promise<unknown>, leader: number) {
    this.#container = container;
    this.#ended = ended;
    this.#leader = leader;
  }

  /** Why there can be none here; undefined where there can. */
  static async obstacle(): Promise<string | undefined> {
    if (!existsSync(NSPAWN)) return 'Debian package systemd-container is not installed';
    if (process.getuid?.() !== 0) return 'it needs root';
    const mount = 'd=$(mktemp -d) && mount -t tmpfs tmpfs "$d" && mkdir "$d/u" "$d/w" "$d/m" &&';
    const overlay = 'mount -t overlay overlay -o "lowerdir=/etc,upperdir=$d/u,workdir=$d/w" "$d/m"';
    const tried = await run('unshare', ['--mount', 'sh', '-c', `${mount} ${overlay}`]);
    return tried.code === 0 ? undefined : `an overlay can't be mounted here (${tried.stderr.trim()})`;
  }

  /**
   * @param folder empty, on a disk; its subfolder `upper` has what the container writes, from its root
   * @param files what is there before it starts, by path
   */
  static async boot(
    folder: string,
    files: Readonly<Record<string, string | Uint8Array>>,
  ): Promise<BootedDebian> {
    const upper = join(folder, 'upper');
    const target = `[Unit]\nRequires=basic.target\nAfter=basic.target\nAllowIsolate=yes\n`;
    const all = {
      ...files,
      [`/etc/systemd/system/${TARGET}`]: target,
      // It is thrown away.
      '/etc/dpkg/dpkg.cfg.d/unsafe-io': 'force-unsafe-io\n',
    };
    for (const [path, content] of Object.entries(all)) {
      await mkdir(join(upper, path, '..'), { recursive: true });
      await writeFile(join(upper, path), content);
    }
    for (const name of ['work', 'root']) await mkdir(join(folder, name));
    const options = `lowerdir=/,upperdir=${upper},workdir=${join(folder, 'work')}`;
    const root = join(folder, 'root');
    const nspawn = `${NSPAWN} --quiet --register=no --keep-unit --link-journal=no --console=pipe -D ${root}`;
    const script = `mount -t overlay overlay -o ${options} ${root} && exec ${nspawn} --boot systemd.unit=${TARGET}`;
    const container = spawn('unshare', ['--mount', 'sh', '-c', script], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [container.stdout, container.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (said += text));
    }
    let isOver = false;
    const ended = new Promise((resolve) => container.once('close', resolve)).then(() => (isOver = true));
    const until = performance.now() + BOOT_WITHIN;
    while (!isOver && performance.now() < until) {
      const leader = await leaderOf(container.pid ?? 0);
      const debian = leader === undefined ? undefined : new BootedDebian(container, ended, leader);
      if (debian !== undefined && (await debian.run('systemctl', 'is-active', TARGET)).code === 0) {
        // Images for containers forbid packages to start anything; machines don't.
        await debian.ok('rm', '-f', '/usr/sbin/policy-rc.d');
        // An index of all manual pages at each installation is not what is tested.
        await debian.ok('rm', '-f', '/var/lib/man-db/auto-update');
        return debian;
      }
      await sleep(50);
    }
    container.kill('SIGKILL');
    throw new Error(`systemd did not start in a container: ${said}`);
  }

  /** As root, in the container. */
  run(command: string, ...args: readonly string[]): Promise<Finished> {
    const inside = ['--target', String(this.#leader), '--mount', '--uts', '--ipc', '--pid', '--root', '--wd'];
    return run('nsenter', [...inside, '--', command, ...args]);
  }

  /** @returns its standard output @throws (rejects) where it fails */
  async ok(command: string, ...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(command, ...args);
    if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`);
    return stdout.trim();
  }

  async end(): Promise<void> {
    // Nothing in it is needed any more: the first process ends, and all others with it.
    process.kill(this.#leader, 'SIGKILL');
    await this.#ended;
    this.#container.kill('SIGKILL');
  }
}

/** The first process of the container: the child of nspawn's own child. */
async function leaderOf(pid: number): Promise<number | undefined> {
  const children = await childrenOf(pid);
  for (const child of children) {
    const name = await readFile(`/proc/${child}/comm`, 'utf8').catch(() => '');
    if (name.trim() === 'systemd') return child;
    const below = await leaderOf(child);
    if (below !== undefined) return below;
  }
  return undefined;
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text
    .split(' ')
    .filter((word) => word !== '')
    .map(Number);
}
