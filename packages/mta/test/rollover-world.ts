/**
 * A mail host whose zone and certificates a test changes while it looks: a signed root zone on two name servers, and a TLS server
 * on another address, all on loopback. Time is the test's own.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { formatRdata, Name, RRTYPE } from '@danelaw/dns';
import {
  type Certificate,
  type DnsSocket,
  NameServer,
  parseZone,
  type ServedZone,
  SignedZone,
} from '@danelaw/lab';
import { main } from '../src/cli/main.js';
import type { Ended } from './program.js';

export const HOST = 'mx.example';
const NAME_SERVERS = ['127.54.2.1', '127.54.2.2'] as const;
const MAIL_SERVER = '127.54.2.3';

export class RolloverWorld {
  now = Date.now();
  readonly folder: string;
  /** As last published. */
  records: readonly string[] = [];
  #zones: (readonly ServedZone[])[] = [[], []];
  #sockets: DnsSocket[] = [];
  readonly #mail: Server;
  #port = 0;

  private constructor(folder: string) {
    this.folder = folder;
    this.#mail = createServer();
    this.#mail.on('tlsClientError', () => {});
  }

  static async start(): Promise<RolloverWorld> {
    const world = new RolloverWorld(await mkdtemp(join(tmpdir(), 'danelaw-test-')));
    await new Promise<void>((resolve) => world.#mail.listen(0, MAIL_SERVER, resolve));
    const address = world.#mail.address();
    world.#port = typeof address === 'object' && address !== null ? address.port : 0;
    let dnsPort = 0;
    for (const [index, at] of NAME_SERVERS.entries()) {
      const zones = () => world.#zones[index] ?? [];
      const server = new NameServer({
        get zones() {
          return zones();
        },
      });
      const socket = await server.listen(at, dnsPort);
      dnsPort = socket.port;
      world.#sockets.push(socket);
    }
    await writeFile(join(world.folder, 'hints'), `. 3600 IN NS ns.\nns. 3600 IN A ${NAME_SERVERS[0]}\n`);
    return world;
  }

  get owner(): string {
    return `_${this.#port}._tcp.${HOST}`;
  }

  /** `on`: one name server alone; the other one stays behind. */
  async publish(records: readonly string[], on?: 0 | 1, unsigned = false): Promise<void> {
    if (on === undefined) this.records = records;
    const zone = parseZone(Name.root, [
      '@ NS ns',
      '@ NS ns2',
      `ns A ${NAME_SERVERS[0]}`,
      `ns2 A ${NAME_SERVERS[1]}`,
      `${HOST}. A ${MAIL_SERVER}`,
      ...records.map((record) => `${this.owner}. TLSA ${record}`),
    ]);
    const signed = new SignedZone(zone, {}, () => this.now);
    this.#zones = this.#zones.map((old, index) =>
      on === undefined || on === index ? [unsigned ? { zone } : { zone, signed }] : old,
    );
    if (on === 1) return;
    const anchors = signed.dsRecords().map((rdata) => `. IN DS ${formatRdata(RRTYPE.DS, rdata)}`);
    await writeFile(join(this.folder, 'anchor'), anchors.join('\n'));
  }

  /** With all that is above them; several of different kinds of key. */
  present(...certificates: readonly Certificate[]): void {
    this.#mail.setSecureContext({
      cert: certificates.map(({ chain }) => chain.map(({ pem }) => pem).join('')),
      key: certificates.map(({ keyPem }) => keyPem),
    });
  }

  async run(command: string, ...argv: string[]): Promise<Ended> {
    let out = '';
    let err = '';
    const { port = 0 } = this.#sockets[0] ?? {};
    const hints = ['--root-hints', join(this.folder, 'hints'), '--trust-anchor', join(this.folder, 'anchor')];
    const look = ['--resolver', 'iterate', ...hints, '--dns-port', String(port), '--timeout', '5'];
    const server = command === 'start' ? [HOST, '--port', String(this.#port), '--starttls', 'none'] : [];
    const rest = command === 'back' ? [] : [...look, ...server, '--at', new Date(this.now).toISOString()];
    const code = await main(['tlsa', 'rollover', command, ...rest, '--state', this.state, ...argv], {
      stdout: { write: (text) => (out += text) },
      stderr: { write: (text) => (err += text) },
      stdin: { async *[Symbol.asyncIterator]() {} },
      env: process.env,
      signal: new AbortController().signal,
    });
    return { code, out, err };
  }

  get state(): string {
    return join(this.folder, 'state');
  }

  async file(name: string, text: string | Uint8Array): Promise<string> {
    const path = join(this.folder, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) await socket.close();
    await new Promise((resolve) => this.#mail.close(resolve));
    await rm(this.folder, { recursive: true });
  }
}
