/**
 * A relay that runs, and mail servers of the test that it delivers to: no DNS, rules of the policy table say which
 * domain is where.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { selfSigned } from '@danelaw/lab';
import { createTransport } from 'nodemailer';
import { freePort } from './free-port.js';
import { run } from './program.js';
import { RecordingServer, type RecordingServerOptions } from './recording-server.js';
import { RelayProcess } from './relay-process.js';

/** Lines of a rule in TOML, beside its domain. */
export type Route = number | string;

/** A certificate for a server, and its SHA2-256 digest as a rule of the policy table has it. */
export function certificateFor(name: string): {
  readonly certificate: { readonly cert: string; readonly key: string };
  readonly fingerprint: string;
} {
  const validity = {
    notBefore: new Date(Date.now() - 86_400_000),
    notAfter: new Date(Date.now() + 86_400_000),
  };
  const { pem, keyPem, der } = selfSigned({ names: [name], validity });
  const fingerprint = createHash('sha256').update(der).digest('hex');
  return { certificate: { cert: pem, key: keyPem }, fingerprint };
}

export class LoadedRelay {
  readonly folder: string;
  readonly port: number;
  readonly config: string;
  relay: RelayProcess | undefined;
  readonly #servers: RecordingServer[] = [];

  private constructor(folder: string, port: number) {
    this.folder = folder;
    this.port = port;
    this.config = join(folder, 'danelaw.toml');
  }

  static async open(): Promise<LoadedRelay> {
    return new LoadedRelay(await mkdtemp(join(tmpdir(), 'danelaw-relay-')), await freePort());
  }

  async server(
    options: RecordingServerOptions = {},
    at?: number,
  ): Promise<RecordingServer & { readonly port: number }> {
    const made = new RecordingServer(options);
    this.#servers.push(made);
    return Object.assign(made, { port: await made.listen(at) });
  }

  /** @param routes domain to port, or to a rule of the policy table */
  toml(routes: Readonly<Record<string, Route>>, more = ''): string {
    const rules = Object.entries(routes).map(([domain, route]) => {
      const rule = typeof route === 'number' ? `level = "none"\nrelay = "[127.0.0.1]:${route}"` : route;
      return `[[policy]]\ndomain = "${domain}"\n${rule}\n`;
    });
    return `
hostname = "relay.example"
state = "${join(this.folder, 'state')}"
[[listen]]
address = "127.0.0.1:${this.port}"
[dns]
resolver = ["127.0.0.1#1"]
[sts]
enabled = false
${more}
${rules.join('\n')}`;
  }

  async start(
    routes: Readonly<Record<string, Route>>,
    more = '',
    env: Readonly<Record<string, string>> = {},
  ): Promise<RelayProcess> {
    this.relay = new RelayProcess(this.config, this.toml(routes, more), env);
    await this.relay.start();
    return this.relay;
  }

  /** Each to its recipients, over a few connections; the header field `X-Number` has the first of them. */
  async submit(messages: readonly (string | string[])[], more: object = {}): Promise<void> {
    const { port } = this;
    const transport = createTransport({ host: '127.0.0.1', port, ignoreTLS: true, pool: true });
    await Promise.all(
      messages.map((to) =>
        transport.sendMail({
          from: 'sender@here.example',
          to,
          subject: 'a message',
          text: 'Hello.',
          headers: { 'X-Number': String(typeof to === 'string' ? to : to[0]) },
          ...more,
        }),
      ),
    );
    transport.close();
  }

  /** Events of that name so far. */
  count(name: string): number {
    return this.relay?.events.filter(({ event }) => event === name).length ?? 0;
  }

  async delivered(count: number): Promise<void> {
    await this.relay?.event(() => this.count('delivered') >= count);
  }

  /** `danelaw queue`; throws where it does not exit 0. */
  async queue(...argv: string[]): Promise<string> {
    const { code, out, err } = await run(['queue', ...argv, '--config', this.config]);
    if (code !== 0) throw new Error(`danelaw queue ${argv.join(' ')}: ${code}: ${err}`);
    return out;
  }

  async closeServers(): Promise<void> {
    await Promise.all(this.#servers.splice(0).map((server) => server.close()));
  }

  async close(): Promise<void> {
    await this.relay?.end('SIGKILL');
    await this.closeServers();
    await rm(this.folder, { recursive: true });
  }
}
