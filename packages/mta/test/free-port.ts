/** A port that nobody listens on now, on any address of this machine. */
import { createServer } from 'node:net';

/**
 * The port has to be known before the server starts: it stands in the configuration, and in the owner names
 * of TLSA records (`_port._tcp`). Linux hands out ephemeral ports in turn, so it is not given away again
 * soon.
 */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port: 0, host: '0.0.0.0', exclusive: true }, resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('the listening socket has no port');
  return address.port;
}
