/**
 * A mail server that goes wrong at one stage of the conversation - says nothing, hangs up, or answers what is no
 * SMTP - until it is mended.
 */
import { createServer, type Socket } from 'node:net';

export const STAGES = ['greeting', 'EHLO', 'STARTTLS', 'MAIL', 'RCPT', 'DATA', 'dot'] as const;
export type BadStage = (typeof STAGES)[number];
export const FAULTS = ['hang', 'drop', 'garbage'] as const;
export type Fault = (typeof FAULTS)[number];

const GOOD: Readonly<Record<BadStage, string>> = {
  greeting: '220 bad.example ESMTP',
  EHLO: '250-bad.example\r\n250 8BITMIME',
  STARTTLS: '454 4.7.0 Not now',
  MAIL: '250 2.1.0 Ok',
  RCPT: '250 2.1.5 Ok',
  DATA: '354 Go on',
  dot: '250 2.0.0 Ok',
};
const OFFER = '250-bad.example\r\n250 STARTTLS';
const GARBAGE = '\u0001\u0002 no SMTP at all';

export class BadServer {
  /** X-Number fields of messages that it said 250 to. */
  readonly received: string[] = [];
  readonly #stage: BadStage;
  readonly #fault: Fault;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((socket) => this.#serve(socket));
  #isMended = false;

  constructor(stage: BadStage, fault: Fault) {
    this.#stage = stage;
    this.#fault = fault;
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return address.port;
  }

  /** From the next connection on it does as it should. */
  mend(): void {
    this.#isMended = true;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket)).on('error', () => {});
    const isBad = !this.#isMended;
    const say = (stage: BadStage): void => {
      if (!isBad || stage !== this.#stage) {
        // STARTTLS is asked for where it is offered, and needed by its stage only.
        const offers = stage === 'EHLO' && isBad && this.#stage === 'STARTTLS';
        socket.write(`${offers ? OFFER : GOOD[stage]}\r\n`);
      } else if (this.#fault === 'drop') socket.destroy();
      else if (this.#fault === 'garbage') socket.write(`${GARBAGE}\r\n`);
    };
    let rest = '';
    let message: string[] | undefined;
    socket.setEncoding('latin1').on('data', (text: string) => {
      const lines = (rest + text).split('\r\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (message === undefined) {
          const stage = stageOf(line);
          if (stage !== undefined) say(stage);
          else socket.write('221 2.0.0 Bye\r\n');
          if (stage === 'DATA') message = [];
        } else if (line === '.') {
          const field = message.find((each) => each.startsWith('X-Number: '));
          if (!isBad) this.received.push(field?.slice('X-Number: '.length) ?? '(none)');
          message = undefined;
          say('dot');
        } else message.push(line);
      }
    });
    say('greeting');
  }
}

function stageOf(line: string): BadStage | undefined {
  const verb = line.split(' ', 1)[0]?.toUpperCase();
  return STAGES.find((stage) => stage === verb);
}
