/**
 * A private Internet in one process: a signed root, top-level domains, the zones and mail hosts of the
 * scenarios, a web server with their MTA-STS policies, and a resolver for stubs.
 *
 * Everything listens on loopback and needs no privileges: name servers on addresses of their own with one
 * port, mail hosts on addresses of their own with another one, the resolver on 127.0.0.1. Keys, certificates
 * and addresses are made at start; signatures when they are asked for.
 */

import { formatTlsa } from '@danelaw/dane';
import { createResolver, formatRdata, type Question, type RootHint, RRTYPE, typeName } from '@danelaw/dns';
import { type Authority, makeAuthority } from './certificate.js';
import type { DnsSocket } from './dns-socket.js';
import type { Habit } from './habit.js';
import { type Everywhere, Loopback, listenEverywhere } from './loopback.js';
import { makeAuthorities } from './mail-identity.js';
import { type MailServer, startMailServer } from './mailserver.js';
import { NameServer } from './nameserver.js';
import { buildNamespace, type PlacedZone, TOP_LEVEL } from './namespace.js';
import { RecursiveFace } from './recursive.js';
import type { HostSpec, Scenario } from './scenario.js';
import { type Posted, startWebServer } from './web-server.js';

export interface InternetOptions {
  /**
   * Milliseconds since the epoch; the machine's clock by default. Signatures and certificates are made around
   * it.
   */
  readonly clock?: () => number;
  /** Any free ports by default. */
  readonly dnsPort?: number;
  readonly smtpPort?: number;
  readonly resolverPort?: number;
  /** The resolver keeps RRSIG, NSEC and NSEC3 back. */
  readonly stripSignatures?: boolean;
  /** What the resolver does instead of answering. */
  readonly resolverHabits?: readonly Habit[];
}

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** A question that reached a name server, or the resolver. */
export interface AskedQuestion {
  /**
   * The zone whose server was asked (`.` for the root), or `resolver`. Walks of the resolver itself are
   * counted too.
   */
  readonly server: string;
  readonly name: string;
  readonly type: string;
  readonly protocol: 'udp' | 'tcp';
}

export interface Internet {
  readonly scenarios: readonly Scenario[];
  /** Resolves for stubs, validates nothing, never sets AD. */
  readonly resolver: Endpoint;
  readonly rootHints: readonly RootHint[];
  /** The same as a root hints file has it. */
  readonly rootHintsFile: string;
  /** DS records of the root's key in presentation format. */
  readonly trustAnchors: readonly string[];
  /** Of all authoritative name servers. */
  readonly dnsPort: number;
  /** Of all mail hosts. */
  readonly smtpPort: number;
  /** By host name. */
  readonly mailServers: ReadonlyMap<string, MailServer>;
  /** Addresses of name servers by the zone that they serve. */
  readonly nameServers: ReadonlyMap<string, string>;
  /** The web server with MTA-STS policies and for TLS reports; null where no scenario has one. */
  readonly web: {
    readonly address: string;
    readonly port: number;
    /** PEM: the public authorities, of web servers and of mail hosts. */
    readonly roots: readonly string[];
    /** Hosts whose policy was asked for, oldest first. */
    readonly asked: readonly string[];
    /** TLS reports that were posted, oldest first. */
    readonly posted: readonly Posted[];
  } | null;
  readonly clock: () => number;
  /** The latest questions, oldest first. */
  questions(): readonly AskedQuestion[];
  /**
   * A second resolver over the same Internet, which validates (by danelaw's own resolver) and says so with
   * the AD bit: what clients with `trust: 'ad'` want. It is closed with the Internet.
   */
  startValidatingResolver(): Promise<Endpoint>;
  close(): Promise<void>;
}

/** Questions that are remembered; a long demonstration must not grow without bound. */
const MAX_QUESTIONS = 10_000;

/**
 * Starts the Internet of these scenarios.
 * @throws LabError (rejects) where the system lacks loopback addresses or a port is taken; RangeError or
 * WireError where two scenarios have the same zone or host, or one is malformed
 */
export async function startInternet(
  scenarios: readonly Scenario[],
  options: InternetOptions = {},
): Promise<Internet> {
  const open = new Open();
  try {
    return await start(scenarios, options, open);
  } catch (error) {
    await open.close();
    throw error;
  }
}

async function start(
  scenarios: readonly Scenario[],
  options: InternetOptions,
  open: Open,
): Promise<Internet> {
  const { clock = Date.now } = options;
  const loopback = new Loopback();
  const hosts = joined(scenarios.map(({ hosts = {} }) => hosts));
  const authority = makeWebAuthority(clock());
  const mail = await startMailServers(scenarios, loopback, options.smtpPort ?? 0, clock, authority);
  for (const server of mail.listeners) open.keep(server);
  const policies = new Map(
    scenarios.flatMap(({ domain, sts }) => (sts ? [[`mta-sts.${domain}`, sts.policy]] : [])),
  );
  const address = loopback.webServer('web');
  const reportHosts = new Set(scenarios.flatMap((scenario) => scenario.reportHosts ?? []));
  const web =
    policies.size + reportHosts.size === 0
      ? null
      : open.keep(await startWebServer({ policies, reportHosts, authority, address, port: 0, clock }));
  const zones = buildNamespace({
    zones: joined([TOP_LEVEL, ...scenarios.map((scenario) => scenario.zones)]),
    addressOf: (zone) => loopback.nameServer(zone),
    records: [
      ...mail.listeners.flatMap((server) => hostRecords(server, hosts[server.host] ?? {})),
      ...scenarios.flatMap((scenario) => stsRecords(scenario, address)),
      ...[...reportHosts].map((host) => `${host}. A ${address}`),
    ],
    smtpPort: mail.port,
    ...(web === null ? {} : { webPort: web.port }),
    hostAddresses: new Map(mail.listeners.map(({ host, addresses }) => [host, addresses[0] ?? ''])),
    clock,
  });
  const root = rootOf(zones);
  const log = new QuestionLog();
  const servers = new Map(zones.map((zone) => [zone.origin.key, nameServerOf(zone, log)]));
  const dns = await listenAsNameServers(zones, servers, options.dnsPort ?? 0);
  for (const socket of dns.listeners) open.keep(socket);
  const face = new RecursiveFace({
    servers,
    stripSignatures: options.stripSignatures ?? false,
    habits: options.resolverHabits ?? [],
    onQuery: (question, protocol) => log.add('resolver', question, protocol),
  });
  const resolver = open.keep(await face.listen(RESOLVER_ADDRESS, options.resolverPort ?? 0));
  return {
    scenarios,
    resolver: endpoint(resolver),
    ...root,
    dnsPort: dns.port,
    smtpPort: mail.port,
    mailServers: new Map(mail.listeners.map((server) => [server.host, server])),
    nameServers: new Map(zones.map(({ origin, address }) => [origin.toString(), address])),
    web: web && { address, port: web.port, roots: [authority.pem], asked: web.asked, posted: web.posted },
    clock,
    questions: () => log.questions,
    startValidatingResolver: () => startValidatingResolver(servers, root, dns.port, clock, open),
    close: () => open.close(),
  };
}

const RESOLVER_ADDRESS = '127.0.0.1';

function endpoint({ address, port }: DnsSocket): Endpoint {
  return { address, port };
}

/** All that listens, to be closed together; also when only a part of it could be started. */
class Open {
  readonly #things: { close(): Promise<void> }[] = [];

  keep<T extends { close(): Promise<void> }>(thing: T): T {
    this.#things.push(thing);
    return thing;
  }

  async close(): Promise<void> {
    await Promise.all(this.#things.splice(0).map((thing) => thing.close()));
  }
}

/** @throws RangeError where two of them have a key in common */
function joined<T>(tables: readonly Readonly<Record<string, T>>[]): Record<string, T> {
  const all: Record<string, T> = {};
  for (const [key, value] of tables.flatMap((table) => Object.entries(table))) {
    if (Object.hasOwn(all, key)) throw new RangeError(`two scenarios have ${key}; names must be their own`);
    all[key] = value;
  }
  return all;
}

/** Before the zones, since TLSA records name the port. */
async function startMailServers(
  scenarios: readonly Scenario[],
  loopback: Loopback,
  wanted: number,
  clock: () => number,
  web: Authority,
): Promise<Everywhere<MailServer>> {
  const starts = new Map<string, (port: number) => Promise<MailServer>>();
  for (const { hosts = {}, authorities: specs = {} } of scenarios) {
    const authorities = new Map([[WEB_AUTHORITY, web], ...makeAuthorities(specs, clock())]);
    for (const [host, spec] of Object.entries(hosts)) {
      const address = loopback.mailHost(host);
      starts.set(address, (port) =>
        startMailServer(host, spec, { clock, authorities, addresses: [address], port }),
      );
    }
  }
  return listenEverywhere([...starts.keys()], wanted, (address, at) => {
    const start = starts.get(address);
    if (start === undefined) throw new RangeError(`no mail host has the address ${address}`);
    return start(at);
  });
}

/** The public authority of the lab, which every scenario can name as an issuer. */
export const WEB_AUTHORITY = 'Web';

const DAY = 86_400_000;

function makeWebAuthority(now: number): Authority {
  const validity = { notBefore: new Date(now - DAY), notAfter: new Date(now + 365 * DAY) };
  return makeAuthority({ name: 'Lab Web CA', validity });
}

/** Where a domain's policy is, and which version (RFC 8461 section 3.1). */
function stsRecords({ domain, sts }: Scenario, address: string): string[] {
  if (sts === undefined) return [];
  const txt = `_mta-sts.${domain}. TXT "v=STSv1; id=${sts.id};"`;
  return [`mta-sts.${domain}. A ${address}`, ...(sts.record === 'suppressed' ? [] : [txt])];
}

/** A and TLSA records of a mail host, as lines. */
function hostRecords(server: MailServer, spec: HostSpec): string[] {
  const addresses = spec.withoutAddress ? [] : server.addresses;
  const { tlsaAt = [`_{port}._tcp.${server.host}`] } = spec;
  return [
    ...addresses.map((address) => `${server.host}. A ${address}`),
    ...tlsaAt.flatMap((name) => server.tlsa.map((record) => `${name}. TLSA ${formatTlsa(record)}`)),
  ];
}

function nameServerOf(zone: PlacedZone, log: QuestionLog): NameServer {
  const { served, habits, origin } = zone;
  const name = origin.toString();
  return new NameServer({
    zones: [served],
    habits,
    onQuery: (question, protocol) => log.add(name, question, protocol),
  });
}

function listenAsNameServers(
  zones: readonly PlacedZone[],
  servers: ReadonlyMap<string, NameServer>,
  wanted: number,
): Promise<Everywhere<DnsSocket>> {
  const byAddress = new Map(zones.map(({ address, origin }) => [address, servers.get(origin.key)]));
  return listenEverywhere([...byAddress.keys()], wanted, (address, port) => {
    const server = byAddress.get(address);
    if (server === undefined) throw new RangeError(`no name server has the address ${address}`);
    return server.listen(address, port);
  });
}

/** It iterates, so that what the first resolver does to its answers does not matter to this one. */
async function startValidatingResolver(
  servers: ReadonlyMap<string, NameServer>,
  { rootHints, trustAnchors }: RootFacts,
  port: number,
  clock: () => number,
  open: Open,
): Promise<Endpoint> {
  const validator = open.keep(createResolver({ upstream: 'iterate', rootHints, port, trustAnchors, clock }));
  const validate = (name: string, type: string) => validator.resolve(name, type);
  const socket = await new RecursiveFace({ servers, validate }).listen(RESOLVER_ADDRESS, 0);
  return endpoint(open.keep(socket));
}

type RootFacts = Pick<Internet, 'rootHints' | 'rootHintsFile' | 'trustAnchors'>;

function rootOf(zones: readonly PlacedZone[]): RootFacts {
  const root = zones.find(({ origin }) => origin.isRoot);
  if (root === undefined) throw new RangeError('the lab has no root zone');
  const { address, served } = root;
  const ds = served.signed?.dsRecords() ?? [];
  return {
    rootHints: [{ name: 'ns', address }],
    rootHintsFile: `. 3600 IN NS ns.\nns. 3600 IN A ${address}\n`,
    trustAnchors: ds.map((rdata) => `. IN DS ${formatRdata(RRTYPE.DS, rdata)}`),
  };
}

class QuestionLog {
  readonly #questions: AskedQuestion[] = [];

  get questions(): readonly AskedQuestion[] {
    return this.#questions;
  }

  add(server: string, { name, type }: Question, protocol: 'udp' | 'tcp'): void {
    if (this.#questions.length === MAX_QUESTIONS) this.#questions.shift();
    this.#questions.push({ server, name: name.toString(), type: typeName(type), protocol });
  }
}
