/**
 * The relay's part of the configuration file: what `danelaw serve` does where the file says nothing, and what it
 * may say. `docs/relay.md` explains the keys.
 *
 * Everything has a default but for what nobody can guess. An empty file makes a relay that takes mail from
 * programs on this machine and delivers it under DANE.
 */
import { isIP } from 'node:net';
import { hostname as machineName } from 'node:os';
import {
  DEFAULT_TIMEOUTS,
  isHostName,
  POLICY_LEVELS,
  type PolicyLevel,
  parseMailbox,
  type Stage,
  type Timeouts,
} from '@danelaw/smtp';
import { parseMailDomain } from '../address.js';
import { DEFAULT_SCHEDULE, type RetrySchedule } from '../relay/retry-schedule.js';
import { type ConnectionDefaults, connectionDefaults, descriptorLimit } from './descriptors.js';
import { type HttpConfig, readHttpConfig } from './http-config.js';
import { type MaildropConfig, maildropOf } from './maildrop-config.js';
import type { Table } from './table.js';
import { readTlsReportsConfig, type TlsReportsConfig } from './tls-reports-config.js';

export interface RelayConfig {
  /** The name that we greet with and that EHLO says; it stands in Received fields and reports. */
  readonly hostname: string;
  /** Domains whose mail is never sent on, as it would come back: `hostname`, and others that lead to this relay. */
  readonly ownDomains: readonly string[];
  /** Where mail for local parts at our own names goes: `postmaster`, `root`, `*`. */
  readonly aliases: Readonly<Record<string, string>>;
  /** The folder of everything that has to outlive a restart. */
  readonly state: string;
  readonly maildrop: MaildropConfig;
  readonly listen: readonly ListenConfig[];
  readonly tls: { readonly certificate: string; readonly key: string } | undefined;
  readonly clients: ClientsConfig;
  /** By name: what `danelaw user hash` printed. */
  readonly users: ReadonlyMap<string, string>;
  readonly queue: QueueConfig;
  readonly retry: RetrySchedule;
  readonly delivery: DeliveryConfig;
  readonly dns: DnsConfig;
  readonly sts: { readonly enabled: boolean; readonly port: number; readonly webRoots: string | undefined };
  readonly tlsReports: TlsReportsConfig;
  /** Where the relay can be watched; undefined: nowhere. */
  readonly http: HttpConfig | undefined;
  readonly log: { readonly level: LogLevel; readonly format: 'auto' | 'json' | 'text' };
}

export interface ListenConfig {
  readonly address: string;
  readonly port: number;
  readonly tls: 'starttls' | 'implicit';
}

export interface ClientsConfig {
  /** CIDR: who may hand mail in for anybody without logging in. */
  readonly networks: readonly string[];
  readonly openRelay: boolean;
  /** Octets of one message. */
  readonly messageSize: number;
  readonly recipients: number;
  readonly connections: number;
  readonly connectionsPerClient: number;
  /** Bare CR and LF beside CRLF: refused, or made CRLF. */
  readonly lineEnds: 'refuse' | 'normalise';
}

export interface QueueConfig {
  readonly engine: 'embedded' | 'postgres';
  /** `postgres://...`; `postgres` only. */
  readonly url: string | undefined;
  readonly passwordFile: string | undefined;
  readonly schema: string | undefined;
  readonly maxMessages: number;
  /** Octets that have to be free on the disk. */
  readonly minFree: number;
  /** Milliseconds. */
  readonly lease: number;
}

/** Milliseconds between two renewals of what a node has claimed. */
export const renewalInterval = (lease: number): number => Math.max(1000, lease / 10);

export interface DeliveryConfig {
  readonly level: PolicyLevel;
  /** Threads; undefined: one a core. */
  readonly workers: number | undefined;
  /** Connections in all, and to one server. */
  readonly connections: number;
  readonly connectionsPerHost: number;
  /** Messages under way for one destination, at first and at most. */
  readonly initial: number;
  readonly most: number;
  readonly messagesPerConnection: number;
  readonly idle: number;
  readonly port: number;
  readonly source: { readonly ipv4: string | undefined; readonly ipv6: string | undefined };
  readonly timeouts: Timeouts;
  /** Milliseconds that messages which were handed over are waited for when the relay stops. */
  readonly stopWithin: number;
}

export interface DnsConfig {
  /** `system`, `iterate`, or addresses. */
  readonly resolver: 'system' | 'iterate' | readonly string[];
  readonly fallback: readonly string[];
  readonly trust: 'validate' | 'ad';
  readonly trustAnchor: string | undefined;
  readonly rootHints: string | undefined;
  readonly port: number | undefined;
}

export const LOG_LEVELS = ['info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Where the relay listens unless told otherwise; `danelaw sendmail` looks for it there. */
export const DEFAULT_LISTEN: ListenConfig = { address: '127.0.0.1', port: 2525, tls: 'starttls' };

const MINUTE = 60_000;
const MIB = 1024 ** 2;
const MOST = 1_000_000;
/**
 * For what a timer waits for. Node's timers end at once where they are given more than 24 days; nothing that a
 * connection waits for is worth more than a day.
 */
const LONGEST_WAIT = '1d';
/** For what is only compared with a clock: whoever means longer means "for ever". */
const LONGEST_TIME = '365d';
/** RFC 5321 section 4.5.3.1.7: every server takes 64K octets, header included. */
const SMALLEST_MESSAGE = '64KiB';
/** PostgreSQL's driver reads a body as text of two digits for each octet, and a text has half a gigabyte at most. */
const LARGEST_MESSAGE = '200MiB';
/** RFC 5321 section 4.5.3.1.8: to refuse a message for fewer than 100 recipients is a violation. */
const FEWEST_RECIPIENTS = 100;

/**
 * @param descriptors that the process may have: connections by default
 * @throws ConfigError
 */
export function readRelayConfig(table: Table, descriptors = descriptorLimit()): RelayConfig {
  const defaults = connectionDefaults(descriptors);
  const hostname = hostnameOf(table);
  const delivery = deliveryOf(table.table('delivery'), defaults);
  const ownDomains = [...new Set([hostname, ...ownDomainsOf(table)])];
  return {
    hostname,
    ownDomains,
    aliases: aliasesOf(table.table('aliases'), new Set(ownDomains)),
    state: table.string('state') ?? '/var/lib/danelaw',
    maildrop: maildropOf(table),
    listen: listenOf(table),
    tls: tlsOf(table),
    clients: clientsOf(table.table('clients'), defaults),
    users: usersOf(table.table('users')),
    queue: queueOf(table.table('queue'), delivery.timeouts),
    retry: retryOf(table.table('retry')),
    delivery,
    dns: dnsOf(table.table('dns')),
    sts: stsOf(table.table('sts')),
    tlsReports: readTlsReportsConfig(table.table('tls_reports')),
    http: readHttpConfig(table.table('http')),
    log: logOf(table.table('log')),
  };
}

function hostnameOf(table: Table): string {
  const hostname = table.string('hostname')?.toLowerCase();
  if (hostname === undefined) return machineName().toLowerCase();
  if (isHostName(hostname) && isIP(hostname) === 0) return hostname;
  throw table.error('hostname', `"${hostname}" is no host name; it should be this machine's full one`);
}

/** In A-labels, as addresses are when they are compared with them. */
function ownDomainsOf(table: Table): readonly string[] {
  return (table.strings('own_domains') ?? []).map((each) => {
    const parsed = parseMailDomain(each);
    if (parsed.ok && !parsed.domain.startsWith('[')) return parsed.domain;
    throw table.error('own_domains', `"${each}" is no domain`);
  });
}

/** @throws ConfigError */
export function listenOf(table: Table): readonly ListenConfig[] {
  const taken = new Set<string>();
  const listen = table.tables('listen').map((each): ListenConfig => {
    const text = each.requiredString('address', 'as in "127.0.0.1:2525" or "[::1]:2525"');
    const match = /^(?:\[([0-9A-Fa-f:]+)\]|([0-9.]+)):([0-9]{1,5})$/u.exec(text);
    const [address, port] = [match?.[1] ?? match?.[2], Number(match?.[3])];
    if (address === undefined || isIP(address) === 0 || port > 65_535) {
      throw each.error('address', `"${text}" is none; it should be as in "127.0.0.1:2525" or "[::1]:2525"`);
    }
    const tls = each.oneOf('tls', ['starttls', 'implicit']) ?? 'starttls';
    each.end();
    if (taken.has(text)) throw each.error('address', `"${text}" is listened on already`);
    taken.add(text);
    return { address, port, tls };
  });
  return listen.length === 0 ? [DEFAULT_LISTEN] : listen;
}

function tlsOf(table: Table): RelayConfig['tls'] {
  const isThere = table.has('tls');
  const tls = table.table('tls');
  const certificate = tls.string('certificate');
  const key = tls.string('key');
  tls.end();
  if (!isThere) return undefined;
  if (certificate === undefined) throw tls.error('certificate', 'is missing: a file with the chain in PEM');
  if (key === undefined) throw tls.error('key', 'is missing: a file with the private key in PEM');
  return { certificate, key };
}

function clientsOf(table: Table, { incoming }: ConnectionDefaults): ClientsConfig {
  const config = {
    networks: table.strings('networks') ?? ['127.0.0.0/8', '::1/128'],
    openRelay: table.boolean('i_want_an_open_relay') ?? false,
    messageSize: table.size('message_size', SMALLEST_MESSAGE, LARGEST_MESSAGE) ?? 50 * MIB,
    recipients: table.integer('recipients', FEWEST_RECIPIENTS, MOST) ?? 1000,
    connections: table.integer('connections', 1, MOST) ?? incoming,
    connectionsPerClient: table.integer('connections_per_client', 1, MOST) ?? 100,
    lineEnds: table.oneOf('line_ends', ['refuse', 'normalise']) ?? 'refuse',
  };
  table.end();
  return config;
}

function usersOf(table: Table): ReadonlyMap<string, string> {
  return new Map(
    table.keys.map((name) => [name, table.requiredString(name, 'what "danelaw user hash" printed')]),
  );
}

function aliasesOf(table: Table, own: ReadonlySet<string>): Readonly<Record<string, string>> {
  const aliases = table.keys.map((name) => {
    const address = table.requiredString(name, 'where mail for this local part goes');
    const mailbox = parseMailbox(address);
    if (mailbox === undefined) throw table.error(name, `"${address}" is no address`);
    if (own.has(mailbox.domain)) {
      throw table.error(name, `"${address}" is at a name of this relay, which has no mailboxes`);
    }
    return [name, address] as const;
  });
  return Object.fromEntries(aliases);
}

function queueOf(table: Table, timeouts: Timeouts): QueueConfig {
  const engine = table.oneOf('engine', ['embedded', 'postgres']) ?? 'embedded';
  const url = table.string('url');
  if (engine === 'postgres' && url === undefined) {
    throw table.error('url', 'is missing: as in "postgres://danelaw@db.example.net/danelaw"');
  }
  const passwordFile = table.string('password_file');
  const schema = table.string('schema');
  for (const key of ['url', 'password_file', 'schema']) {
    if (engine === 'embedded' && table.has(key)) {
      throw table.error(key, 'is for the engine "postgres" only');
    }
  }
  const config = {
    engine,
    url,
    passwordFile,
    schema,
    maxMessages: table.integer('max_messages', 1, 100_000_000) ?? 2_000_000,
    minFree: table.size('min_free', '0', '1024GiB') ?? 100 * MIB,
    lease: table.duration('lease', '2s', LONGEST_WAIT) ?? 12 * MINUTE,
  };
  // Nobody sends the final dot whose claim could end before it is answered: with a shorter one, nobody ever would.
  const { lease } = config;
  if (engine === 'postgres' && lease - renewalInterval(lease) <= timeouts['data-end']) {
    const seconds = timeouts['data-end'] / 1000;
    throw table.error('lease', `has to be longer than delivery.timeouts.data_end (${seconds}s) by an eighth`);
  }
  table.end();
  return config;
}

function retryOf(table: Table): RetrySchedule {
  const schedule = {
    first: table.duration('first', '1ms', LONGEST_TIME) ?? DEFAULT_SCHEDULE.first,
    longest: table.duration('longest', '1ms', LONGEST_TIME) ?? DEFAULT_SCHEDULE.longest,
    warnAfter: table.duration('warn', '0s', LONGEST_TIME) ?? DEFAULT_SCHEDULE.warnAfter,
    expireAfter: table.duration('expire', '0s', LONGEST_TIME) ?? DEFAULT_SCHEDULE.expireAfter,
  };
  if (schedule.longest < schedule.first) throw table.error('longest', 'is shorter than "first"');
  table.end();
  return schedule;
}

function deliveryOf(table: Table, { outgoing }: ConnectionDefaults): DeliveryConfig {
  const initial = table.integer('initial', 1, 10_000) ?? 10;
  const config = {
    level: table.oneOf('level', POLICY_LEVELS) ?? 'dane',
    workers: table.integer('workers', 1, 64),
    connections: table.integer('connections', 1, 10_000) ?? outgoing,
    connectionsPerHost: table.integer('connections_per_host', 1, 1000) ?? 20,
    initial,
    most: Math.max(initial, table.integer('most', 1, 10_000) ?? 40),
    messagesPerConnection: table.integer('messages_per_connection', 1, 100_000) ?? 100,
    idle: table.duration('idle', '0s', LONGEST_WAIT) ?? 5000,
    port: table.integer('port', 1, 65_535) ?? 25,
    source: {
      ipv4: addressOf(table, 'source_ipv4', 4),
      ipv6: addressOf(table, 'source_ipv6', 6),
    },
    timeouts: timeoutsOf(table.table('timeouts')),
    stopWithin: table.duration('stop_within', '0s', LONGEST_WAIT) ?? 30_000,
  };
  if (config.level === 'fingerprint') {
    throw table.error('level', '"fingerprint" belongs to one host, and stands in a [[policy]]');
  }
  table.end();
  return config;
}

function addressOf(table: Table, key: string, family: 4 | 6): string | undefined {
  const address = table.string(key);
  if (address === undefined || isIP(address) === family) return address;
  throw table.error(key, `"${address}" is no IPv${family} address`);
}

function timeoutsOf(table: Table): Timeouts {
  const read = (stage: Stage): number =>
    table.duration(stage.replace('-', '_'), '1ms', LONGEST_WAIT) ?? DEFAULT_TIMEOUTS[stage];
  const timeouts: Timeouts = {
    connect: read('connect'),
    greeting: read('greeting'),
    ehlo: read('ehlo'),
    starttls: read('starttls'),
    handshake: read('handshake'),
    auth: read('auth'),
    mail: read('mail'),
    rcpt: read('rcpt'),
    data: read('data'),
    'data-block': read('data-block'),
    'data-end': read('data-end'),
    quit: read('quit'),
  };
  table.end();
  return timeouts;
}

function dnsOf(table: Table): DnsConfig {
  const value = table.raw('resolver');
  const listed = typeof value === 'string' ? [value] : table.strings('resolver');
  const [only] = listed ?? ['system'];
  if (only === undefined) throw table.error('resolver', 'has no address: leave it out, or name one');
  const isWord = (listed ?? ['system']).length === 1 && (only === 'system' || only === 'iterate');
  const config = {
    resolver: isWord && (only === 'system' || only === 'iterate') ? only : (listed ?? []),
    fallback: table.strings('fallback') ?? [],
    trust: table.oneOf('trust', ['validate', 'ad']) ?? 'validate',
    trustAnchor: table.string('trust_anchor'),
    rootHints: table.string('root_hints'),
    port: table.integer('port', 1, 65_535),
  } as const;
  table.end();
  return config;
}

function stsOf(table: Table): RelayConfig['sts'] {
  const config = {
    enabled: table.boolean('enabled') ?? true,
    port: table.integer('port', 1, 65_535) ?? 443,
    webRoots: table.string('web_roots'),
  };
  table.end();
  return config;
}

function logOf(table: Table): RelayConfig['log'] {
  const config = {
    level: table.oneOf('level', LOG_LEVELS) ?? 'info',
    format: table.oneOf('format', ['auto', 'json', 'text']) ?? 'auto',
  };
  table.end();
  return config;
}
