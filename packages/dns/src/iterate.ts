/**
 * Iteration: finds answers from the root's servers down, with no other resolver's help (RFC 1034 section 5.3.3).
 *
 * At each zone the next label is asked for, not the whole name (QNAME minimisation, RFC 9156), until a server refers us
 * further down or answers. Nothing that comes back is trusted: DNSSEC above proves it or does not. What this file must
 * see to is that hostile servers can't make us work for them (NXNSAttack), nor put words into other zones' mouths.
 */
import { systemTimer, type Timer } from './abort.js';
import { askServer, noReply, type Question, type Tried, type Trouble } from './ask-server.js';
import { inProportion } from './cache-size.js';
import { Deadline } from './deadline.js';
import {
  addressesOf,
  type Delegation,
  Delegations,
  type NameServer,
  readPriming,
  readReferral,
} from './delegation.js';
import { EDE, ede } from './dnssec/extended-error.js';
import { HandedDs } from './handed-ds.js';
import { Name } from './name.js';
import { RCODE, RRTYPE } from './rrtype.js';
import { scrub, unlessLame } from './scrub.js';
import { ServerTimes } from './server-times.js';
import { SieveMap } from './sieve-map.js';
import type { Exchanged, NoReply, Reply, Source } from './source.js';
import { formatServer, type ServerAddress, type Transport } from './transport.js';
import { UncutNames } from './uncut-names.js';

/** Queries sent for one question, those for the addresses of name servers included. An honest cold one needs under 20. */
export const MAX_QUERIES = 60;
/** Referrals followed for one name; the deepest honest tree has about ten zones. */
export const MAX_REFERRALS = 30;
/** Name servers without glue that are looked up for one zone and question (NXNSAttack, CVE-2020-12662). */
export const MAX_SERVER_LOOKUPS = 4;
/** Look-ups of name servers within look-ups of name servers. */
export const MAX_DEPTH = 5;
/** Addresses asked for one question at one zone, before the zone is given up. */
export const MAX_TRIES_PER_ZONE = 8;
/** How often an address that keeps silent is asked, each time with more patience. */
const ROUNDS = 3;
/** Labels that are added one at a time; after that the whole name is asked for (RFC 9156 section 2.3). */
export const MAX_MINIMISED_LABELS = 10;
/** Name servers whose looked-up addresses are remembered, and for how many seconds at most. */
const MAX_SERVER_ADDRESSES = 10_000;
const MAX_ADDRESS_TTL = 86_400;
/** Asked of authoritative servers: no recursion, with DNSSEC records, the letters of the name as a second id. */
const FLAGS = { rd: false, cd: true, do: true, mixedCase: true };
/** One question, with all that it takes. */
export const ITERATION_MS = 20_000;

/** `via` of look-ups that go this way. */
export const VIA_ROOT = 'iterating from the root';

export interface IteratorOptions {
  /** Where the root's servers are, until they have said so themselves (RFC 8109). */
  readonly rootHints: readonly { readonly name: Name; readonly address: string }[];
  readonly transport: Transport;
  /** Port of authoritative servers. */
  readonly port: number;
  readonly qnameMinimisation: boolean;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly timer?: Timer;
  /** Of the answers beside it. */
  readonly maxCacheOctets?: number;
}

/** A source that asks authoritative servers only. */
export function createIterator(options: IteratorOptions): Source {
  return new IteratingSource(options);
}

/** What one question may still cost, with all the look-ups of name servers that it brings about. */
class Allowance {
  readonly deadline: Deadline;
  #queries = MAX_QUERIES;

  constructor(deadline: Deadline) {
    this.deadline = deadline;
  }

  get isSpent(): boolean {
    return this.deadline.isOver || this.#queries <= 0;
  }

  /** False where nothing more may be sent. */
  spendQuery(): boolean {
    return !this.isSpent && this.#queries-- > 0;
  }
}

/** One name on the way: what it may cost, and whose addresses are being sought already, so that none needs itself. */
interface Errand {
  readonly allowance: Allowance;
  readonly seeking: readonly Name[];
}

/** One question to the servers of one zone. */
interface Asking {
  readonly zone: Delegation;
  readonly question: Question;
  readonly errand: Errand;
  readonly troubles: Map<string, Trouble>;
  tries: number;
}

class IteratingSource implements Source {
  readonly via = VIA_ROOT;
  readonly #options: IteratorOptions;
  readonly #timer: Timer;
  readonly #delegations: Delegations;
  readonly #handedDs: HandedDs;
  readonly #uncut: UncutNames;
  readonly #times = new ServerTimes();
  readonly #serverAddresses: SieveMap<{
    readonly addresses: readonly string[];
    readonly expires: number;
  }>;
  readonly #hints: Delegation;

  constructor(options: IteratorOptions) {
    this.#options = options;
    this.#timer = options.timer ?? systemTimer;
    const { clock, maxCacheOctets } = options;
    this.#delegations = new Delegations(clock, maxCacheOctets);
    this.#handedDs = new HandedDs(clock);
    this.#uncut = new UncutNames(clock, maxCacheOctets);
    this.#serverAddresses = new SieveMap(inProportion(MAX_SERVER_ADDRESSES, maxCacheOctets));
    const servers = options.rootHints.map(({ name, address }) => ({ name, addresses: [address] }));
    this.#hints = { zone: Name.root, servers, ttl: 0 };
  }

  async ask(question: Question, signal?: AbortSignal): Promise<Exchanged> {
    signal?.throwIfAborted();
    const handed = question.type === RRTYPE.DS ? this.#handedDs.take(question.name) : undefined;
    if (handed !== undefined) return handed;
    const deadline = Deadline.after(ITERATION_MS, this.#timer, signal);
    try {
      const errand = { allowance: new Allowance(deadline), seeking: [] };
      const found = await this.#find(question, errand);
      signal?.throwIfAborted();
      return found;
    } finally {
      deadline.release();
    }
  }

  async close(): Promise<void> {
    this.#delegations.forget();
    this.#handedDs.forget();
    this.#uncut.forget();
    this.#serverAddresses.clear();
  }

  async #find(question: Question, errand: Errand): Promise<Exchanged> {
    const { name } = question;
    let zone = await this.#closest(question, errand);
    let labels = this.#nextLabels(name, zone, zone.zone.labelCount);
    for (let referrals = 0; referrals < MAX_REFERRALS; ) {
      const isWhole =
        !this.#options.qnameMinimisation || labels >= name.labelCount || labels > MAX_MINIMISED_LABELS;
      // RFC 9156 section 2.1: a type that every server knows how to answer.
      const asked = isWhole ? question : { name: name.suffix(labels), type: RRTYPE.A };
      const answer = await this.#askZone(zone, asked, errand);
      if (answer.kind === 'failure') {
        if (isWhole || errand.allowance.deadline.isOver) return answer;
        labels = name.labelCount; // Servers that choke on the short name get the whole one (RFC 9156 section 3).
        continue;
      }
      const referral = readReferral(answer.message, zone.zone, name);
      if (referral !== undefined) {
        this.#delegations.learn(referral);
        this.#handedDs.learn(answer, referral.zone);
        zone = referral;
        labels = this.#nextLabels(name, zone, zone.zone.labelCount);
        referrals++;
        continue;
      }
      if (asked.type === RRTYPE.A) this.#uncut.learn(asked.name, zone.zone, answer.message);
      if (isWhole) {
        return { ...answer, message: scrub(answer.message, zone.zone, question) };
      } else {
        // A short name that is said not to exist may be an empty non-terminal at a careless server: relaxed mode asks on.
        const isAbsent = answer.message.rcode === RCODE.NXDOMAIN;
        labels = isAbsent ? name.labelCount : this.#nextLabels(name, zone, labels);
      }
    }
    return failed(`more than ${MAX_REFERRALS} referrals on the way to ${name}`);
  }

  /** Past the names of which this zone's servers have shown already that no zone begins there. */
  #nextLabels(name: Name, { zone }: Delegation, labels: number): number {
    let next = nextLabels(name, labels);
    while (next < name.labelCount && this.#uncut.has(name.suffix(next), zone)) next = nextLabels(name, next);
    return next;
  }

  /** The zone from which to start: the closest that is known; for DS the parent's (RFC 4035 section 3.1.4.1). */
  async #closest({ name, type }: Question, errand: Errand): Promise<Delegation> {
    const within = type === RRTYPE.DS ? name.parent() : name;
    return this.#delegations.closest(within) ?? (await this.#prime(errand));
  }

  /** RFC 8109: the root's servers say themselves which they are. Where they don't, the hints have to do. */
  async #prime(errand: Errand): Promise<Delegation> {
    const answer = await this.#askZone(this.#hints, { name: Name.root, type: RRTYPE.NS }, errand);
    const primed = answer.kind === 'reply' ? readPriming(answer.message) : undefined;
    if (primed === undefined || primed.servers.every((server) => server.addresses.length === 0))
      return this.#hints;
    this.#delegations.learn(primed);
    return primed;
  }

  /** Asks the servers of a zone one after the other, until one has something to say. */
  async #askZone(zone: Delegation, question: Question, errand: Errand): Promise<Reply | NoReply> {
    const asking = { zone, question, errand, troubles: new Map<string, Trouble>(), tries: 0 };
    const known = new Set(zone.servers.flatMap((server) => this.#known(server)));
    const reply =
      (await this.#askEach([...known], asking)) ??
      (await this.#askUnknown(asking)) ??
      (await this.#askSilent(asking));
    if (reply !== undefined) return reply;
    if (asking.troubles.size === 0)
      return failed(`no address of a server of ${zone.zone} could be found or asked`);
    const none = noReply(asking.troubles);
    return { ...none, reason: `no server of ${zone.zone} answers for ${question.name}: ${none.reason}` };
  }

  /** In the order in which they have been answering. */
  async #askEach(addresses: readonly string[], asking: Asking): Promise<Reply | undefined> {
    const { zone, question, errand, troubles } = asking;
    for (const address of this.#times.inOrder(addresses)) {
      if (++asking.tries > MAX_TRIES_PER_ZONE || !errand.allowance.spendQuery()) return undefined;
      const server = { address, port: this.#options.port };
      const tried = await this.#askAddress(server, question, errand.allowance.deadline);
      const usable = tried.kind === 'reply' ? unlessLame(tried.message, zone.zone, question) : tried;
      if (usable.kind === 'reply') return { ...usable, server: formatServer(server) };
      troubles.set(address, usable);
    }
    return undefined;
  }

  /** Servers that came without an address are looked up only now. */
  async #askUnknown(asking: Asking): Promise<Reply | undefined> {
    const unknown = asking.zone.servers.filter((server) => this.#known(server).length === 0);
    for (const server of unknown.slice(0, MAX_SERVER_LOOKUPS)) {
      if (asking.tries >= MAX_TRIES_PER_ZONE || asking.errand.allowance.isSpent) return undefined;
      const reply = await this.#askEach(await this.#lookUpServer(server.name, asking.errand), asking);
      if (reply !== undefined) return reply;
    }
    return undefined;
  }

  /** Those that kept silent once more: a packet may have been lost. */
  async #askSilent(asking: Asking): Promise<Reply | undefined> {
    for (let round = 1; round < ROUNDS; round++) {
      const silent = [...asking.troubles].filter(([, trouble]) => trouble.kind === 'silent');
      const reply = await this.#askEach(
        silent.map(([address]) => address),
        asking,
      );
      if (reply !== undefined) return reply;
    }
    return undefined;
  }

  #known(server: NameServer): readonly string[] {
    if (server.addresses.length > 0) return server.addresses;
    const looked = this.#serverAddresses.get(server.name.key);
    return looked !== undefined && looked.expires > this.#options.clock() ? looked.addresses : [];
  }

  async #lookUpServer(name: Name, errand: Errand): Promise<readonly string[]> {
    if (errand.seeking.length >= MAX_DEPTH || errand.seeking.some((sought) => sought.equals(name))) return [];
    const deeper = { ...errand, seeking: [...errand.seeking, name] };
    for (const type of [RRTYPE.A, RRTYPE.AAAA]) {
      const found = await this.#find({ name, type }, deeper);
      if (found.kind === 'failure') continue;
      const addresses = addressesOf(found.message.answer, name);
      if (addresses.length === 0) continue;
      const ttl = Math.min(...found.message.answer.map((record) => record.ttl), MAX_ADDRESS_TTL);
      this.#serverAddresses.set(name.key, { addresses, expires: this.#options.clock() + ttl * 1000 });
      return addresses;
    }
    return [];
  }

  async #askAddress(server: ServerAddress, question: Question, deadline: Deadline): Promise<Tried> {
    let start = performance.now();
    const onWaited = (milliseconds: number): void => {
      start += milliseconds;
    };
    const parts = { transport: this.#options.transport, timer: this.#timer, onWaited };
    const tried = await askServer(
      parts,
      server,
      question,
      FLAGS,
      () => this.#times.patience(server.address),
      deadline,
    );
    if (tried.kind === 'reply' || tried.kind === 'rcode') {
      this.#times.answered(server.address, performance.now() - start);
    } else if (!deadline.isOver) {
      this.#times.silent(server.address);
    }
    return tried;
  }
}

/** One more label; those that begin with an underscore together: no zone cut is there to be found (RFC 9156 section 2.3). */
function nextLabels(name: Name, labels: number): number {
  let next = labels + 1;
  while (next < name.labelCount && name.suffix(next).isUnderscored && name.suffix(next + 1).isUnderscored)
    next++;
  return next;
}

function failed(reason: string): NoReply {
  return { kind: 'failure', reason, ede: ede(EDE.OTHER, reason) };
}
