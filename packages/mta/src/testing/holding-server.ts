/** A mail server on loopback that says yes to everything, but to one command not before it is told to. */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';

export type Held = 'greeting' | 'MAIL' | 'DATA' | 'dot';

export class HoldingServer {
  readonly heard: string[] = [];
  connections = 0;
  port = 0;
  #held: Held | undefined;
  #release: (() => void)[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #server: Server = createServer((socket) => this.#serve(socket));

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address !== null && typeof address === 'object') this.port = address.port;
  }

  hold(at: Held): void {
    this.#held = at;
  }

  release(): void {
    this.#held = undefined;
    for (const go of this.#release.splice(0)) go();
  }

  get open(): number {
    return this.#sockets.size;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket): void {
    this.connections += 1;
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket)).on('error', () => {});
    socket.setEncoding('latin1');
    let rest = '';
    let inData = false;
    const answer = (at: string, reply: string): void => {
      const say = (): void => void (socket.writable && socket.write(`${reply}\r\n`));
      if (this.#held === at) this.#release.push(say);
      else say();
    };
    answer('greeting', '220 there.example ESMTP');
    socket.on('data', (text: string) => {
      const lines = (rest + text).split('\r\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (inData && line !== '.') continue;
        this.heard.push(line);
        const verb = inData ? 'dot' : line.slice(0, 4);
        inData = verb === 'DATA';
        if (verb === 'EHLO') answer(verb, '250-there.example\r\n250 DSN');
        else if (verb === 'DATA') answer(verb, '354 go ahead');
        else answer(verb, verb === 'QUIT' ? '221 2.0.0 bye' : '250 2.0.0 ok');
        if (verb === 'QUIT') socket.end();
      }
    });
  }
}
