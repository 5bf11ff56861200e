/**
 * Clients that hand messages to a relay which keeps dying: they connect again, and remember of each message
 * whether it was acknowledged (250 to the final dot), or is in doubt (the dot was sent, and no reply came).
 */
import { connect, type Socket } from 'node:net';

export interface LoadOptions {
  /** Ports of relays; a client tries them in turn. */
  readonly ports: readonly number[];
  readonly messages: number;
  readonly clients: number;
  /** The recipient of a message. */
  readonly recipient: (number: number) => string;
  /** Octets of a body. */
  readonly size: number;
  readonly signal: AbortSignal;
}

export class Load {
  readonly acknowledged = new Set<number>();
  readonly inDoubt = new Set<number>();
  readonly #options: LoadOptions;
  readonly #waiting: number[];

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#waiting = Array.from({ length: options.messages }, (_, i) => options.messages - i);
  }

  /** Messages that were neither acknowledged nor are in doubt. */
  get left(): number {
    const { messages } = this.#options;
    return messages - this.acknowledged.size - this.inDoubt.size;
  }

  async run(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.clients }, (_, i) => this.#client(i)));
  }

  async #client(index: number): Promise<void> {
    const { ports, signal } = this.#options;
    for (let turn = index; this.#waiting.length > 0; turn++) {
      signal.throwIfAborted();
      await this.#session(ports[turn % ports.length] ?? 0);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Sends until there is nothing left or the relay is gone. Never rejects. */
  async #session(port: number): Promise<void> {
    const wire = new Wire(connect({ host: '127.0.0.1', port, noDelay: true }));
    let number: number | undefined;
    let dotSent = false;
    try {
      await wire.expect(220);
      await wire.ask('EHLO client.example', 250);
      for (number = this.#waiting.pop(); number !== undefined; number = this.#waiting.pop()) {
        dotSent = false;
        wire.send(`MAIL FROM:<sender@here.example>\r\nRCPT TO:<${this.#options.recipient(number)}>\r\nDATA`);
        await wire.expect(250);
        await wire.expect(250);
        await wire.expect(354);
        dotSent = true;
        wire.send(`${this.#message(number)}\r\n.`);
        await wire.expect(250);
        this.acknowledged.add(number);
        number = undefined;
      }
      wire.send('QUIT');
    } catch (error) {
      // A reply is a word, whatever it is; no reply after the dot is doubt.
      const isDoubt = dotSent && !(error instanceof UnexpectedReply);
      if (number !== undefined && isDoubt) this.inDoubt.add(number);
      else if (number !== undefined) this.#waiting.push(number);
    } finally {
      wire.destroy();
    }
  }

  #message(number: number): string {
    const line = 'All work and no play makes mail a dull thing, over and over.';
    const lines = Math.max(1, Math.floor(this.#options.size / (line.length + 2)));
    const header = `From: sender@here.example\r\nSubject: message ${number}\r\nX-Number: ${number}\r\n`;
    return `${header}\r\n${Array.from({ length: lines }, () => line).join('\r\n')}`;
  }
}

class UnexpectedReply extends Error {}

/** Replies, in order. */
class Wire {
  readonly #socket: Socket;
  #rest = '';
  readonly #codes: number[] = [];
  #waiter: { resolve: (code: number) => void; reject: (error: Error) => void } | undefined;
  #ended = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.#hear(text));
    const over = (): void => {
      this.#ended = true;
      this.#waiter?.reject(new Error('the relay is gone'));
    };
    socket.on('error', over).on('close', over);
    // A relay that was stopped, and not killed, says nothing: its client gives up.
    socket.setTimeout(15_000, () => socket.destroy());
  }

  send(text: string): void {
    this.#socket.write(`${text}\r\n`);
  }

  async ask(text: string, code: number): Promise<void> {
    this.send(text);
    await this.expect(code);
  }

  async expect(code: number): Promise<void> {
    const got = this.#codes.shift() ?? (await this.#next());
    if (got !== code) throw new UnexpectedReply(`expected ${code}, got ${got}`);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #next(): Promise<number> {
    if (this.#ended) return Promise.reject(new Error('the relay is gone'));
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  #hear(text: string): void {
    const lines = (this.#rest + text).split('\r\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.charAt(3) === '-') continue;
      const code = Number(line.slice(0, 3));
      if (this.#waiter === undefined) this.#codes.push(code);
      else {
        this.#waiter.resolve(code);
        this.#waiter = undefined;
      }
    }
  }
}
