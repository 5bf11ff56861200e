/**
 * A ZoneMTA plugin that puts danelaw's route and TLS verification under ZoneMTA's senders.
 *
 * ZoneMTA's SMTP client has no hook that decides on TLS: it does not verify but where its own MTA-STS asks for an
 * authority's certificate, and after a failed handshake `sender:tlserror` is told that clear text comes next. What there is
 * instead is `sender:connect`, where a plugin may hand over a connection that it has made. The plugin hands over one that
 * leads to itself (`inner-server.ts`): ZoneMTA gives the message away, headers and DKIM signatures complete, and gets as
 * the reply to its final dot what became of it, delivered by `@danelaw/smtp`. Queue, retries, bounces, zones and address
 * pools stay ZoneMTA's.
 *
 * Nothing may fall back to ZoneMTA's own way out. Hosts are set at `sender:fetch`, so that ZoneMTA looks up none; an
 * address that nobody may call stands there in case no connection was handed over; and where the plugin's configuration is
 * wrong, all mail waits.
 */

import { isIP, connect as tcpConnect } from 'node:net';
import { hostname } from 'node:os';
import { createResolver, type Resolver } from '@danelaw/dns';
import {
  type Connect,
  checkMessage,
  type Delivery,
  deliver,
  MtaSts,
  parseDomain,
  type RecipientOutcome,
} from '@danelaw/smtp';
import { serveInside } from './inner-server.js';
import { InnerSocket } from './inner-socket.js';
import { readSettings, type Settings } from './settings.js';
import type { Next, PluginApp, QueuedDelivery, SmtpConnection } from './zone-mta.js';

export const title = 'danelaw';

/** An address that is nobody's (RFC 5737): never called, as a connection is handed over. */
const NOWHERE = '192.0.2.1';

/** Called by ZoneMTA in each sender process. */
export function init(app: PluginApp, done: Next): void {
  try {
    const settings = readSettings(app.config);
    new Senders(app, settings, createResolver(settings.resolver)).hook();
  } catch (error) {
    // ZoneMTA would go on without the plugin.
    const words = `danelaw's configuration is wrong: ${error instanceof Error ? error.message : String(error)}`;
    app.logger.error('danelaw', '%s', words);
    app.addHook('sender:fetch', (_mail, next) => {
      next(Object.assign(new Error(words), { category: 'policy', temporary: true }));
    });
  }
  done();
}

class Senders {
  readonly #app: PluginApp;
  readonly #settings: Settings;
  readonly #resolver: Resolver;
  readonly #sts: MtaSts | undefined;
  /** Messages that go our way, and the connections that ZoneMTA believes they go over. */
  readonly #ours = new WeakMap<QueuedDelivery, SmtpConnection | undefined>();
  readonly #outcomes = new WeakMap<QueuedDelivery, RecipientOutcome>();

  constructor(app: PluginApp, settings: Settings, resolver: Resolver) {
    this.#app = app;
    this.#settings = settings;
    this.#resolver = resolver;
    this.#sts = settings.mtaSts ? new MtaSts() : undefined;
  }

  hook(): void {
    this.#app.addHook('sender:fetch', (mail, next) => {
      if (!isRoutedByOthers(mail)) this.#take(mail);
      next();
    });
    this.#app.addHook('sender:connect', (mail, options, next) => {
      if (this.#ours.has(mail)) {
        const [ours, theirs] = InnerSocket.pair();
        const helo = typeof options.localHostname === 'string' ? options.localHostname : hostname();
        serveInside(ours, (octets) => this.#deliver(mail, octets, helo));
        options.socket = theirs;
      }
      next();
    });
    this.#app.addHook('sender:connection', (mail, connection, next) => {
      if (this.#ours.has(mail)) this.#ours.set(mail, connection);
      next();
    });
    this.#app.addHook('sender:responseError', (mail, _connection, error, next) => {
      const outcome = this.#outcomes.get(mail);
      const action = outcome && ACTIONS[outcome.status];
      if (action !== undefined) error.action = action;
      next();
    });
  }

  #take(mail: QueuedDelivery): void {
    this.#ours.set(mail, undefined);
    this.#outcomes.delete(mail);
    mail.mx = [{ priority: 0, exchange: mail.domain, A: [NOWHERE], AAAA: [] }];
    mail.skipSTS = true;
    // No connection is shared: each belongs to one message.
    mail.connectionKey = `danelaw:${mail.id}:${mail.seq}`;
  }

  /** The reply to the final dot. */
  async #deliver(mail: QueuedDelivery, octets: Uint8Array, helo: string): Promise<string> {
    const checked = checkMessage(octets);
    if (checked.status === 'malformed') return `554 5.6.0 ${oneLine(checked.reason)}`;
    const { from, to } = mail.envelope;
    try {
      const delivery = await deliver({
        resolver: this.#resolver,
        ...(this.#sts === undefined ? {} : { sts: this.#sts }),
        heloName: parseDomain(helo) ?? hostname(),
        level: this.#settings.level,
        policyTable: this.#settings.policyTable,
        port: this.#settings.port,
        connect: connectFrom(mail),
        envelope: { from: from || '', to: [to].flat() },
        message: checked.message,
      });
      mail.danelaw = delivery;
      return this.#settle(mail, delivery);
    } catch (error) {
      return `451 4.3.0 ${oneLine(error instanceof Error ? error.message : String(error))}`;
    }
  }

  #settle(mail: QueuedDelivery, { recipients, attempts }: Delivery): string {
    for (const { status, host, address, mx, tls, reason, exceptions } of attempts) {
      for (const { kind, rule, pattern, expires, reason: why } of exceptions) {
        const use = `${kind} by rule ${rule} (${pattern}) until ${expires}: ${why}`;
        this.#app.logger.info('danelaw', 'id=%s.%s %s', mail.id, mail.seq, use);
      }
      const proof =
        tls === null ? 'no TLS' : `${tls.protocol}${tls.authenticated === null ? '' : ' authenticated'}`;
      const what = `${status} ${host}[${address ?? '-'}] mx=${mx} ${proof}: ${reason}`;
      this.#app.logger.info('danelaw', 'id=%s.%s %s', mail.id, mail.seq, what);
    }
    // ZoneMTA has one recipient in each delivery; a plugin that gives it more gets the worst outcome of all.
    const outcome = recipients.find(({ status }) => status !== 'delivered') ?? recipients[0];
    if (outcome === undefined) return '451 4.3.0 there was no recipient';
    this.#outcomes.set(mail, outcome);
    const connection = this.#ours.get(mail);
    // For ZoneMTA's log, which is written when the reply is there.
    if (connection !== undefined && outcome.host !== null) connection.options.servername = outcome.host;
    if (connection !== undefined && outcome.address !== null) connection.options.host = outcome.address;
    return replyFor(outcome);
  }
}

/** An upload, LMTP, or hosts that another plugin has named: mail that does not go to the domain's MX hosts. */
function isRoutedByOthers(mail: QueuedDelivery): boolean {
  return mail.http === true || mail.useLMTP === true || mail.mx !== undefined || mail.mxAuth !== undefined;
}

/** ZoneMTA has rules that guess from words what a reply means; what it means is known here. */
const ACTIONS = { delivered: undefined, deferred: 'defer', failed: 'reject' } as const;

/** The server's own reply where it says the same, else ours. */
function replyFor({ status, reply, enhancedStatus, reason }: RecipientOutcome): string {
  const first = { delivered: '2', deferred: '4', failed: '5' }[status];
  if (reply?.startsWith(first) === true) return oneLine(reply);
  const code = { delivered: '250', deferred: '451', failed: '550' }[status];
  return oneLine(`${code} ${enhancedStatus ?? `${first}.0.0`} ${reason}`);
}

/** Octets of a reply: ZoneMTA keeps 312 characters in its log. */
const MAX_REPLY = 500;

const oneLine = (words: string): string => words.replace(/[^\x20-\x7e]+/gu, ' ').slice(0, MAX_REPLY);

/** From the address of the zone's pool that this message was given. */
function connectFrom(mail: QueuedDelivery): Connect {
  const own = [mail.zoneAddress, mail.zoneAddressIPv4, mail.zoneAddressIPv6];
  return ({ address, family, port }) => {
    const from = own.find((each) => each !== undefined && isIP(each.address) === family);
    const local = from === undefined ? {} : { localAddress: from.address };
    return tcpConnect({ host: address, port, family, noDelay: true, ...local });
  };
}
