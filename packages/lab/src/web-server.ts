/**
 * The web server of the lab: it serves MTA-STS policies (RFC 8461 section 3.2), each at the name `mta-sts.`
 * and its domain, with a certificate of the lab's own public authority.
 *
 * One server on one address stands for all the web servers of the Internet; which of them is meant the server
 * name of the handshake says. A name that it does not know gets a certificate of nobody.
 */
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { createSecureContext, type SecureContext } from 'node:tls';
import { type Authority, type Certificate, issue, selfSigned } from './certificate.js';

export interface WebServerOptions {
  /** Policies by their host, `mta-sts.` and the domain. */
  readonly policies: ReadonlyMap<string, string>;
  /** Issues the certificates of these hosts. */
  readonly authority: Authority;
  readonly address: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly clock: () => number;
}

export interface WebServer {
  readonly address: string;
  readonly port: number;
  /** Hosts whose policy was asked for, oldest first. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

const PATH = '/.well-known/mta-sts.txt';
const DAY = 86_400_000;
/** Requests that are remembered; a long demonstration must not grow without bound. */
const MAX_ASKED = 10_000;

/** Starts the server. Rejects where the address or port can't be had. */
export async function startWebServer(options: WebServerOptions): Promise<WebServer> {
  const { policies, authority, clock } = options;
  const validity = { notBefore: new Date(clock() - DAY), notAfter: new Date(clock() + 90 * DAY) };
  const contexts = new Map<string, SecureContext>();
  const contextFor = (name: string): SecureContext => {
    const host = policies.has(name) ? name : 'stranger.invalid';
    const made =
      contexts.get(host) ??
      secureContext(
        policies.has(name)
          ? issue(authority, { names: [host], validity })
          : selfSigned({ names: [host], validity }),
      );
    contexts.set(host, made);
    return made;
  };
  const asked: string[] = [];
  const sockets = new Set<Duplex>();
  const server = createServer(
    { SNICallback: (name, done) => done(null, contextFor(name.toLowerCase())) },
    (request, response) => {
      const host = (request.headers.host ?? '').replace(/:\d+$/u, '').toLowerCase();
      if (asked.length < MAX_ASKED) asked.push(host);
      const policy = request.method === 'GET' && request.url === PATH ? policies.get(host) : undefined;
      response.writeHead(policy === undefined ? 404 : 200, { 'content-type': 'text/plain; charset=utf-8' });
      response.end(policy ?? 'there is no policy here\r\n');
    },
  );
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', () => {}); // a client that does not like the certificate goes away
  server.listen(options.port, options.address);
  await once(server, 'listening');
  return {
    address: options.address,
    port: portOf(server.address()),
    asked,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function secureContext({ pem, keyPem }: Certificate): SecureContext {
  return createSecureContext({ cert: pem, key: keyPem });
}

function portOf(address: AddressInfo | string | null): number {
  if (typeof address === 'object' && address !== null) return address.port;
  throw new TypeError('the web server has no port');
}
