/**
 * What a client offers in its first TLS message, read before the handshake.
 *
 * A server that breaks the handshake on purpose never gets to know these from its TLS library, and they are
 * just what is to be seen there: the name in SNI (RFC 6066 section 3; RFC 7672 section 8.1 wants the base
 * domain), the versions (RFC 7671 section 3 wants TLS 1.2 at least under DANE), and whether an earlier
 * session is to be resumed.
 */
export interface ClientHello {
  /** From server_name; absent where the client sent none. */
  readonly serverName?: string;
  /** As Node names them, in the client's order: `TLSv1.3`, `TLSv1.2`, `TLSv1.1`, `TLSv1`. */
  readonly versions: readonly string[];
  /** The client holds a session of an earlier connection and would go on with it. */
  readonly offersResumption: boolean;
}

export type ClientHelloReading =
  | { readonly status: 'hello'; readonly hello: ClientHello }
  | { readonly status: 'incomplete' }
  | { readonly status: 'not-tls' };

/** RFC 8446 section 5.1: a record's fragment holds 2^14 octets at most. */
const MAX_FRAGMENT = 1 << 14;
const RECORD_HEADER = 5;
const HANDSHAKE_HEADER = 4;
const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const EXTENSION_SERVER_NAME = 0;
const EXTENSION_SESSION_TICKET = 35;
const EXTENSION_PRE_SHARED_KEY = 41;
const EXTENSION_SUPPORTED_VERSIONS = 43;
const HOST_NAME = 0;

const VERSION_NAMES: ReadonlyMap<number, string> = new Map([
  [0x0304, 'TLSv1.3'],
  [0x0303, 'TLSv1.2'],
  [0x0302, 'TLSv1.1'],
  [0x0301, 'TLSv1'],
]);

/** `received` is all that the client sent since the server's 220, from its first octet. */
export function readClientHello(received: Buffer): ClientHelloReading {
  const message = handshakeOctets(received);
  if (message === 'not-tls' || message === 'incomplete') return { status: message };
  if (message.length < HANDSHAKE_HEADER) return { status: 'incomplete' };
  if (message.readUInt8(0) !== CLIENT_HELLO) return { status: 'not-tls' };
  const length = message.readUIntBE(1, 3);
  if (message.length < HANDSHAKE_HEADER + length) return { status: 'incomplete' };
  try {
    const body = message.subarray(HANDSHAKE_HEADER, HANDSHAKE_HEADER + length);
    return { status: 'hello', hello: readBody(new OctetCursor(body)) };
  } catch (error) {
    if (error instanceof RangeError) return { status: 'not-tls' };
    throw error;
  }
}

/** The fragments of the leading handshake records, put together: a ClientHello may be split over several. */
function handshakeOctets(received: Buffer): Buffer | 'incomplete' | 'not-tls' {
  const fragments: Buffer[] = [];
  let at = 0;
  while (at < received.length) {
    if (received.readUInt8(at) !== HANDSHAKE_RECORD) break;
    if (received.length < at + RECORD_HEADER) break;
    const length = received.readUInt16BE(at + 3);
    if (length === 0 || length > MAX_FRAGMENT) return 'not-tls';
    fragments.push(received.subarray(at + RECORD_HEADER, at + RECORD_HEADER + length));
    at += RECORD_HEADER + length;
  }
  if (fragments.length > 0) return Buffer.concat(fragments);
  return received.length === 0 || received.readUInt8(0) === HANDSHAKE_RECORD ? 'incomplete' : 'not-tls';
}

/** RFC 8446 section 4.1.2; the same in TLS 1.0 to 1.2 (RFC 5246 section 7.4.1.2). */
function readBody(body: OctetCursor): ClientHello {
  const legacyVersion = body.uint16();
  body.take(32); // random
  body.take(body.uint8()); // session id
  body.take(body.uint16()); // cipher suites
  body.take(body.uint8()); // compression methods
  const extensions = readExtensions(body);
  const serverName = readServerName(extensions.get(EXTENSION_SERVER_NAME));
  const versions = readVersions(extensions.get(EXTENSION_SUPPORTED_VERSIONS)) ?? [legacyVersion];
  const ticket = extensions.get(EXTENSION_SESSION_TICKET);
  return {
    ...(serverName === undefined ? {} : { serverName }),
    versions: versions.flatMap((version) => VERSION_NAMES.get(version) ?? []),
    offersResumption: extensions.has(EXTENSION_PRE_SHARED_KEY) || (ticket !== undefined && ticket.length > 0),
  };
}

function readExtensions(body: OctetCursor): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  if (body.atEnd) return found;
  const list = new OctetCursor(body.take(body.uint16()));
  while (!list.atEnd) found.set(list.uint16(), list.take(list.uint16()));
  return found;
}

function readServerName(extension: Buffer | undefined): string | undefined {
  if (extension === undefined) return undefined;
  const cursor = new OctetCursor(extension);
  const list = new OctetCursor(cursor.take(cursor.uint16()));
  while (!list.atEnd) {
    const type = list.uint8();
    const name = list.take(list.uint16());
    if (type === HOST_NAME) return name.toString('latin1');
  }
  return undefined;
}

function readVersions(extension: Buffer | undefined): number[] | undefined {
  if (extension === undefined) return undefined;
  const cursor = new OctetCursor(extension);
  const list = new OctetCursor(cursor.take(cursor.uint8()));
  const versions: number[] = [];
  while (!list.atEnd) versions.push(list.uint16());
  return versions;
}

/** Reads forward, and throws a RangeError past the end. */
class OctetCursor {
  readonly #octets: Buffer;
  #at = 0;

  constructor(octets: Buffer) {
    this.#octets = octets;
  }

  get atEnd(): boolean {
    return this.#at >= this.#octets.length;
  }

  take(length: number): Buffer {
    if (this.#at + length > this.#octets.length) throw new RangeError('The ClientHello ends inside a field');
    const part = this.#octets.subarray(this.#at, this.#at + length);
    this.#at += length;
    return part;
  }

  uint8(): number {
    return this.take(1).readUInt8();
  }

  uint16(): number {
    return this.take(2).readUInt16BE();
  }
}
