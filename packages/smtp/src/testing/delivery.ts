/**
 * Deliveries of one message each, as a relay makes them: over a pool, to scripted servers under addresses of
 * our choice, with what DNS says in the test's hand.
 */
import type { RecordData } from '@danelaw/dns';
import { type ClientOptions, makeClient } from '../client.js';
import { connectTcp } from '../connection.js';
import { type Consignment, type DestinationResult, deliverToDestination } from '../destination.js';
import { parseMailbox } from '../mailbox.js';
import { checkMessage, type Message } from '../message.js';
import type { RecipientOutcome } from '../outcome.js';
import { type PoolOptions, SessionPool } from '../session-pool.js';
import { tlsaFor } from './certificates.js';
import { a, type Fixed, fixedResolver, mx } from './fixed-resolver.js';
import { type Heard, type Script, type ScriptedServer, startServer } from './scripted-server.js';

export function message(header = ''): Message {
  const checked = checkMessage(Buffer.from(`Subject: hello\r\n${header}\r\nworld\r\n`));
  if (checked.status !== 'ok') throw new Error(checked.reason);
  return checked.message;
}

export const tlsaRecord = (pem: string, usage: 2 | 3): RecordData => ({
  type: 'TLSA',
  ...tlsaFor(pem, usage),
});

export const ADDRESS = '192.0.2.1';

/**
 * example.org, example.net and example.com with one MX host, at 192.0.2.1, and its TLSA records. All signed,
 * where nothing else is said.
 */
export function oneHost(
  tlsa: readonly RecordData[],
  { host = 'mx.example.org', more = {} }: { host?: string; more?: Readonly<Record<string, Fixed>> } = {},
): Readonly<Record<string, Fixed>> {
  return {
    'example.org MX': { records: [mx(10, host)] },
    'example.net MX': { records: [mx(10, host)] },
    'example.com MX': { records: [mx(10, host)] },
    [`${host} A`]: { records: [a(ADDRESS)] },
    [`_25._tcp.${host} TLSA`]: { records: tlsa },
    ...more,
  };
}

export class Sender {
  readonly pool: SessionPool;
  /** Every address that was connected to, in order. */
  readonly dialled: string[] = [];
  readonly #servers = new Map<string, ScriptedServer>();
  readonly #started: ScriptedServer[] = [];
  #options: ClientOptions;

  constructor(answers: Readonly<Record<string, Fixed>>, pool: PoolOptions = {}) {
    this.pool = new SessionPool(pool);
    this.#options = {
      resolver: fixedResolver(answers),
      heloName: 'client.example',
      connect: ({ address }) => {
        this.dialled.push(address);
        // Port 1 on loopback: nobody listens there.
        const port = this.#servers.get(address)?.port ?? 1;
        return connectTcp({ address: '127.0.0.1', family: 4, port });
      },
      pool: this.pool,
    };
  }

  /** From now on, in place of whatever served there. */
  async serve(script: Script, address = ADDRESS): Promise<void> {
    const server = await startServer(script);
    this.#started.push(server);
    this.#servers.set(address, server);
  }

  /** From now on. */
  set(options: Partial<ClientOptions>): void {
    this.#options = { ...this.#options, ...options };
  }

  /** What DNS says from now on. */
  publish(answers: Readonly<Record<string, Fixed>>): void {
    this.set({ resolver: fixedResolver(answers) });
  }

  async send(domain: string, consignment: Partial<Consignment> = {}): Promise<Sent> {
    const recipient = parseMailbox(`b@${domain}`);
    if (recipient === undefined) throw new Error(domain);
    const result = await deliverToDestination(makeClient(this.#options), {
      nextHop: domain,
      from: parseMailbox('a@client.example'),
      recipients: [recipient],
      message: message(),
      requireTls: false,
      ...consignment,
    });
    return new Sent(result);
  }

  heard(address = ADDRESS): readonly Heard[] {
    return this.#servers.get(address)?.connections ?? [];
  }

  async end(): Promise<void> {
    this.pool.close();
    await Promise.all(this.#started.map((server) => server.close()));
  }
}

/** What became of a message with one recipient. */
export class Sent {
  readonly attempts: DestinationResult['attempts'];
  readonly outcome: RecipientOutcome;

  constructor({ outcomes, attempts }: DestinationResult) {
    const [outcome] = outcomes.values();
    if (outcome === undefined) throw new Error('no outcome');
    this.outcome = outcome;
    this.attempts = attempts;
  }

  /** How it went and over what: `delivered, shared`. */
  get summary(): string {
    return [this.outcome.status, ...this.attempts.map(({ connection }) => connection ?? 'none')].join(', ');
  }

  /** What authenticated the server for this destination; null where nothing did. */
  get proof(): string | null {
    const authenticated = this.outcome.tls?.authenticated;
    return authenticated?.by === 'dane' ? authenticated.record : (authenticated?.by ?? null);
  }
}

/** Senders that are ended after each test: `afterEach(endSenders)`. */
const senders: Sender[] = [];

export async function startSender(
  answers: Readonly<Record<string, Fixed>>,
  script: Script = {},
  pool: PoolOptions = {},
): Promise<Sender> {
  const sender = new Sender(answers, pool);
  senders.push(sender);
  await sender.serve(script);
  return sender;
}

export async function endSenders(): Promise<void> {
  await Promise.all(senders.splice(0).map((sender) => sender.end()));
}
