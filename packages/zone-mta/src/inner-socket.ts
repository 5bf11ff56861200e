/**
 * Two ends of a connection within the process: what is written at one is read at the other.
 *
 * ZoneMTA's SMTP client takes a connection that a plugin has made, and treats it as a socket of `node:net`. So that nobody
 * else on this machine can call, or be called, there is no socket here at all.
 */
import { Duplex } from 'node:stream';

export class InnerSocket extends Duplex {
  #other: InnerSocket | undefined;
  #taken: (() => void) | undefined;

  static pair(): [InnerSocket, InnerSocket] {
    const [one, other] = [new InnerSocket(), new InnerSocket()];
    one.#other = other;
    other.#other = one;
    return [one, other];
  }

  /** The other end has no time limits of its own: a delivery has its bounds elsewhere. */
  setTimeout(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  override _read(): void {
    const taken = this.#taken;
    this.#taken = undefined;
    taken?.();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const other = this.#other;
    if (other === undefined || other.destroyed) done();
    else if (other.push(chunk)) done();
    else other.#taken = done;
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#other?.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#taken?.();
    const other = this.#other;
    // After what is still to be read there.
    if (other !== undefined && !other.readableEnded && !other.destroyed) other.push(null);
    done(error);
  }
}
