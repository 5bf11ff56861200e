/**
 * As much of ZoneMTA as the plugin touches, as version 3.10 has it (`lib/sender.js`, `plugins/README.md`). ZoneMTA brings
 * no types of its own.
 */
import type { Duplex } from 'node:stream';
import type { Delivery } from '@danelaw/smtp';

/** What a plugin gets at its start. */
export interface PluginApp {
  /** The plugin's own section of the configuration. */
  readonly config: unknown;
  readonly logger: Record<'info' | 'error', (prefix: string, format: string, ...values: unknown[]) => void>;
  addHook(name: 'sender:fetch', hook: (mail: QueuedDelivery, next: Next) => void): void;
  addHook(
    name: 'sender:connect',
    hook: (mail: QueuedDelivery, options: ConnectOptions, next: Next) => void,
  ): void;
  addHook(
    name: 'sender:connection',
    hook: (mail: QueuedDelivery, connection: SmtpConnection, next: Next) => void,
  ): void;
  addHook(
    name: 'sender:responseError',
    hook: (mail: QueuedDelivery, connection: unknown, error: SendError, next: Next) => void,
  ): void;
}

export type Next = (error?: Error) => void;

/** One message on its way to one recipient. */
export interface QueuedDelivery {
  readonly id: string;
  readonly seq: string;
  readonly domain: string;
  /** May be changed by other plugins until the message is sent. */
  readonly envelope: { readonly from?: string | false; readonly to: string | readonly string[] };
  /** Addresses of ours to send from, with the names that belong to them. */
  readonly zoneAddress?: ZoneAddress;
  readonly zoneAddressIPv4?: ZoneAddress;
  readonly zoneAddressIPv6?: ZoneAddress;
  /** Uploaded to a web server instead of sent. */
  readonly http?: boolean;
  readonly useLMTP?: boolean;
  readonly mxAuth?: unknown;
  /** Where the mail goes, instead of the domain's MX hosts. */
  mx?: readonly MxEntry[] | undefined;
  /** Which open connections it may share. */
  connectionKey?: string;
  /** ZoneMTA's own MTA-STS is not asked. */
  skipSTS?: boolean;
  /** Ours: what the latest attempt proved. */
  danelaw?: Delivery;
}

export interface ZoneAddress {
  readonly address: string;
  readonly name: string;
}

export interface MxEntry {
  readonly priority: number;
  readonly exchange: string;
  readonly A: readonly string[];
  readonly AAAA: readonly string[];
}

/** Of one connection that is about to be made: whoever sets `socket` has made it. */
export interface ConnectOptions {
  readonly localHostname?: string | false;
  socket?: Duplex;
}

/** The SMTP client's connection; what it says here is what ZoneMTA logs. */
export interface SmtpConnection {
  readonly options: { servername?: string; host?: string };
}

/** Why sending failed, and what is to be done about it. */
export interface SendError extends Error {
  action?: 'defer' | 'reject';
  category?: string;
  temporary?: boolean;
}
