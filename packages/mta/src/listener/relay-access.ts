/**
 * Who may relay: clients from networks of the configuration, and users who have logged in. Nobody else; and
 * no configuration that lets the Internet in by its networks is used unless it says, in as many words, that
 * this is what is wanted.
 */
import { Memo } from '../memo.js';
import {
  addressOctets,
  contains,
  covers,
  isLoopback,
  type Network,
  PRIVATE,
  parseNetwork,
} from './network.js';
import type { ListenAddress } from './options.js';

/**
 * Of public addresses a network may have at most as many as these prefixes leave: 65,536 of IPv4; of IPv6
 * what an Internet provider, not its customer, is given. Wider ones are a slip, and an invitation to
 * spammers.
 */
const WIDEST_PUBLIC_IPV4 = 16;
const WIDEST_PUBLIC_IPV6 = 32;

export interface RelayConfiguration {
  readonly addresses: readonly ListenAddress[];
  readonly networks: readonly string[];
  /** `i_want_an_open_relay = true`. */
  readonly openRelay?: boolean | undefined;
}

/**
 * Why this configuration would relay for strangers; undefined where it would not, or says that it wants to.
 * Networks that don't parse are no business of this function.
 */
export function openRelayProblem(configuration: RelayConfiguration): string | undefined {
  if (configuration.openRelay === true) return undefined;
  const reachable = configuration.addresses.find(({ host }) => !isLoopback(host));
  // Whoever reaches a loopback address is on this machine, whatever the networks say.
  if (reachable === undefined) return undefined;
  for (const text of configuration.networks) {
    const network = parseNetwork(text);
    if (typeof network === 'string' || !isTooWide(network)) continue;
    const who = network.prefix === 0 ? 'everybody' : `every client in ${text}`;
    return (
      `networks has ${text}, and the relay listens on ${reachable.host}: ${who} could send mail to ` +
      'anywhere through it without a login. Name the networks of your own programs, or let clients log in'
    );
  }
  return undefined;
}

function isTooWide(network: Network): boolean {
  if (PRIVATE.some((own) => covers(own, network))) return false;
  return network.prefix < (network.octets.length === 4 ? WIDEST_PUBLIC_IPV4 : WIDEST_PUBLIC_IPV6);
}

/** Networks, read once, and asked for each message. */
export class RelayNetworks {
  readonly #networks: readonly Network[];
  /** Each message asks, and clients come again. */
  readonly #memo = new Memo((client) => this.#contain(client));

  /** @throws TypeError for what is no network */
  constructor(networks: readonly string[]) {
    this.#networks = networks.map((text) => {
      const network = parseNetwork(text);
      if (typeof network === 'string') throw new TypeError(network);
      return network;
    });
  }

  mayRelay(client: string): boolean {
    return this.#memo.of(client);
  }

  #contain(client: string): boolean {
    const octets = addressOctets(client);
    return octets !== undefined && this.#networks.some((network) => contains(network, octets));
  }
}
