/**
 * A TCP proxy that cuts a connection where it hurts most: at PostgreSQL's COMMIT, before the server has heard
 * of it, or after it was done and before the client knows.
 */
import { connect, createServer, type Socket } from 'node:net';

export type Cut =
  | 'before the server heard of the commit'
  | 'before the client heard of it'
  | 'not at all: it stands still';

export interface CuttingProxy {
  readonly port: number;
  /** The next COMMIT is cut, once. */
  arm(cut: Cut): void;
  /** How many were cut. */
  readonly cuts: number;
  /** From here on nothing comes through, and nobody is told. */
  freeze(): void;
  close(): Promise<void>;
}

/** The simple query `commit`: type, length, text, NUL. */
const COMMIT = Buffer.from('Q\0\0\0\x0bcommit\0', 'latin1');

export async function startCuttingProxy(target: number): Promise<CuttingProxy> {
  let armed: Cut | undefined;
  let cuts = 0;
  let frozen = false;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    let deaf = false;
    const end = () => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', end);
      socket.on('close', () => {
        sockets.delete(socket);
        end();
      });
    }
    client.on('data', (chunk) => {
      if (frozen) return;
      if (armed !== undefined && chunk.includes(COMMIT)) {
        const cut = armed;
        armed = undefined;
        cuts++;
        if (cut === 'before the server heard of the commit') return end();
        if (cut === 'not at all: it stands still') return;
        deaf = true;
      }
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      if (frozen) return;
      if (deaf) end();
      else client.write(chunk);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the listening socket has no port');
  return {
    port: address.port,
    arm(cut) {
      armed = cut;
    },
    get cuts() {
      return cuts;
    },
    freeze() {
      frozen = true;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
