/**
 * A Nodemailer transport that needs no mail server of its own: it finds each recipient's servers, asks DNS what
 * it has to demand of them (RFC 7672), and delivers to them directly.
 *
 * The contract of a transport is small: `send` composes nothing and signs nothing, it takes what Nodemailer has
 * made and reports by callback; `verify` and `close` are there to be called, `mail.data.signal` to be heard.
 * There is no pool, so there is no `idle`: `send` may be called at any time.
 *
 * What a queue would do is left to the caller: a recipient that was refused for now is reported, and not tried
 * again.
 */
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { createResolver, type Resolver, type ResolverOptions } from '@danelaw/dns';
import { type ClientOptions, deliver, MtaSts, parseDomain, type StsSource } from '@danelaw/smtp';
import type { MailMessage, Transport } from 'nodemailer';
import { abortError, DanelawMailError } from './mail-error.js';
import { readMessage } from './message-octets.js';
import { type DanelawSentMessageInfo, sentMessageInfo } from './sent-message.js';

export interface DanelawTransportOptions extends Omit<ClientOptions, 'resolver' | 'heloName' | 'sts'> {
  /**
   * A resolver, which stays yours to close, or the options of one. By default the system's resolvers are asked
   * where they pass DNSSEC on, and the root's servers where they don't; every answer is validated here.
   */
  readonly resolver?: Resolver | ResolverOptions;
  /**
   * Who knows MTA-STS policies (RFC 8461), for domains without TLSA records. By default they are fetched here, and
   * forgotten with the transport: a source whose cache is kept over restarts can't be kept from learning what it knew.
   * `false` asks nobody.
   */
  readonly sts?: StsSource | false;
  /**
   * The name that EHLO says: fully qualified, and best the one that your address has in reverse DNS. By default
   * the machine's name if it has a dot, else `[127.0.0.1]`, as Nodemailer does; many servers refuse the latter.
   */
  readonly name?: string;
  /** Longest message, in octets; it is held in memory while it is delivered. 100 MiB by default. */
  readonly maxMessageOctets?: number;
}

type Callback = (error: Error | null, info?: DanelawSentMessageInfo) => void;
type Verified = (error: Error | null, success?: true) => void;

/** No large provider takes a message half as long. */
const MAX_MESSAGE_OCTETS = 100 * 1024 * 1024;

/**
 * `createTransport(danelawTransport())`.
 *
 * @throws TypeError for a `name` that can't be said with EHLO, or options that a resolver can't be made of
 */
export function danelawTransport(options: DanelawTransportOptions = {}): DanelawTransport {
  return new DanelawTransport(options);
}

export class DanelawTransport extends EventEmitter implements Transport<DanelawSentMessageInfo> {
  readonly name = 'danelaw';
  readonly version = ownVersion();
  /** `send` hears `mail.data.signal`. */
  readonly supportsAbortSignal = true;
  readonly #client: ClientOptions;
  readonly #limit: number;
  /** Ours to close, where it was made here. */
  readonly #ownResolver: Resolver | undefined;
  readonly #ownSts: MtaSts | undefined;
  readonly #forced = new AbortController();
  readonly #underWay = new Set<Promise<void>>();
  #closed = false;

  constructor(options: DanelawTransportOptions = {}) {
    super();
    const { resolver, name, maxMessageOctets, sts, ...client } = options;
    const heloName = parseDomain(name ?? defaultName());
    if (heloName === undefined) throw new TypeError(`"${name}" can't be said with EHLO: it is no host name`);
    const chosen = isResolver(resolver) ? resolver : createResolver(resolver ?? {});
    this.#ownResolver = chosen === resolver ? undefined : chosen;
    this.#limit = maxMessageOctets ?? MAX_MESSAGE_OCTETS;
    this.#ownSts = sts === undefined ? new MtaSts() : undefined;
    const source = sts ?? this.#ownSts;
    this.#client = { ...client, heloName, resolver: chosen, ...(source ? { sts: source } : {}) };
  }

  /** Delivers a message. Called by Nodemailer. */
  send(mail: MailMessage<DanelawSentMessageInfo>, callback: Callback): void {
    const work = this.#send(mail).then(
      // Outside of the promise, so that what the callback throws is the caller's exception and not ours.
      (info) => void setImmediate(callback, null, info),
      (error: Error) => void setImmediate(callback, error),
    );
    this.#underWay.add(work);
    void work.finally(() => this.#underWay.delete(work));
  }

  /**
   * Is there a resolver whose answers can be proved? It asks for the root's keys; no mail server is involved,
   * as none is known before there is a recipient.
   *
   * @throws (rejects) `EDNS` where nothing can be validated: every delivery would be deferred
   */
  verify(): Promise<true>;
  verify(callback: Verified): void;
  verify(callback?: Verified): Promise<true> | undefined {
    const work = this.#verify();
    if (callback === undefined) return work;
    work.then(
      () => void setImmediate(callback, null, true),
      (error: Error) => void setImmediate(callback, error),
    );
    return undefined;
  }

  /**
   * Waits for what is under way - or ends it, with `force` - and closes the resolver that was made here.
   * Messages that come later fail.
   */
  async close({ force = false }: { force?: boolean } = {}): Promise<void> {
    this.#closed = true;
    if (force) this.#forced.abort(new Error('the transport was closed'));
    await Promise.all(this.#underWay);
    await this.#ownSts?.close();
    await this.#ownResolver?.close();
    this.emit('close');
  }

  async #send(mail: MailMessage<DanelawSentMessageInfo>): Promise<DanelawSentMessageInfo> {
    if (this.#closed) throw new DanelawMailError('ECONNECTION', 'the transport is closed');
    const signals = [this.#client.signal, mail.data.signal, this.#forced.signal];
    const signal = AbortSignal.any(signals.filter((each) => each !== undefined));
    try {
      return await this.#deliver(mail, signal);
    } catch (error) {
      throw signal.aborted ? abortError(signal.reason) : error;
    }
  }

  async #deliver(
    mail: MailMessage<DanelawSentMessageInfo>,
    signal: AbortSignal,
  ): Promise<DanelawSentMessageInfo> {
    signal.throwIfAborted();
    const { from, to } = mail.message.getEnvelope();
    if (to.length === 0) throw new DanelawMailError('EENVELOPE', 'No recipients defined');
    const messageId = mail.message.messageId();
    const message = await readMessage(mail.message.createReadStream(), this.#limit, signal);
    const started = performance.now();
    const requireTls = mail.data.requireTLSExtensionEnabled === true;
    const envelope = { from: from === false ? '' : from, to, requireTls };
    const delivery = await deliver({ ...this.#client, envelope, message, signal });
    return sentMessageInfo(
      {
        envelope: { from, to },
        messageId,
        messageSize: message.octets.length,
        messageTime: Math.round(performance.now() - started),
      },
      delivery,
    );
  }

  async #verify(): Promise<true> {
    const { resolver, signal } = this.#client;
    const lookup = await resolver.resolve('.', 'DNSKEY', signal === undefined ? {} : { signal });
    if (lookup.status === 'secure') return true;
    const words = `the root's keys can't be validated (${lookup.status}): ${lookup.reason}`;
    throw new DanelawMailError('EDNS', `${words}; without DNSSEC all mail would wait`);
  }
}

function isResolver(given: Resolver | ResolverOptions | undefined): given is Resolver {
  return given !== undefined && 'resolve' in given;
}

function defaultName(): string {
  const name = hostname();
  return name.includes('.') && parseDomain(name) !== undefined ? name : '[127.0.0.1]';
}

function ownVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  const isManifest = typeof manifest === 'object' && manifest !== null && 'version' in manifest;
  return isManifest ? String(manifest.version) : 'unknown';
}
