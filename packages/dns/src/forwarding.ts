/** A source that forwards: which resolvers are asked, and with which flags. */
import { isLoopback } from './address.js';
import { EDE, ede } from './dnssec/extended-error.js';
import { createForwarder, type Forwarder } from './forward.js';
import { formatServer, parseServer, type ServerAddress } from './server-address.js';
import type { Source } from './source.js';
import type { Transport } from './transport.js';

export type Servers = () => Promise<readonly ServerAddress[]>;

/** Addresses that were given are checked at once. @throws TypeError */
export function upstreamServers(
  upstream: string | readonly string[],
  check: (servers: readonly ServerAddress[]) => readonly ServerAddress[] = (servers) => servers,
): Servers {
  const texts = typeof upstream === 'string' ? [upstream] : upstream;
  if (texts.length === 0) throw new TypeError('upstream: no address given');
  const servers = check(texts.map(parseServer));
  return async () => servers;
}

/**
 * Asks recursive resolvers. Where we validate, CD asks them for what they have, bogus or not (RFC 4035 section 3.2.2);
 * where they do, AD asks them to say so (RFC 6840 section 5.7).
 */
export function forwardingSource(servers: Servers, transport: Transport, believes: boolean): Source {
  let forwarder: Promise<Forwarder> | undefined;
  let names = 'no resolver yet';
  const open = async () => {
    const addresses = await servers();
    names = addresses.map(formatServer).join(', ');
    return createForwarder({ servers: addresses, transport });
  };
  return {
    get via() {
      return `forwarding to ${names}`;
    },
    async ask(question, signal) {
      const flags = believes ? { cd: false, do: false, ad: true } : { cd: true, do: true };
      forwarder ??= open();
      let ready: Forwarder;
      try {
        ready = await forwarder;
      } catch (error) {
        forwarder = undefined;
        const reason = `no resolver to ask: ${error instanceof Error ? error.message : String(error)}`;
        return { kind: 'failure', reason, ede: ede(EDE.NETWORK_ERROR, reason) };
      }
      return ready.ask(question, signal === undefined ? flags : { ...flags, signal });
    },
    async close() {},
  };
}

/**
 * RFC 4035 section 4.9.3: the AD bit means nothing on a way that is not secured. TLS secures the way to a server beyond this
 * machine, but that server's word is then all there is, so it has to be told to believe it as well.
 * @throws TypeError
 */
export function requireLoopback(servers: readonly ServerAddress[]): void {
  const remote = servers.find((server) => !isLoopback(server.address));
  if (remote === undefined) return;
  const danger =
    remote.tls === undefined
      ? 'anyone between could forge it (RFC 4035 section 4.9.3)'
      : 'TLS keeps others out at best, and proves nothing of what that server says';
  throw new TypeError(
    `trust 'ad' believes what ${formatServer(remote)} says about DNSSEC, but that is not this machine: ${danger}. Use ` +
      "trust 'validate', or trustRemoteAd: true where server and network are yours",
  );
}
