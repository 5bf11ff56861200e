/** A source that forwards: which resolvers are asked, and with which flags. */
import { isLoopback } from './address.js';
import type { Question } from './ask-server.js';
import { EDE, ede } from './dnssec/extended-error.js';
import { createForwarder, type Forwarder } from './forward.js';
import { formatServer, parseServer, type ServerAddress } from './server-address.js';
import type { Exchanged, Source } from './source.js';
import type { Transport } from './transport.js';

const VALIDATE = { cd: true, do: true };
const BELIEVE = { cd: false, do: false, ad: true };

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
  const flags = believes ? BELIEVE : VALIDATE;
  let ready: Forwarder | undefined;
  let opening: Promise<Forwarder> | undefined;
  let via = 'forwarding to no resolver yet';
  const open = async () => {
    const addresses = await servers();
    via = `forwarding to ${addresses.map(formatServer).join(', ')}`;
    ready = createForwarder({ servers: addresses, transport });
    return ready;
  };
  const ask = (forwarder: Forwarder, question: Question, signal: AbortSignal | undefined) =>
    forwarder.ask(question, signal === undefined ? flags : { ...flags, signal });
  const askFirst = async (question: Question, signal: AbortSignal | undefined): Promise<Exchanged> => {
    opening ??= open();
    let forwarder: Forwarder;
    try {
      forwarder = await opening;
    } catch (error) {
      opening = undefined;
      const reason = `no resolver to ask: ${error instanceof Error ? error.message : String(error)}`;
      return { kind: 'failure', reason, ede: ede(EDE.NETWORK_ERROR, reason) };
    }
    return ask(forwarder, question, signal);
  };
  return {
    get via() {
      return via;
    },
    ask(question, signal) {
      return ready === undefined ? askFirst(question, signal) : ask(ready, question, signal);
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
