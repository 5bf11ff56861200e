/** A real HTTPS server that answers as a test tells it to, and counts what it was asked. */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { web as webCertificate, webKey } from './certificates.js';

export interface Asked {
  readonly url: string;
  readonly host: string;
  readonly serverName: string | false;
}

export interface WebServer {
  readonly port: number;
  readonly asked: readonly Asked[];
  /** What it answers from now on: a policy, or anything else. */
  answer: string | ((request: IncomingMessage, response: ServerResponse) => void);
  close(): Promise<void>;
}

export async function startWebServer(
  answer: WebServer['answer'],
  { cert = webCertificate, key = webKey }: { cert?: string; key?: string } = {},
): Promise<WebServer> {
  const asked: Asked[] = [];
  const sockets = new Set<Duplex>();
  const server = createServer({ cert, key }, (request, response) => {
    const { servername = false } = request.socket as Socket & { servername?: string | false };
    asked.push({ url: request.url ?? '', host: request.headers.host ?? '', serverName: servername });
    if (typeof web.answer === 'function') web.answer(request, response);
    else response.writeHead(200, { 'content-type': 'text/plain' }).end(web.answer);
  });
  server.on('connection', (socket) => sockets.add(socket));
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const web: WebServer = {
    port: (server.address() as AddressInfo).port,
    asked,
    answer,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return web;
}
