/**
 * What a mail server says, and how: a reply in order, or one of the ways in which servers fail to give one.
 *
 * Nothing is written faster than the client reads it, so an endless reply costs as little memory as a short
 * one.
 */
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Incoming } from './incoming.js';
import type { ReplyLine, StageHabit } from './mail-habits.js';

/** The code that was sent (0 for octets that are no reply), and whether the conversation is over with it. */
export interface Said {
  readonly code: number;
  readonly over: boolean;
}

export const OVER: Said = { code: 0, over: true };

export type Reply = ReplyLine | { readonly code: number; readonly lines: readonly string[] };
/** A habit at the moment it shows: turns are taken, and the usual reply is filled in. */
export type Behaviour = Exclude<StageHabit, 'usual' | { inTurn: unknown }>;

/** Octets of a reply without end that are written at once. */
const ENDLESS_PIECE = 1 << 14;
const ENDLESS_LINES = Buffer.from('250-and so on\r\n'.repeat(ENDLESS_PIECE / 16));
const ENDLESS_LINE = Buffer.from('and so on '.repeat(ENDLESS_PIECE / 10));
export const GARBAGE = Buffer.from('\x16\x00\xff\xfe{"status":"ok"}\x00\x80\x81 no SMTP\r\n\r\n', 'latin1');

export class Speaker {
  readonly #socket: Socket;
  /** The TCP connection under TLS, or the same socket. */
  readonly #bottom: Socket;
  readonly #incoming: Incoming;
  readonly #signal: AbortSignal;

  constructor(socket: Socket, bottom: Socket, incoming: Incoming, signal: AbortSignal) {
    this.#socket = socket;
    this.#bottom = bottom;
    this.#incoming = incoming;
    this.#signal = signal;
  }

  async behave(habit: Behaviour): Promise<Said> {
    if (typeof habit === 'object') {
      if ('lines' in habit) return this.reply(habit);
      if ('verbatim' in habit) return this.#verbatim(Buffer.from(habit.verbatim, 'latin1'));
      if ('thenDrop' in habit) return { ...(await this.reply(habit.thenDrop)), over: true };
      return this.#slowly(habit.slowly, habit.everyMs);
    }
    switch (habit) {
      case 'silence':
        await this.#incoming.end();
        return OVER;
      case 'drop':
        return OVER;
      case 'reset':
        this.#bottom.resetAndDestroy();
        return OVER;
      case 'endless':
        return this.#forEver(ENDLESS_LINES);
      case 'endless-line':
        await this.#write('250 ');
        return this.#forEver(ENDLESS_LINE);
      case 'garbage':
        return this.#verbatim(GARBAGE);
      default:
        return this.reply(habit);
    }
  }

  async reply(reply: Reply, appended = ''): Promise<Said> {
    const { code, lines } = typeof reply === 'string' ? splitReply(reply) : reply;
    const last = lines.length - 1;
    const text = lines.map((line, index) => `${code}${index === last ? ' ' : '-'}${line}\r\n`).join('');
    await this.#write(text + appended);
    return saidAs(code);
  }

  /** The last that is sent. */
  async lastWords(octets: Uint8Array): Promise<Said> {
    await this.#write(octets);
    return OVER;
  }

  async #verbatim(octets: Uint8Array): Promise<Said> {
    await this.#write(octets);
    return { code: 0, over: false };
  }

  async #slowly(reply: ReplyLine, everyMs: number): Promise<Said> {
    for (const octet of `${reply}\r\n`) {
      if (this.#incoming.ended) return OVER;
      await this.#write(octet);
      // Rejects when the server is closed, and then there is nobody left to talk to.
      await delay(everyMs, undefined, { signal: this.#signal }).catch(() => {});
      if (this.#signal.aborted) return OVER;
    }
    return saidAs(splitReply(reply).code);
  }

  async #forEver(piece: Uint8Array): Promise<Said> {
    while (!this.#incoming.ended && !this.#socket.destroyed) {
      await this.#write(piece);
      // Lets the client's end of the connection be noticed where it reads as fast as we write.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return OVER;
  }

  async #write(octets: string | Uint8Array): Promise<void> {
    if (this.#socket.destroyed || !this.#socket.writable) return;
    const buffer = typeof octets === 'string' ? Buffer.from(octets, 'latin1') : octets;
    if (this.#socket.write(buffer)) return;
    await drained(this.#socket);
  }
}

export function isPositive({ code }: Said): boolean {
  return code >= 200 && code < 300;
}

/** RFC 5321 section 3.8: a server that says 421 closes the connection. */
function saidAs(code: number): Said {
  return { code, over: code === 421 };
}

function splitReply(reply: ReplyLine): { code: number; lines: readonly string[] } {
  return { code: Number(reply.slice(0, 3)), lines: [reply.slice(4)] };
}

function drained(socket: Socket): Promise<void> {
  const events = ['drain', 'close', 'error'] as const;
  return new Promise((resolve) => {
    const done = () => {
      for (const event of events) socket.off(event, done);
      resolve();
    };
    for (const event of events) socket.on(event, done);
  });
}
