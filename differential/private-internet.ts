/** Makes the planned zones, signs them, has them served, and puts Unbound in front. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, removeFolder } from '../interop/folder.js';
import { freePort } from '../packages/mta/test/free-port.js';
import { ADDRESSES, preparePowerDns, type ServedFile, startAuthority } from './authorities.js';
import { breakZone, publishedDs } from './breakage.js';
import { SERVERS_ZONE } from './internet-plan.js';
import { KeyPool } from './key-pool.js';
import { dsRecords, signZone } from './sign.js';
import { startUnbound, type Unbound } from './unbound.js';
import { parentLabels, type Server, type ZonePlan } from './zone-plan.js';

export interface PrivateInternet {
  readonly folder: string;
  /** Of all authoritative servers. */
  readonly port: number;
  readonly rootHints: readonly { readonly name: string; readonly address: string }[];
  /** The root's DS records. */
  readonly trustAnchors: readonly string[];
  readonly trustAnchorFile: string;
  /** Validating, and asking the authoritative servers. */
  readonly unbound: Unbound;
  stop(): Promise<void>;
}

/** Programs that sign at one time. */
const SIGNERS_AT_ONCE = 3;

export async function startPrivateInternet(plans: readonly ZonePlan[]): Promise<PrivateInternet> {
  const folder = await makeFolder('differential');
  const started: { stop(): Promise<void> }[] = [];
  const stop = async () => {
    await Promise.all(started.map((server) => server.stop()));
    await removeFolder(folder);
  };
  try {
    const port = await freePort();
    const made = await new Zones(plans, port, folder).make();
    for (const server of ['nsd', 'bind', 'knot', 'powerdns'] as const) {
      const zones = made.filter((zone) => zone.server === server);
      if (zones.length > 0)
        started.push(await startAuthority(server, { zones, port, folder: join(folder, server) }));
    }
    const trustAnchors = made.find(({ origin }) => origin === '.')?.ds ?? [];
    const trustAnchorFile = join(folder, 'root.anchor');
    await writeFile(trustAnchorFile, `${trustAnchors.join('\n')}\n`);
    const stubs = made.map(({ origin, server }) => ({ origin, address: ADDRESSES[server], port }));
    const unbound = await startUnbound({ stubs, trustAnchorFile, folder: join(folder, 'unbound') });
    started.push(unbound);
    const rootHints = [{ name: 'ns', address: ADDRESSES.nsd }];
    return { folder, port, rootHints, trustAnchors, trustAnchorFile, unbound, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface MadeZone extends ServedFile {
  readonly server: Server;
  /** For the parent. */
  readonly ds: readonly string[];
}

class Zones {
  readonly #plans: readonly ZonePlan[];
  readonly #port: number;
  readonly #folder: string;
  readonly #keys: KeyPool;
  readonly #parents: ReadonlyMap<string, string>;

  constructor(plans: readonly ZonePlan[], port: number, folder: string) {
    this.#plans = plans;
    this.#port = port;
    this.#folder = folder;
    this.#keys = new KeyPool(join(folder, 'keys'));
    const origins = new Set(plans.map((plan) => plan.origin));
    const below = plans.filter(({ origin }) => origin !== '.');
    this.#parents = new Map(below.map(({ origin }) => [origin, parentOf(origin, origins)]));
  }

  /** Children first, for their parents publish their DS. Zones of one depth don't need each other. */
  async make(): Promise<MadeZone[]> {
    const made: MadeZone[] = [];
    const live = await this.#powerDns();
    const depths = [...new Set(this.#plans.map((plan) => parentLabels(plan.origin)))].sort((a, b) => b - a);
    for (const depth of depths) {
      const level = this.#plans.filter((plan) => parentLabels(plan.origin) === depth);
      const zones = await inParallel(SIGNERS_AT_ONCE, level, async (plan) => {
        const children = made.filter(({ origin }) => this.#parents.get(origin) === plan.origin);
        return this.#makeOne(plan, children, live.get(plan.origin) ?? []);
      });
      made.push(...zones);
    }
    return made;
  }

  async #makeOne(plan: ZonePlan, children: readonly MadeZone[], live: readonly string[]): Promise<MadeZone> {
    const { origin, signing, server, breakage } = plan;
    const zoneFolder = join(this.#folder, 'zones', origin === '.' ? 'root' : origin);
    await mkdir(zoneFolder, { recursive: true });
    const file = join(zoneFolder, 'zone');
    const delegations = children.map((child) => this.#delegation(child));
    await writeFile(file, this.#text(plan, delegations));
    if (signing === 'unsigned' || signing.signer === 'powerdns') {
      return { origin, server, file, ds: publishedDs(live, breakage) };
    }
    const signed = join(zoneFolder, 'zone.signed');
    await signZone({ origin, plan: signing, file, signed, folder: zoneFolder, keys: this.#keys });
    const ds = publishedDs(await dsRecords(origin, signed), breakage);
    if (breakage !== undefined)
      await writeFile(signed, breakZone(await readFile(signed, 'utf8'), breakage, origin));
    return { origin, server, file: signed, ds };
  }

  /** PowerDNS makes its keys before there is a zone to sign: its files are read when it starts. */
  async #powerDns(): Promise<Map<string, string[]>> {
    const zones = this.#plans.filter((plan) => plan.server === 'powerdns');
    if (zones.length === 0) return new Map();
    const files = [];
    for (const { origin, signing } of zones) {
      const folder = join(this.#folder, 'zones', origin);
      await mkdir(folder, { recursive: true });
      const file = join(folder, 'zone');
      await writeFile(file, `$ORIGIN ${origin}.\n@ 300 IN SOA ns hostmaster 1 7200 3600 1209600 60\n`);
      files.push({ origin, file, signing });
    }
    return preparePowerDns({ zones: files, port: this.#port, folder: join(this.#folder, 'powerdns') });
  }

  #text(plan: ZonePlan, delegations: readonly string[]): string {
    const apex = plan.origin === '.' ? '.' : `${plan.origin}.`;
    const servers = Object.entries(ADDRESSES).map(([server, address]) => `${server} IN A ${address}`);
    return `$ORIGIN ${apex}
$TTL 300
@ IN SOA ${nameServer(plan)} hostmaster.${apex === '.' ? '' : apex} 1 7200 3600 1209600 60
@ IN NS ${nameServer(plan)}
${plan.glueless ? '' : `ns IN A ${ADDRESSES[plan.server]}`}
${plan.origin === SERVERS_ZONE ? servers.join('\n') : ''}
${plan.records}
${delegations.join('\n')}
`;
  }

  /** The NS record, glue and DS records by which a parent delegates to a child. */
  #delegation(child: MadeZone): string {
    const plan = this.#plans.find(({ origin }) => origin === child.origin);
    if (plan === undefined) throw new Error(`no plan for ${child.origin}`);
    const glue = plan.glueless ? [] : [`ns.${child.origin}. IN A ${ADDRESSES[child.server]}`];
    return [`${child.origin}. IN NS ${nameServer(plan)}`, ...glue, ...child.ds].join('\n');
  }
}

function nameServer({ origin, server, glueless }: ZonePlan): string {
  if (glueless) return `${server}.${SERVERS_ZONE}.`;
  return origin === '.' ? 'ns.' : `ns.${origin}.`;
}

/** The closest zone above: the one that delegates. */
function parentOf(origin: string, origins: ReadonlySet<string>): string {
  const labels = origin.split('.');
  for (let i = 1; i < labels.length; i++) {
    const above = labels.slice(i).join('.');
    if (origins.has(above)) return above;
  }
  return '.';
}

/** @returns the results, in the order of the items */
export async function inParallel<T, R>(
  atOnce: number,
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const entries = items.entries();
  const worker = async () => {
    for (const [index, item] of entries) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results;
}
