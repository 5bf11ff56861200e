/** Pebble, the small certificate authority that Let's Encrypt tests ACME clients with: every name is taken for proved. */
import { writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:https';
import { join } from 'node:path';
import { freePort } from '../packages/mta/test/free-port.js';
import { acmePrograms } from './neighbours.js';
import { runOk } from './run.js';
import { type ServerProcess, startServer } from './server-process.js';

export interface Pebble extends ServerProcess {
  readonly directory: string;
  /** What clients trust its HTTPS by. */
  readonly trustFile: string;
}

export async function startPebble(folder: string): Promise<Pebble> {
  const file = (name: string): string => join(folder, name);
  await runOk(acmePrograms.openssl, [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
    ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
    ...['-keyout', file('pebble.key'), '-out', file('pebble.crt')],
  ]);
  const [port, management] = [await freePort(), await freePort()];
  const pebble = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${management}`,
    certificate: file('pebble.crt'),
    privateKey: file('pebble.key'),
    // Nobody is asked there.
    httpPort: 5002,
    tlsPort: 5001,
  };
  await writeFile(file('pebble.json'), JSON.stringify({ pebble }));
  const directory = `https://127.0.0.1:${port}/dir`;
  const server = await startServer({
    name: 'Pebble',
    program: '/usr/bin/env',
    args: [
      ...['PEBBLE_VA_ALWAYS_VALID=1', 'PEBBLE_VA_NOSLEEP=1', 'PEBBLE_WFE_NONCEREJECT=0'],
      ...[acmePrograms.pebble, '-config', file('pebble.json')],
    ],
    ready: () => answers(directory),
  });
  return { ...server, directory, trustFile: file('pebble.crt') };
}

async function answers(url: string): Promise<void> {
  // Whether it is there at all; that it is the right one is the clients' business.
  const agent = new Agent({ rejectUnauthorized: false });
  await new Promise<void>((resolve, reject) => {
    get(url, { agent }, (response) => {
      response.resume();
      if (response.statusCode === 200) resolve();
      else reject(new Error(`Pebble answered ${response.statusCode}`));
    }).on('error', reject);
  }).finally(() => agent.destroy());
}
