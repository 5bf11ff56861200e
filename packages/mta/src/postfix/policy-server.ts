/**
 * Listens for Postfix: on loopback or a Unix-domain socket, since nothing here is encrypted and nobody authenticated.
 *
 * A connection is read one request at a time, and not read on while one is being answered. Connections, their
 * silence and what they may send ahead are bounded, so that one client can't keep others from being answered.
 */
import { chmod, lstat, unlink } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { NetstringError, NetstringReader } from './netstring.js';
import type { PolicyService } from './policy-service.js';
import { complain, type Response, respond, respondHttp } from './socketmap.js';

export type Listen =
  | { readonly kind: 'tcp'; readonly address: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string; readonly mode: number };

export interface ServerOptions {
  /** Milliseconds that a client may be silent for. */
  readonly idle?: number;
  readonly maxConnections?: number;
}

/** Postfix opens one connection for each of its smtp processes, a hundred by default. */
const MAX_CONNECTIONS = 256;
const IDLE = 60_000;
/** Octets of an HTTP request's head. */
const MAX_HEAD_OCTETS = 8192;
/** Milliseconds between looks for what is about to run out. */
const PREFETCH_EVERY = 30_000;

export class PolicyServer {
  readonly #service: PolicyService;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #idle: number;
  #unix = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(service: PolicyService, { idle = IDLE, maxConnections = MAX_CONNECTIONS }: ServerOptions = {}) {
    this.#service = service;
    this.#idle = idle;
    this.#server = createServer((socket) => this.#serve(socket));
    this.#server.maxConnections = maxConnections;
  }

  /**
   * @returns where it listens: with port 0, the port that was free
   * @throws (rejects) the system's error
   */
  async listen(where: Listen): Promise<Listen> {
    switch (where.kind) {
      case 'tcp': {
        await this.#listening({ host: where.address, port: where.port });
        const bound = this.#server.address();
        return typeof bound === 'object' && bound !== null ? { ...where, port: bound.port } : where;
      }
      case 'unix':
        this.#unix = true;
        await removeStale(where.path);
        await this.#listening({ path: where.path });
        await chmod(where.path, where.mode);
        return where;
      default: {
        const never: never = where;
        return never;
      }
    }
  }

  /** Looks up ahead of time what is in use, for as long as the server runs. */
  startPrefetching(): void {
    this.#timer ??= setInterval(() => void this.#service.prefetch(), PREFETCH_EVERY).unref();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#service.stop();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #listening(where: { host: string; port: number } | { path: string }): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(where, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy()).once('close', () => this.#sockets.delete(socket));
    socket.setTimeout(this.#idle, () => socket.destroy());
    void this.#converse(socket).catch(() => socket.destroy());
  }

  async #converse(socket: Socket): Promise<void> {
    const local = this.#unix || isLoopback(socket.remoteAddress);
    const reader = new NetstringReader();
    let head: Buffer | undefined;
    for await (const octets of socket.iterator({ destroyOnReturn: false })) {
      head ??= isHttp(octets) ? Buffer.alloc(0) : undefined;
      if (head !== undefined) {
        head = Buffer.concat([head, octets]);
        if (head.length > MAX_HEAD_OCTETS) return void socket.destroy();
        if (!head.includes('\r\n\r\n')) continue;
        return void socket.end(respondHttp(head.toString('latin1'), this.#service, local).octets);
      }
      reader.push(octets);
      for (
        let response = await this.#next(reader, local);
        response;
        response = await this.#next(reader, local)
      ) {
        if (response.close) return void socket.end(response.octets);
        if (!socket.write(response.octets)) await drained(socket);
      }
    }
    socket.end();
  }

  async #next(reader: NetstringReader, local: boolean): Promise<Response | undefined> {
    try {
      const request = reader.next();
      return request === undefined ? undefined : await respond(request, this.#service, local);
    } catch (error) {
      if (error instanceof NetstringError) return complain(error);
      throw error;
    }
  }
}

/** A netstring begins with a digit, an HTTP request with a letter. */
function isHttp(octets: Buffer): boolean {
  return /^[A-Z]/u.test(octets.subarray(0, 1).toString('latin1'));
}

/** No address is no answer: the client is gone already. */
function isLoopback(address: string | undefined): boolean {
  return address !== undefined && /^(?:::ffff:)?127\.|^::1$/u.test(address);
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });
}

/**
 * A socket that nobody listens at any more, left behind by a process that was killed. What is no socket stays.
 *
 * @throws (rejects) where somebody does listen
 */
async function removeStale(path: string): Promise<void> {
  const present = await lstat(path).catch(() => undefined);
  if (present?.isSocket() !== true) return;
  const alive = await new Promise<boolean>((resolve) => {
    const socket = connect(path, () => resolve(true));
    socket.once('error', () => resolve(false)).once('close', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
  if (alive) throw new Error(`another process listens at ${path}`);
  await unlink(path);
}
