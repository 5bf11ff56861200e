/**
 * The web server of the lab: it serves MTA-STS policies (RFC 8461 section 3.2), each at the name `mta-sts.`
 * and its domain, and takes TLS reports (RFC 8460 section 5.4), with certificates of the lab's own public
 * authority.
 *
 * One server on one address stands for all the web servers of the Internet; which of them is meant the server
 * name of the handshake says. A name that it does not know gets a certificate of nobody.
 */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { createSecureContext, type SecureContext } from 'node:tls';
import { type Authority, type Certificate, issue, selfSigned } from './certificate.js';

export interface WebServerOptions {
  /** Policies by their host, `mta-sts.` and the domain. */
  readonly policies: ReadonlyMap<string, string>;
  /** Hosts that take what is posted to them. */
  readonly reportHosts: ReadonlySet<string>;
  /** Issues the certificates of these hosts. */
  readonly authority: Authority;
  readonly address: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly clock: () => number;
}

export interface Posted {
  readonly host: string;
  readonly path: string;
  readonly contentType: string;
  readonly body: Uint8Array;
}

export interface WebServer {
  readonly address: string;
  readonly port: number;
  /** Hosts whose policy was asked for, oldest first. */
  readonly asked: readonly string[];
  /** What was posted, oldest first. */
  readonly posted: readonly Posted[];
  close(): Promise<void>;
}

const PATH = '/.well-known/mta-sts.txt';
const DAY = 86_400_000;
/** Requests that are remembered; a long demonstration must not grow without bound. */
const MAX_ASKED = 10_000;

/** Starts the server. Rejects where the address or port can't be had. */
export async function startWebServer(options: WebServerOptions): Promise<WebServer> {
  const { policies, reportHosts, authority, clock } = options;
  const isKnown = (name: string): boolean => policies.has(name) || reportHosts.has(name);
  const validity = { notBefore: new Date(clock() - DAY), notAfter: new Date(clock() + 90 * DAY) };
  const contexts = new Map<string, SecureContext>();
  const contextFor = (name: string): SecureContext => {
    const host = isKnown(name) ? name : 'stranger.invalid';
    const made =
      contexts.get(host) ??
      secureContext(
        isKnown(name)
          ? issue(authority, { names: [host], validity })
          : selfSigned({ names: [host], validity }),
      );
    contexts.set(host, made);
    return made;
  };
  const asked: string[] = [];
  const posted: Posted[] = [];
  const sockets = new Set<Duplex>();
  const server = createServer(
    { SNICallback: (name, done) => done(null, contextFor(name.toLowerCase())) },
    (request, response) => {
      const host = (request.headers.host ?? '').replace(/:\d+$/u, '').toLowerCase();
      if (asked.length < MAX_ASKED) asked.push(host);
      if (request.method === 'POST' && reportHosts.has(host)) {
        take(host, request, response, posted);
        return;
      }
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
    posted,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Octets of what is posted; more is refused. */
const MAX_POSTED_OCTETS = 10 * 1024 * 1024;
/** Posts that are remembered. */
const MAX_POSTED = 1_000;

function take(host: string, request: IncomingMessage, response: ServerResponse, posted: Posted[]): void {
  const pieces: Uint8Array[] = [];
  let octets = 0;
  request.on('data', (piece: Uint8Array) => {
    octets += piece.length;
    if (octets <= MAX_POSTED_OCTETS) pieces.push(piece);
  });
  request.on('end', () => {
    const isTaken = octets <= MAX_POSTED_OCTETS && posted.length < MAX_POSTED;
    if (isTaken) {
      const contentType = request.headers['content-type'] ?? '';
      posted.push({ host, path: request.url ?? '', contentType, body: Buffer.concat(pieces) });
    }
    response.writeHead(isTaken ? 201 : 413);
    response.end();
  });
}

function secureContext({ pem, keyPem }: Certificate): SecureContext {
  return createSecureContext({ cert: pem, key: keyPem });
}

function portOf(address: AddressInfo | string | null): number {
  if (typeof address === 'object' && address !== null) return address.port;
  throw new TypeError('the web server has no port');
}
