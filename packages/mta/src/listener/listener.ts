/**
 * The way in: SMTP servers on any number of addresses, one set of users, networks, bounds and counters for
 * all.
 *
 * What may change at run time - addresses, certificate, users, networks, bounds - is given anew with
 * `reload`, and holds for what happens from then on: a connection stays as it was made, and who has logged in
 * stays so.
 */
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { CertificateError, type CertificatePair, CertificateWatch } from './certificate-files.js';
import { parseNetwork } from './network.js';
import type { CertificateFiles, ListenAddress, ListenerOptions, ListenerSettings } from './options.js';
import { hashProblem } from './password.js';
import { openRelayProblem } from './relay-access.js';
import { RelayServer } from './relay-server.js';
import { RelayState } from './relay-state.js';

/** Milliseconds between two looks at the certificate's files. */
const CERTIFICATE_INTERVAL = 10_000;

/** Milliseconds that clients have to read the last reply before their sockets are closed at once. */
const LAST_WORDS = 200;

const MAX_PORT = 65_535;

/** The settings can't be used, or an address can't be listened on. Nothing has changed. */
export class ListenerError extends Error {
  override readonly name = 'ListenerError';
}

export interface Listener {
  /**
   * Resolves when all addresses are listened on, with the ports that they got.
   * @throws (rejects) ListenerError
   */
  listen(): Promise<readonly ListenAddress[]>;
  /**
   * Takes no more connections, lets messages that are coming in come to their end for `graceMs` milliseconds,
   * and resolves when no connection is left and no message is being accepted.
   */
  close(graceMs: number): Promise<void>;
  /** @throws (rejects) ListenerError; everything is as it was then */
  reload(settings: ListenerSettings): Promise<readonly ListenAddress[]>;
  readonly connections: number;
}

/** What is wrong with settings, each in a sentence; none where they can be used. For `serve --check` too. */
export function listenerProblems(settings: ListenerSettings): string[] {
  const problems: string[] = [];
  for (const { host, port } of settings.addresses) {
    if (isIP(host) === 0) problems.push(`addresses: "${host}" is no IP address`);
    if (!Number.isInteger(port) || port < 0 || port > MAX_PORT)
      problems.push(`addresses: ${port} is no port`);
  }
  for (const text of [...settings.networks, ...(settings.submissionNetworks ?? [])]) {
    const network = parseNetwork(text);
    if (typeof network === 'string') problems.push(`networks: ${network}`);
  }
  const open = openRelayProblem(settings);
  if (open !== undefined) problems.push(open);
  for (const [user, hash] of settings.users) {
    const problem = hashProblem(hash);
    if (problem !== undefined) problems.push(`the password of user ${user}: ${problem}`);
  }
  if (settings.certificate === undefined) {
    if (settings.addresses.some(({ protocol }) => protocol === 'smtps')) {
      problems.push('an smtps address needs a certificate and its key');
    }
    if (settings.users.size > 0) {
      problems.push('users can log in only under TLS, which needs a certificate and its key');
    }
  }
  return problems;
}

/** @throws ListenerError where the settings can't be used */
export function createListener(options: ListenerOptions): Listener {
  return new SmtpListener(options);
}

class SmtpListener implements Listener {
  readonly #relay: RelayState;
  readonly #interval: number;
  #settings: ListenerSettings;
  #servers: RelayServer[] = [];
  #watch: CertificateWatch | undefined;
  #pair: CertificatePair | undefined;
  #last: Promise<unknown> = Promise.resolve();
  readonly #stopping = new Set<Promise<void>>();
  /** Servers that listen no more and have connections left. */
  readonly #retired = new Set<RelayServer>();

  constructor(options: ListenerOptions) {
    refuseProblems(options);
    this.#settings = options;
    this.#interval = options.certificateInterval ?? CERTIFICATE_INTERVAL;
    this.#relay = new RelayState(options);
  }

  get connections(): number {
    return this.#relay.slots.taken;
  }

  listen(): Promise<readonly ListenAddress[]> {
    return this.reload(this.#settings);
  }

  /** One after the other: a second reload finds what the first has made. */
  reload(settings: ListenerSettings): Promise<readonly ListenAddress[]> {
    const reloaded = this.#last.then(() => this.#reload(settings));
    this.#last = reloaded.catch(() => undefined);
    return reloaded;
  }

  async #reload(settings: ListenerSettings): Promise<readonly ListenAddress[]> {
    if (this.#relay.closing) throw new ListenerError('the listener is closed');
    refuseProblems(settings);
    const certificate = await this.#certificate(settings.certificate);
    const kept = this.#servers.filter(({ address }) =>
      settings.addresses.some((other) => same(address, other)),
    );
    const wanted = settings.addresses.filter(
      (address) => !kept.some((server) => same(server.address, address)),
    );
    const started: RelayServer[] = [];
    try {
      for (const address of wanted) started.push(await this.#start(address, certificate.pair));
    } catch (error) {
      for (const server of started) void this.#retire(server);
      if (certificate.watch !== this.#watch) certificate.watch?.stop();
      throw error;
    }
    this.#settings = settings;
    this.#relay.apply(settings);
    if (certificate.watch !== this.#watch) this.#watch?.stop();
    this.#watch = certificate.watch;
    const gone = this.#servers.filter((server) => !kept.includes(server));
    this.#servers = [...kept, ...started];
    for (const server of this.#servers) server.idle = this.#relay.limits.idle;
    this.#use(certificate.pair);
    for (const server of gone) void this.#retire(server);
    return this.#servers.map(({ address, port }) => ({ ...address, port }));
  }

  async #start(address: ListenAddress, pair: CertificatePair | undefined): Promise<RelayServer> {
    const server = new RelayServer(address, this.#relay, pair);
    try {
      await server.start();
      return server;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new ListenerError(`can't listen on ${address.host}, port ${address.port}: ${why}`);
    }
  }

  /** The pair to use, and who watches its files: the watch that is there, if the files are the same. */
  async #certificate(
    files: CertificateFiles | undefined,
  ): Promise<{ pair: CertificatePair | undefined; watch: CertificateWatch | undefined }> {
    if (files === undefined) return { pair: undefined, watch: undefined };
    const current = this.#watch;
    if (current?.files.certificate === files.certificate && current.files.key === files.key) {
      await current.look();
      return { pair: this.#pair, watch: current };
    }
    const watch = new CertificateWatch(files, {
      changed: (pair) => this.#use(pair),
      problem: (what) => this.#relay.log.problem(what),
    });
    try {
      return { pair: await watch.start(this.#interval), watch };
    } catch (error) {
      if (error instanceof CertificateError) throw new ListenerError(error.message);
      throw error;
    }
  }

  #use(pair: CertificatePair | undefined): void {
    this.#relay.hasCertificate = pair !== undefined;
    if (pair === undefined || pair === this.#pair) {
      this.#pair = pair;
      return;
    }
    this.#pair = pair;
    for (const server of this.#servers) server.useCertificate(pair);
    const file = this.#settings.certificate?.certificate ?? '';
    this.#relay.log.certificate(file, pair.notAfter);
  }

  /** Listens no more; connections go on. */
  #retire(server: RelayServer): Promise<void> {
    this.#retired.add(server);
    const stopping = server.stop().then(() => {
      this.#retired.delete(server);
      this.#stopping.delete(stopping);
    });
    this.#stopping.add(stopping);
    return stopping;
  }

  async close(graceMs: number): Promise<void> {
    await this.#last;
    this.#relay.closing = true;
    this.#watch?.stop();
    for (const server of this.#servers) void this.#retire(server);
    this.#servers = [];
    for (const connection of this.#alive()) connection.shutDown();
    const ended = Promise.all(this.#stopping);
    const over = new AbortController();
    await Promise.race([
      ended,
      sleep(graceMs, undefined, { signal: over.signal, ref: false }).catch(() => undefined),
    ]);
    over.abort();
    const late = this.#alive();
    for (const connection of late) connection.shutDown();
    if (late.length > 0) await Promise.race([ended, sleep(LAST_WORDS)]);
    for (const connection of this.#alive()) connection.destroy();
    await ended;
    // A server has heard of its last socket's end before the connection has.
    await this.#relay.slots.empty();
    await this.#relay.accepted();
  }

  #alive() {
    return [...this.#retired].flatMap((server) => [...server.alive]);
  }
}

const same = (one: ListenAddress, other: ListenAddress): boolean =>
  one.protocol === other.protocol && one.host === other.host && one.port === other.port;

function refuseProblems(settings: ListenerSettings): void {
  const problems = listenerProblems(settings);
  if (problems.length > 0) throw new ListenerError(problems.join('; '));
}
