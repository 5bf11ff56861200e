/**
 * The server that ZoneMTA's SMTP client speaks to: it takes one message after the other and answers each final dot with
 * what became of the message at its real destination.
 *
 * It speaks to that client only, within the process, so it is as small as the client allows. The envelope is not read from
 * the commands: the caller has it, before it was folded into them.
 */
import type { Duplex } from 'node:stream';
import { withoutDotStuffing } from '@danelaw/smtp';

/** Takes a message, and gives the reply to its final dot, on one line. Never rejects. */
export type TakeMessage = (octets: Uint8Array) => Promise<string>;

const GREETING = '220 danelaw within ZoneMTA';
/** Whatever a destination lacks, the message is tried there and judged. */
const EHLO = ['250-danelaw', '250-8BITMIME', '250-SMTPUTF8', '250 ENHANCEDSTATUSCODES'].join('\r\n');
const END = Buffer.from('\r\n.\r\n');

/** Serves until the client says QUIT or goes away. */
export function serveInside(socket: Duplex, take: TakeMessage): void {
  const say = (reply: string): void => void (socket.writable && socket.write(`${reply}\r\n`));
  const handle = new Conversation(say, take, () => socket.end());
  socket.on('data', (octets: Buffer) => handle.read(octets));
  socket.on('error', () => socket.destroy());
  say(GREETING);
}

class Conversation {
  readonly #say: (reply: string) => void;
  readonly #take: TakeMessage;
  readonly #end: () => void;
  #line = '';
  /** The message so far; undefined between messages. */
  #content: Buffer[] | undefined;

  constructor(say: (reply: string) => void, take: TakeMessage, end: () => void) {
    this.#say = say;
    this.#take = take;
    this.#end = end;
  }

  read(octets: Buffer): void {
    if (this.#content !== undefined) {
      this.#readContent(this.#content, octets);
      return;
    }
    const lines = (this.#line + octets.toString('utf8')).split('\r\n');
    this.#line = lines.pop() ?? '';
    for (const line of lines) this.#command(line);
  }

  #command(line: string): void {
    switch (line.slice(0, 4).toUpperCase()) {
      case 'EHLO':
        this.#say(EHLO);
        return;
      case 'MAIL':
      case 'RCPT':
      case 'RSET':
      case 'NOOP':
        this.#say('250 2.0.0 OK');
        return;
      case 'DATA':
        this.#content = [];
        this.#say('354 Go ahead');
        return;
      case 'QUIT':
        this.#say('221 2.0.0 Bye');
        this.#end();
        return;
      default:
        this.#say('502 5.5.1 Not here');
    }
  }

  /** The client says nothing behind the final dot before it is answered, so the dot ends what was read. */
  #readContent(content: Buffer[], octets: Buffer): void {
    content.push(octets);
    // Enough of the end to see it, whatever the pieces are.
    const tail = Buffer.concat(content.slice(-END.length)).subarray(-END.length);
    if (!tail.equals(END)) return;
    this.#content = undefined;
    const whole = Buffer.concat(content);
    void this.#take(withoutDotStuffing(whole.subarray(0, whole.length - 3))).then((reply) =>
      this.#say(reply),
    );
  }
}
