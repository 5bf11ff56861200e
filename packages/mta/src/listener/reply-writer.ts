/**
 * Replies of one turn of the event loop go out together (RFC 2920 section 3.2): a client that pipelines its
 * commands gets their replies in one segment, and each message costs one system call less for each of them.
 */
import type { Socket } from 'node:net';

export class ReplyWriter {
  #corked: Socket | undefined;

  write(socket: Socket, text: string): void {
    if (socket.destroyed || !socket.writable) return;
    if (this.#corked === undefined) {
      this.#corked = socket;
      socket.cork();
      process.nextTick(() => this.flush());
    }
    socket.write(text);
  }

  flush(): void {
    this.#corked?.uncork();
    this.#corked = undefined;
  }
}
