/**
 * TSIG (RFC 8945): a message is signed with a secret that both sides know, and so is what comes back, over
 * what was sent - so that an answer is proved to come from the server, to be whole, and to be the answer to
 * this very request.
 *
 * Requests are signed, and one response to each is checked; nothing here is a server, and no MAC is cut
 * short. Some responses can't be signed: a server that does not know the key, or finds the MAC wrong, has
 * nothing to sign with (section 5.3.2). They are told apart from those that prove something, and prove
 * nothing.
 */
import { timingSafeEqual } from 'node:crypto';
import { MAX_RECORDS } from './message.js';
import { Name } from './name.js';
import { CLASS_ANY, RCODE, RRTYPE } from './rrtype.js';
import type { TsigKey } from './tsig-key.js';
import { Cursor, concatBytes, WireError } from './wire.js';

/** Seconds that clocks may differ (RFC 8945 section 10: 300 is RECOMMENDED). */
export const TSIG_FUDGE = 300;
const HEADER_OCTETS = 12;
const NO_OCTETS = new Uint8Array(0);

export interface SignedRequest {
  /** To be sent. */
  readonly octets: Uint8Array;
  readonly key: TsigKey;
  readonly mac: Uint8Array;
}

/** The errors of RFC 8945 section 3. */
export type TsigError = 'BADSIG' | 'BADKEY' | 'BADTRUNC';

export type TsigVerdict =
  /** From the server, whole, and to this request; its RCODE counts. */
  | { readonly status: 'proved'; readonly rcode: number }
  /** The server takes the request for unproved. Where `isSigned` is false anybody may have said so. */
  | { readonly status: 'rejected'; readonly error: TsigError; readonly isSigned: boolean }
  /**
   * The clocks differ; `ahead` is how many seconds the server's is in front of ours. `isRejected`: the server
   * says so (BADTIME).
   */
  | {
      readonly status: 'clock';
      readonly ahead: number;
      readonly isRejected: boolean;
      readonly isSigned: boolean;
    }
  /** To be ignored. */
  | { readonly status: 'unproved'; readonly rcode: number; readonly reason: string };

/**
 * Signs a request (RFC 8945 section 5.1).
 * @param message whole, without a TSIG record
 * @param time seconds since the epoch
 */
export function signRequest(message: Uint8Array, key: TsigKey, time: number): SignedRequest {
  const variables = { key, time, fudge: TSIG_FUDGE, error: 0, other: NO_OCTETS };
  const mac = key.mac(concatBytes([message, tsigVariables(variables)]));
  const id = ((message[0] ?? 0) << 8) | (message[1] ?? 0);
  const rdata = concatBytes([
    algorithmName(key).canonical(),
    timers(time, TSIG_FUDGE),
    ...[u16(mac.length), mac, u16(id), u16(0), u16(0)],
  ]);
  const head = concatBytes([u16(RRTYPE.TSIG), u16(CLASS_ANY), u16(0), u16(0), u16(rdata.length)]);
  const octets = concatBytes([message, key.name.canonical(), head, rdata]);
  setAdditionalCount(octets, additionalCount(octets) + 1);
  return { octets, key, mac };
}

/**
 * Checks the response to a request (RFC 8945 section 5.4).
 * @param now seconds since the epoch
 * @throws WireError where it is no DNS message
 */
export function checkResponse(response: Uint8Array, request: SignedRequest, now: number): TsigVerdict {
  const { rcode, tsig } = splitTsig(response);
  const unproved = (reason: string): TsigVerdict => ({ status: 'unproved', rcode, reason });
  if (tsig === undefined) return unproved('it is not signed');
  const { key } = request;
  if (!tsig.name.equals(key.name)) return unproved('it is signed with another key');
  if (!tsig.algorithm.equals(algorithmName(key))) return unproved('it is signed by another algorithm');
  // Section 5.2.2.1: we sent a whole MAC, and take nothing less.
  const isSigned = tsig.mac.length > 0 && isMacRight(tsig, request);
  if (tsig.error !== 0) {
    return rcode === RCODE.NOTAUTH
      ? errorVerdict(tsig, isSigned, now)
      : unproved(`it has the TSIG error ${tsig.error} without the response code for one`);
  }
  if (!isSigned) return unproved(tsig.mac.length === 0 ? 'it is not signed' : 'its signature does not hold');
  const ahead = tsig.time - now;
  if (Math.abs(ahead) > tsig.fudge) return { status: 'clock', ahead, isRejected: false, isSigned };
  return { status: 'proved', rcode };
}

/** RFC 8945 sections 5.4.1 to 5.4.4. */
function errorVerdict(tsig: Tsig, isSigned: boolean, now: number): TsigVerdict {
  switch (tsig.error) {
    case 16:
      return { status: 'rejected', error: 'BADSIG', isSigned };
    case 17:
      return { status: 'rejected', error: 'BADKEY', isSigned };
    case 18: {
      // Section 5.2.3: Time Signed is ours again, and the server's own time stands in Other Data.
      const ahead = tsig.other.length === 6 ? readTime(new Cursor(tsig.other)) - now : tsig.time - now;
      return { status: 'clock', ahead, isRejected: true, isSigned };
    }
    case 22:
      return { status: 'rejected', error: 'BADTRUNC', isSigned };
    default: {
      const reason = `the server refuses the signature with the TSIG error ${tsig.error}`;
      return { status: 'unproved', rcode: RCODE.NOTAUTH, reason };
    }
  }
}

/**
 * RFC 8945 section 4.3: over the MAC of the request, the message without its TSIG, and what the TSIG says.
 */
function isMacRight(tsig: Tsig, { key, mac }: SignedRequest): boolean {
  if (tsig.mac.length !== key.macOctets) return false;
  const { time, fudge, error, other } = tsig;
  const variables = tsigVariables({ key, time, fudge, error, other });
  const right = key.mac(concatBytes([u16(mac.length), mac, tsig.message, variables]));
  return timingSafeEqual(right, tsig.mac);
}

interface Tsig {
  readonly name: Name;
  readonly algorithm: Name;
  /** Seconds since the epoch. */
  readonly time: number;
  readonly fudge: number;
  readonly mac: Uint8Array;
  readonly error: number;
  readonly other: Uint8Array;
  /** As it was before it was signed: without this record, with the id that it had (section 4.3.2). */
  readonly message: Uint8Array;
}

/**
 * Walks over the records and looks into none but TSIG, which has to be the last one (section 5.2). Updates
 * have records without RDATA where other messages must have some, and a response may repeat them.
 */
function splitTsig(octets: Uint8Array): { readonly rcode: number; readonly tsig: Tsig | undefined } {
  const cursor = new Cursor(octets);
  cursor.take(3);
  const rcode = cursor.u8() & 0xf;
  const questions = cursor.u16();
  const records = cursor.u16() + cursor.u16() + cursor.u16();
  if (questions > 1) throw new WireError(`${questions} zones or questions in one message`);
  if (records > MAX_RECORDS) throw new WireError(`more than ${MAX_RECORDS} records in one message`);
  if (questions === 1) {
    Name.read(cursor);
    cursor.take(4);
  }
  let tsig: Tsig | undefined;
  for (let left = records; left > 0; left--) {
    const start = cursor.offset;
    const name = Name.read(cursor);
    const [type, rrclass, ttl] = [cursor.u16(), cursor.u16(), cursor.u32()];
    const rdata = cursor.take(cursor.u16());
    if (type !== RRTYPE.TSIG) continue;
    if (left > 1 || additionalCount(octets) === 0) throw new WireError('a TSIG record that is not the last');
    if (rrclass !== CLASS_ANY || ttl !== 0) throw new WireError('a TSIG record not of class ANY and TTL 0');
    tsig = readTsig(name, rdata, octets.slice(0, start));
  }
  // What stands behind the last record would be signed by nobody.
  if (cursor.remaining > 0) throw new WireError(`${cursor.remaining} octets behind the last record`);
  return { rcode, tsig };
}

function readTsig(name: Name, rdata: Uint8Array, message: Uint8Array): Tsig {
  const cursor = new Cursor(rdata);
  const algorithm = Name.read(cursor);
  const [time, fudge] = [readTime(cursor), cursor.u16()];
  const mac = cursor.take(cursor.u16());
  const [originalId, error] = [cursor.u16(), cursor.u16()];
  const other = cursor.take(cursor.u16());
  if (cursor.remaining > 0) throw new WireError(`${cursor.remaining} octets too many in a TSIG record`);
  message.set(u16(originalId));
  setAdditionalCount(message, additionalCount(message) - 1);
  return { name, algorithm, time, fudge, mac, error, other, message };
}

interface Variables {
  readonly key: TsigKey;
  readonly time: number;
  readonly fudge: number;
  readonly error: number;
  readonly other: Uint8Array;
}

/** RFC 8945 section 4.3.3. */
function tsigVariables({ key, time, fudge, error, other }: Variables): Uint8Array {
  return concatBytes([
    key.name.canonical(),
    ...[u16(CLASS_ANY), u16(0), u16(0)],
    algorithmName(key).canonical(),
    timers(time, fudge),
    ...[u16(error), u16(other.length), other],
  ]);
}

const algorithmName = ({ algorithm }: TsigKey): Name => Name.parse(algorithm);

/** Time Signed, 48 bits, and Fudge. */
function timers(time: number, fudge: number): Uint8Array {
  return concatBytes([
    u16(Math.floor(time / 2 ** 32)),
    u16(Math.floor(time / 2 ** 16)),
    u16(time),
    u16(fudge),
  ]);
}

const readTime = (cursor: Cursor): number => cursor.u16() * 2 ** 32 + cursor.u32();

function u16(value: number): Uint8Array {
  return Uint8Array.of((value >>> 8) & 0xff, value & 0xff);
}

const ARCOUNT = HEADER_OCTETS - 2;
const additionalCount = (octets: Uint8Array): number =>
  ((octets[ARCOUNT] ?? 0) << 8) | (octets[ARCOUNT + 1] ?? 0);
const setAdditionalCount = (octets: Uint8Array, count: number): void => octets.set(u16(count), ARCOUNT);
