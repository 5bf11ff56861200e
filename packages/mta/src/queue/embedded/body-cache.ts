/**
 * Bodies of messages that came lately: most are delivered at once, and need not be read back from the disk.
 */

/** Octets: a second of mail at full speed. What waits longer is in the system's own cache of the disk, and is read from there. */
const MOST = 8 * 2 ** 20;

export class BodyCache {
  readonly #bodies = new Map<string, Uint8Array>();
  #octets = 0;

  /** Keeps a body, and forgets the oldest where there is no room. One that would need it all is not kept. */
  put(id: string, body: Uint8Array): void {
    if (body.length > MOST / 4) return;
    this.delete(id);
    this.#bodies.set(id, body);
    this.#octets += body.length;
    for (const oldest of this.#bodies.keys()) {
      if (this.#octets <= MOST) break;
      this.delete(oldest);
    }
  }

  get(id: string): Uint8Array | undefined {
    return this.#bodies.get(id);
  }

  clear(): void {
    this.#bodies.clear();
    this.#octets = 0;
  }

  delete(id: string): void {
    const body = this.#bodies.get(id);
    if (body === undefined) return;
    this.#bodies.delete(id);
    this.#octets -= body.length;
  }
}
