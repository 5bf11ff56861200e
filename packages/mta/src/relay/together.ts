/**
 * What is told in one message though it comes up in pieces: a message from thread to thread costs far more than
 * what is in it, so whatever the other side may hear a moment later waits for the rest of that moment.
 */
export class Together<Piece> {
  readonly #tell: (pieces: readonly Piece[]) => void;
  readonly #defer: (tell: () => void) => void;
  #pieces: Piece[] = [];

  /**
   * @param defer calls at the end of that moment: `queueMicrotask` where the other side waits, `setImmediate` for
   * all of one turn of the event loop
   */
  constructor(tell: (pieces: readonly Piece[]) => void, defer: (tell: () => void) => void) {
    this.#tell = tell;
    this.#defer = defer;
  }

  add(piece: Piece): void {
    if (this.#pieces.push(piece) > 1) return;
    this.#defer(() => {
      const pieces = this.#pieces;
      this.#pieces = [];
      this.#tell(pieces);
    });
  }
}
