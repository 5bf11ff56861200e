/**
 * A port on which DNS is served: UDP and TCP with the same number (RFC 7766 section 5).
 *
 * Who answers gets the octets of a query and gives those of the answer, or none to stay silent.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';

export type DnsHandler = (
  query: Uint8Array,
  protocol: 'udp' | 'tcp',
) => Uint8Array | undefined | Promise<Uint8Array | undefined>;

/** Milliseconds without a query after which a TCP client is dropped (RFC 7766 section 6.2.3). */
const TCP_IDLE_MS = 10_000;
/** With port 0, how often a TCP port whose UDP twin is taken is given back for another. */
const PORT_ATTEMPTS = 20;

export interface DnsSocket {
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

/** @param port 0 for any free one. Rejects with the system's error where the address or port can't be had. */
export async function listenDns(address: string, port: number, handler: DnsHandler): Promise<DnsSocket> {
  for (let attempt = 1; ; attempt++) {
    const tcp = new TcpListener(handler);
    const tcpPort = await tcp.listen(address, port);
    try {
      const udp = await listenUdp(address, tcpPort, handler);
      return {
        address,
        port: tcpPort,
        close: async () => {
          await Promise.all([tcp.close(), new Promise<void>((done) => udp.close(() => done()))]);
        },
      };
    } catch (error) {
      await tcp.close();
      if (port !== 0 || attempt === PORT_ATTEMPTS || !isPortTaken(error)) throw error;
    }
  }
}

export function isPortTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}

function listenUdp(address: string, port: number, handler: DnsHandler): Promise<UdpSocket> {
  const socket = createSocket('udp4');
  socket.on('message', async (query, { address: client, port: clientPort }) => {
    const answer = await handler(query, 'udp');
    if (answer === undefined) return;
    try {
      // A client that has gone away is not this server's trouble.
      socket.send(answer, clientPort, client, () => {});
    } catch {
      // Closed while the answer was made.
    }
  });
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind(port, address, () => {
      socket.removeAllListeners('error');
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}

class TcpListener {
  readonly #server: Server;
  readonly #clients = new Set<Socket>();

  constructor(handler: DnsHandler) {
    this.#server = createServer((client) => {
      this.#clients.add(client);
      client.on('close', () => this.#clients.delete(client));
      client.on('error', () => client.destroy());
      client.setTimeout(TCP_IDLE_MS, () => client.destroy());
      serveTcp(client, handler);
    });
  }

  listen(address: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host: address, port, exclusive: true }, () => {
        this.#server.removeListener('error', reject);
        const bound = this.#server.address();
        resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
      });
    });
  }

  close(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

/** Messages with two octets of length before each (RFC 1035 section 4.2.2); several may come at once. */
function serveTcp(client: Socket, handler: DnsHandler): void {
  let received: Buffer = Buffer.alloc(0);
  client.on('data', async (chunk) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      const end = 2 + received.readUInt16BE(0);
      const query = received.subarray(2, end);
      received = received.subarray(end);
      const answer = await handler(query, 'tcp');
      if (answer !== undefined && !client.destroyed) {
        client.write(Buffer.concat([Uint8Array.of(answer.length >> 8, answer.length & 0xff), answer]));
      }
    }
  });
}
