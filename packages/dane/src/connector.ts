/**
 * Verified connections for HTTP clients: in the places where they let somebody else connect.
 *
 * `https.Agent` has a method for that, undici an option, and both call it alike: with where to go, and a callback. Each
 * connection is verified anew, and there is none before the verdict.
 */
import type { Agent, AgentOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import { type ConnectOptions, connectDane } from './connect.js';

/** Where to go, as HTTP clients say it: a name, and a port where it is not 443. */
export interface Destination {
  readonly host?: string | null | undefined;
  readonly hostname?: string | null | undefined;
  readonly port?: number | string | null | undefined;
}

export type Connector = (
  destination: Destination,
  callback: (error: Error | null, socket: Duplex | null) => void,
) => undefined;

const HTTPS_PORT = 443;

/** For the option `connect` of undici's dispatchers, and `createConnection` of Node's agents and requests. */
export function daneConnector(options: ConnectOptions): Connector {
  return ({ host, hostname, port }, callback) => {
    // undici has both: `host` with the port in it.
    const name = hostname ?? host ?? '';
    connectDane(name, Number(port || HTTPS_PORT), { alpn: ['http/1.1'], ...options }).then(
      ({ socket }) => callback(null, socket),
      (error: Error) => callback(error, null),
    );
    return undefined;
  };
}

/** An `https.Agent` whose connections are verified by TLSA: for the option `agent` of any request. */
export function daneAgent(options: ConnectOptions, agentOptions: AgentOptions = {}): Agent {
  // Loaded here, as few programs have a use for it and all load this package.
  const { Agent } = process.getBuiltinModule('node:https');
  const connect = daneConnector(options);
  return Object.assign(new Agent({ ...agentOptions, maxCachedSessions: 0 }), { createConnection: connect });
}
