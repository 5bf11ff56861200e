/** A port that nobody listens on now, on any address of this machine, and that the system gives to nobody else. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below those that Linux gives to whoever asks for any (32768 to 60999), and above those of services. */
const FIRST = 20_000;
const LAST = 32_767;
/** Ports that are tried. */
const TRIES = 100;
const given = new Set<number>();

/**
 * The port has to be known before the server starts: it stands in the configuration, and in the owner names
 * of TLSA records (`_port._tcp`). One that the system had given could be given away again meanwhile: tests beside
 * this one open hundreds.
 */
export async function freePort(): Promise<number> {
  for (let left = TRIES; left > 0; left--) {
    const port = randomInt(FIRST, LAST + 1);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`no port from ${FIRST} to ${LAST} is free`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const isListening = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen({ port, host: '0.0.0.0', exclusive: true }, () => resolve(true));
  });
  if (isListening) await new Promise((resolve) => server.close(resolve));
  return isListening;
}
