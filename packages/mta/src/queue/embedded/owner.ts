/**
 * One process delivers from a queue: its owner. That it lives is told by a socket that it listens on, because
 * the system closes it with the process, however that ends: nothing is left that could block the next start.
 *
 * On Linux an abstract socket, named after the folder, is taken first: taking it is one step, so two starts at a
 * time can't both succeed. It is seen only in the same network namespace; the socket in the folder is seen by
 * containers that share the folder, too.
 */
import { closeSync, openSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { QueueUnusableError } from '../queue.js';
import { codeOf } from './disk.js';

const SOCKET = 'owner.sock';

export interface Ownership {
  release(): Promise<void>;
}

/** @throws (rejects) `QueueUnusableError` where another process has it */
export async function own(directory: string): Promise<Ownership> {
  const taken = new QueueUnusableError(`Another process delivers from the queue in ${directory}.`);
  // A socket's path has a hundred octets at most; through the open folder it is short.
  const folder = openSync(directory, 'r');
  const linux = process.platform === 'linux';
  const path = linux ? `/proc/self/fd/${folder}/${SOCKET}` : `${directory}/${SOCKET}`;
  const servers: Server[] = [];
  const release = async () => {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    closeSync(folder);
  };
  try {
    if (linux) {
      const { dev, ino } = statSync(directory);
      servers.push(await listen(`\0danelaw-queue-${dev}-${ino}`));
    }
    if (await answers(path)) throw taken;
    await rm(`${directory}/${SOCKET}`, { force: true });
    servers.push(await listen(path));
    return { release };
  } catch (error) {
    await release();
    throw codeOf(error) === 'EADDRINUSE' ? taken : error;
  }
}

async function listen(path: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  // It does not keep the process alive.
  server.unref();
  return server;
}

/**
 * Whether somebody listens there. Only two answers say that nobody does; any other - no permission, a queue of
 * connections that is full, no descriptor left - may come of one who does.
 */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => {
      const code = codeOf(error);
      if (code === 'ECONNREFUSED' || code === 'ENOENT') resolve(false);
      else if (code === 'EAGAIN') resolve(true);
      else reject(error);
    });
  });
}
