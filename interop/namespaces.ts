/**
 * A network of our own in Linux network namespaces: a client, a router that can block and rewrite what passes, and the
 * Internet behind it. Packets are real, and so are the packet filter (nftables) and the resolv.conf that the client has.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { networkPrograms } from './neighbours.js';
import { type Finished, run, runOk } from './run.js';

const { ip: IP, nft: NFT, sysctl: SYSCTL } = networkPrograms;

export interface Network {
  /** Namespaces by their part. */
  readonly client: string;
  readonly router: string;
  readonly internet: string;
  /** Sets what the client's resolv.conf says. */
  useResolvers(...addresses: readonly string[]): Promise<void>;
  /**
   * Sets the router's rules, in place of those before. `drop` and `dnat` are nftables' own statements, for packets of the
   * client.
   */
  filter(rules: { readonly drop?: readonly string[]; readonly dnat?: readonly string[] }): Promise<void>;
  remove(): Promise<void>;
}

/** Each side of the router has a network of its own (RFC 5737). */
const CLIENT = '192.0.2.2';
const ROUTER = { towardsClient: '192.0.2.1', towardsInternet: '198.51.100.1' };
/** `ip netns exec` puts the files of this folder over those of /etc. */
const ETC = '/etc/netns';

/** Why there can be no namespaces here; undefined where there can. */
export async function namespaceObstacle(): Promise<string | undefined> {
  const name = `dl-try-${process.pid}`;
  const added = await attempt('netns', 'add', name);
  if (added.code !== 0) return `"ip netns add" is not permitted here (${added.stderr.trim()})`;
  const entered = await attempt('netns', 'exec', name, NFT, 'add table ip danelaw');
  await attempt('netns', 'del', name);
  return entered.code === 0 ? undefined : `nftables can't be used here (${entered.stderr.trim()})`;
}

async function attempt(...args: readonly string[]): Promise<Finished> {
  return run(IP, args).catch((error: Error) => ({ code: 1, stdout: '', stderr: error.message }));
}

/** @param addresses of the servers in the Internet, in 198.51.100.0/24 */
export async function makeNetwork(addresses: readonly string[]): Promise<Network> {
  const part = (name: string) => `dl-${name}-${process.pid}`;
  const [client, router, internet] = [part('client'), part('router'), part('net')];
  const etc = join(ETC, client);
  const remove = async () => {
    for (const name of [client, router, internet]) await run(IP, ['netns', 'del', name]);
    await rm(etc, { recursive: true, force: true });
  };
  try {
    for (const name of [client, router, internet]) {
      await runOk(IP, ['netns', 'add', name]);
      await ip(name, 'link set lo up');
    }
    await connect(client, [CLIENT], router, ROUTER.towardsClient);
    await connect(internet, addresses, router, ROUTER.towardsInternet);
    await ip(client, `route add default via ${ROUTER.towardsClient}`);
    await ip(internet, `route add default via ${ROUTER.towardsInternet}`);
    await runOk(IP, [...inside(router), SYSCTL, '-q', '-w', 'net.ipv4.ip_forward=1']);
    await mkdir(etc, { recursive: true });
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    ...{ client, router, internet, remove },
    useResolvers: async (...servers) => {
      await writeFile(join(etc, 'resolv.conf'), servers.map((address) => `nameserver ${address}\n`).join(''));
    },
    filter: async ({ drop = [], dnat = [] }) => {
      await runOk(IP, [...inside(router), NFT, ruleset(drop, dnat)]);
    },
  };
}

/** A pair of virtual Ethernet devices between a namespace and the router. */
async function connect(
  name: string,
  addresses: readonly string[],
  router: string,
  routed: string,
): Promise<void> {
  const device = name.slice(0, 6);
  await ip(router, `link add ${device} type veth peer name eth0 netns ${name}`);
  await ip(router, `addr add ${routed}/24 dev ${device}`);
  await ip(router, `link set ${device} up`);
  for (const address of addresses) await ip(name, `addr add ${address}/24 dev eth0`);
  await ip(name, 'link set eth0 up');
}

function ruleset(drop: readonly string[], dnat: readonly string[]): string {
  return `add table ip danelaw
delete table ip danelaw
table ip danelaw {
  chain rewrite {
    type nat hook prerouting priority dstnat;
    ${dnat.map((rule) => `ip saddr ${CLIENT} ${rule}`).join('\n    ')}
  }
  chain block {
    type filter hook forward priority filter;
    ${drop.map((rule) => `ip saddr ${CLIENT} ${rule} drop`).join('\n    ')}
  }
}`;
}

async function ip(namespace: string, command: string): Promise<void> {
  await runOk(IP, ['-n', namespace, ...command.split(' ')]);
}

/** What `ip` is told, so that a program runs in a namespace. */
export function inside(namespace: string): readonly string[] {
  return ['netns', 'exec', namespace];
}
