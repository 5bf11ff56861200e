/**
 * What a disk has after the power failed: of files only what was flushed, of folders only the names that were.
 *
 * Less than any real disk would have, as those write earlier than they must.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { descriptorOf, type SystemCall, textsOf } from './system-calls.js';

interface Write {
  readonly returned: number;
  readonly offset: number;
  readonly octets: Buffer;
}

interface File {
  content: Buffer;
  readonly pending: Write[];
  /** Its name is in its folder on the disk. */
  isNamed: boolean;
  /** Its removal is. */
  isGone: boolean;
}

export class Disk {
  readonly #root: string;
  readonly #files = new Map<string, File>();
  /** Names that were made or removed, by folder, and not flushed. */
  readonly #names = new Map<
    string,
    { readonly returned: number; readonly path: string; readonly gone: boolean }[]
  >();
  /** Of descriptors: where the next write goes; undefined: at the end. */
  readonly #positions = new Map<number, number | undefined>();
  readonly #synchronous = new Set<number>();
  readonly #lengths = new Map<string, number>();

  /**
   * @param base what was there at first, by path below the root
   * @param before calls until then: descriptors that were opened stay open
   */
  constructor(root: string, base: ReadonlyMap<string, Buffer>, before: readonly SystemCall[]) {
    this.#root = root;
    for (const [path, content] of base) {
      this.#files.set(path, { content: Buffer.from(content), pending: [], isNamed: true, isGone: false });
      this.#lengths.set(path, content.length);
    }
    for (const { name, arguments: text, result } of before) {
      const opened = name === 'openat' ? descriptorOf(result) : undefined;
      if (opened === undefined) continue;
      // What is written to it without an offset goes to the end.
      this.#positions.delete(opened.fd);
      if (/O_D?SYNC/u.test(text)) this.#synchronous.add(opened.fd);
      else this.#synchronous.delete(opened.fd);
    }
  }

  /** Calls have to come in the order in which they returned. */
  apply(call: SystemCall): void {
    switch (call.name) {
      case 'openat':
        this.#open(call);
        return;
      case 'write':
      case 'writev':
        this.#write(call, undefined);
        return;
      case 'pwrite64':
      case 'pwritev':
        this.#write(call, Number(/, (\d+)$/u.exec(call.arguments)?.[1] ?? 0));
        return;
      case 'lseek':
        this.#seek(call);
        return;
      case 'fsync':
      case 'fdatasync':
        this.#flush(call);
        return;
      case 'unlink':
      case 'unlinkat':
        this.#unlink(call);
        return;
      case 'ftruncate':
        this.#truncate(call);
        return;
      default:
    }
  }

  async store(folder: string): Promise<void> {
    for (const [path, { content, isNamed, isGone }] of this.#files) {
      if (!isNamed || isGone) continue;
      const file = join(folder, path);
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      await writeFile(file, content, { mode: 0o600 });
    }
  }

  content(path: string): Buffer | undefined {
    const file = this.#files.get(path);
    return file?.isNamed === true && !file.isGone ? file.content : undefined;
  }

  #below(path: string): string | undefined {
    const below = relative(this.#root, path);
    return below.startsWith('..') ? undefined : below;
  }

  #open({ arguments: text, result, returned }: SystemCall): void {
    const opened = descriptorOf(result);
    const path = opened === undefined ? undefined : this.#below(opened.path);
    if (opened === undefined || path === undefined) return;
    this.#positions.set(opened.fd, text.includes('O_APPEND') ? undefined : 0);
    if (/O_D?SYNC/u.test(text)) this.#synchronous.add(opened.fd);
    else this.#synchronous.delete(opened.fd);
    if (!text.includes('O_CREAT') || this.#files.has(path)) return;
    this.#files.set(path, { content: Buffer.alloc(0), pending: [], isNamed: false, isGone: false });
    this.#name(path, returned, false);
  }

  #name(path: string, returned: number, gone: boolean): void {
    const folder = dirname(path);
    const names = this.#names.get(folder) ?? [];
    this.#names.set(folder, names);
    names.push({ returned, path, gone });
  }

  #write({ arguments: text, returned, result }: SystemCall, at: number | undefined): void {
    const to = descriptorOf(text);
    const path = to === undefined ? undefined : this.#below(to.path);
    const file = path === undefined ? undefined : this.#files.get(path);
    if (to === undefined || path === undefined || file === undefined) return;
    const octets = Buffer.concat(textsOf(text.slice(text.indexOf('>') + 1))).subarray(0, Number(result));
    const length = this.#lengths.get(path) ?? 0;
    const offset = at ?? this.#positions.get(to.fd) ?? length;
    if (at === undefined && this.#positions.get(to.fd) !== undefined) {
      this.#positions.set(to.fd, offset + octets.length);
    }
    this.#lengths.set(path, Math.max(length, offset + octets.length));
    const write = { returned, offset, octets };
    if (this.#synchronous.has(to.fd)) put(file, write);
    else file.pending.push(write);
  }

  /** LMDB writes pages that follow each other so: `lseek`, then `writev`. */
  #seek({ arguments: text, result }: SystemCall): void {
    const of = descriptorOf(text);
    if (of !== undefined && /^\d+$/u.test(result)) this.#positions.set(of.fd, Number(result));
  }

  /** What had returned before the flush began is on the disk when it returns. */
  #flush({ arguments: text, began, result }: SystemCall): void {
    const of = descriptorOf(text);
    const path = of === undefined ? undefined : this.#below(of.path);
    if (path === undefined || result !== '0') return;
    const file = this.#files.get(path);
    if (file !== undefined) {
      for (const write of file.pending.splice(0)) {
        if (write.returned < began) put(file, write);
        else file.pending.push(write);
      }
    }
    const names = this.#names.get(path === '' ? '.' : path) ?? [];
    for (const name of names.splice(0)) {
      const named = this.#files.get(name.path);
      if (name.returned >= began) names.push(name);
      else if (named !== undefined) {
        named.isNamed = true;
        named.isGone = name.gone;
      }
    }
  }

  #unlink({ arguments: text, result, returned }: SystemCall): void {
    const [name] = textsOf(text);
    const path = name === undefined ? undefined : this.#below(name.toString('utf8'));
    if (path !== undefined && result === '0' && this.#files.has(path)) this.#name(path, returned, true);
  }

  #truncate({ arguments: text, returned }: SystemCall): void {
    const of = descriptorOf(text);
    const path = of === undefined ? undefined : this.#below(of.path);
    const size = Number(/, (\d+)$/u.exec(text)?.[1] ?? 0);
    const file = path === undefined ? undefined : this.#files.get(path);
    if (file !== undefined && size > file.content.length) {
      file.pending.push({ returned, offset: size, octets: Buffer.alloc(0) });
    }
  }
}

function put(file: File, { offset, octets }: Write): void {
  const end = offset + octets.length;
  if (end > file.content.length) {
    file.content = Buffer.concat([file.content, Buffer.alloc(end - file.content.length)]);
  }
  octets.copy(file.content, offset);
}
