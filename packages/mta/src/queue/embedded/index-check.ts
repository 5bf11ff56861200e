/**
 * Looks at the index before it is opened. LMDB maps its file into memory and believes what it finds there: a
 * file that was cut off kills the process (SIGBUS), one that was overwritten may, too.
 *
 * Every page of LMDB's trees says which page it is and what it is. So from the newest root on, all pages that
 * can be reached must be there, must say that they are the page they were looked for as, and must hold nodes that
 * lie within them. What pages hold beyond that is checked when it is read: it is JSON.
 *
 * @see liblmdb's mdb.c, data format version 2: MDB_meta, MDB_page, MDB_node
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { codeOf } from './disk.js';

const META_MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
/** The page header: number and transaction (8 each), pad, flags, lower, upper (2 each). */
const HEADER = 24;
const FLAGS_AT = 18;
const LOWER_AT = 20;
const UPPER_AT = 22;
const OVERFLOW_PAGES_AT = 20;
/** MDB_meta, from the end of its page's header: magic, version, address, size of the map, then two trees. */
const TREES_AT = HEADER + 24;
const TREE_OCTETS = 48;
const TREE_ROOT_AT = 40;
const LAST_PAGE_AT = TREES_AT + 2 * TREE_OCTETS;
const TRANSACTION_AT = LAST_PAGE_AT + 8;
const META_OCTETS = TRANSACTION_AT + 8;
/** A node: size or page (two halves), flags, size of the key. */
const NODE = 8;
const BRANCH = 0x01;
const LEAF = 0x02;
const OVERFLOW = 0x04;
const META = 0x08;
const BIG_DATA = 0x01;
const SUB_TREE = 0x02;
const NO_ROOT = 0xffff_ffff_ffff_ffffn;
/** Deeper than a tree of any size that fits on a disk. */
const MOST_DEPTH = 32;

/** What a reader found; undefined: nothing wrong. */
export type Finding = string | undefined;

/** @returns what is wrong with LMDB's data file; `missing` where there is none */
export function checkIndex(path: string): Finding | 'missing' {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return 'missing';
    throw error;
  }
  try {
    return checkFile(file);
  } finally {
    closeSync(file);
  }
}

function checkFile(file: number): Finding {
  const { size } = fstatSync(file);
  const first = readAt(file, 0, META_OCTETS);
  const pageSize = first === undefined ? 0 : first.readUInt32LE(TREES_AT);
  if (pageSize < 512 || pageSize > 65536 || (pageSize & (pageSize - 1)) !== 0) return 'it has no page size';
  const metas = [first, readAt(file, pageSize, META_OCTETS)].filter(
    (meta) =>
      meta !== undefined &&
      meta.readUInt16LE(FLAGS_AT) === META &&
      meta.readUInt32LE(HEADER) === META_MAGIC &&
      (meta.readUInt32LE(HEADER + 4) & 0xffff) === DATA_VERSION,
  );
  const [one, other] = metas;
  // LMDB reads both, and refuses the file where one is not there.
  if (one === undefined || other === undefined) return 'its first pages are not those of an index';
  const newest = one.readBigUInt64LE(TRANSACTION_AT) >= other.readBigUInt64LE(TRANSACTION_AT) ? one : other;
  const walk = new Walk(file, pageSize, Math.floor(size / pageSize), newest.readBigUInt64LE(LAST_PAGE_AT));
  for (const tree of [0, 1]) {
    const wrong = walk.tree(newest.readBigUInt64LE(TREES_AT + tree * TREE_OCTETS + TREE_ROOT_AT), 0);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

class Walk {
  readonly #file: number;
  readonly #pageSize: number;
  readonly #pages: bigint;
  readonly #lastPage: bigint;

  constructor(file: number, pageSize: number, pages: number, lastPage: bigint) {
    this.#file = file;
    this.#pageSize = pageSize;
    this.#pages = BigInt(pages);
    this.#lastPage = lastPage;
  }

  tree(number: bigint, depth: number): Finding {
    if (number === NO_ROOT) return undefined;
    if (depth > MOST_DEPTH) return 'its tree has no end';
    if (number > this.#lastPage || number >= this.#pages) return `it ends before its page ${number}`;
    const page = readAt(this.#file, Number(number) * this.#pageSize, this.#pageSize);
    if (page === undefined) return `it ends before its page ${number}`;
    const flags = page.readUInt16LE(FLAGS_AT);
    // Places in a page are counted from the end of its header.
    const lower = HEADER + page.readUInt16LE(LOWER_AT);
    const upper = HEADER + page.readUInt16LE(UPPER_AT);
    const right = page.readBigUInt64LE(0) === number && (flags === BRANCH || flags === LEAF);
    if (!right || lower % 2 !== 0 || lower > upper || upper > this.#pageSize) {
      return `its page ${number} is not what was written`;
    }
    for (let at = HEADER; at < lower; at += 2) {
      const node = HEADER + page.readUInt16LE(at);
      if (node < upper || node + NODE > this.#pageSize) return `its page ${number} is not what was written`;
      const wrong =
        flags === BRANCH ? this.#branch(page, node, depth) : this.#leaf(page, node, number, depth);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }

  /** A branch's node holds the page under it: 48 bits, in place of size and flags. */
  #branch(page: Buffer, node: number, depth: number): Finding {
    return this.tree(BigInt(page.readUIntLE(node, 6)), depth + 1);
  }

  #leaf(page: Buffer, node: number, number: bigint, depth: number): Finding {
    const size = page.readUInt32LE(node);
    const flags = page.readUInt16LE(node + 4);
    const data = node + NODE + page.readUInt16LE(node + 6);
    const inPage = (flags & BIG_DATA) === 0 ? size : 8;
    if (data + inPage > this.#pageSize) return `its page ${number} is not what was written`;
    if ((flags & BIG_DATA) !== 0) return this.#overflow(page.readBigUInt64LE(data), size);
    if ((flags & SUB_TREE) !== 0) return this.tree(page.readBigUInt64LE(data + TREE_ROOT_AT), depth + 1);
    return undefined;
  }

  /** Data that does not fit into a page, in pages of its own. */
  #overflow(number: bigint, size: number): Finding {
    const pages = BigInt(Math.ceil((HEADER + size) / this.#pageSize));
    if (number + pages > this.#pages) return `it ends before its page ${number + pages - 1n}`;
    const header = readAt(this.#file, Number(number) * this.#pageSize, HEADER);
    const right =
      header !== undefined &&
      header.readBigUInt64LE(0) === number &&
      header.readUInt16LE(FLAGS_AT) === OVERFLOW &&
      BigInt(header.readUInt32LE(OVERFLOW_PAGES_AT)) === pages;
    return right ? undefined : `its page ${number} is not what was written`;
  }
}

/** Undefined where the file ends before. */
function readAt(file: number, at: number, length: number): Buffer | undefined {
  const octets = Buffer.allocUnsafe(length);
  return readSync(file, octets, 0, length, at) === length ? octets : undefined;
}
