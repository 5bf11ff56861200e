/** One query to one server, by our own wire code: what comes back is looked at as it is. */
import {
  createNetworkTransport,
  encodeQuery,
  type Message,
  Name,
  parseMessage,
  typeNumber,
} from '@danelaw/dns';

export interface ServerAt {
  readonly address: string;
  readonly port: number;
}

export interface AskFlags {
  readonly rd?: boolean;
  readonly cd?: boolean;
  readonly ad?: boolean;
}

/** A resolver that meets a broken zone tries for some seconds before it gives up; a packet may be lost, even here. */
const PATIENCE_MS = 15_000;
const TRIES = 3;

const transport = createNetworkTransport();
let lastId = 0;

/** With DO, over UDP, and over TCP where that is cut off. @throws where no reply comes */
export async function ask(
  server: ServerAt,
  { name, type }: { readonly name: string; readonly type: string },
  flags: AskFlags = {},
): Promise<Message> {
  const number = typeNumber(type);
  if (number === undefined) throw new Error(`no type ${type}`);
  lastId = (lastId + 1) & 0xffff;
  const edns = { udpSize: 4096, version: 0, do: true, options: [] };
  const query = encodeQuery({ id: lastId, name: Name.parse(name), type: number, rd: true, ...flags, edns });
  const exchange = async (protocol: 'udp' | 'tcp') =>
    parseMessage(await transport.exchange(query, { ...server, protocol }, AbortSignal.timeout(PATIENCE_MS)));
  let failure: unknown;
  for (let tries = 0; tries < TRIES; tries++) {
    try {
      const reply = await exchange('udp');
      return reply.flags.tc ? await exchange('tcp') : reply;
    } catch (error) {
      failure = error;
    }
  }
  throw new Error(`${server.address}#${server.port} gives no answer for ${name} ${type}`, { cause: failure });
}
