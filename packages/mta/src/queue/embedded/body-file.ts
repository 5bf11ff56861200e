/**
 * Body files: where messages lie on disk, each with its envelope, so that the index can be made anew from them.
 *
 * A file holds the messages that arrived together, one after the other; it is written in one go, flushed, and
 * never changed. Each message is
 *
 *     octets
 *          8  "danelaw", then the version, 1
 *          4  length of the description        (all numbers: unsigned, most significant octet first)
 *          4  length of the body
 *          4  CRC-32 of the description
 *          4  CRC-32 of the body
 *          4  CRC-32 of the 24 octets before
 *             the description: JSON, UTF-8: { id, envelope, recipients }
 *             the body, as it is to be sent
 *
 * Whatever is torn or was overwritten is told from what is whole by its checksums; reading goes on behind it.
 */
import { crc32 } from 'node:zlib';
import type { NewMessage, QueuedEnvelope, QueuedRecipient } from '../queue.js';
import { isQueueId } from '../queue-id.js';
import { DamagedRecordError, Fields } from './fields.js';
import {
  decodeEnvelope,
  decodeRecipient,
  encodeEnvelope,
  encodeRecipient,
  freshState,
} from './message-json.js';

const MAGIC = Buffer.from('danelaw\x01', 'latin1');
const HEADER_OCTETS = 28;
/** More than are ever written into a file. */
const MOST_MESSAGES = 255;

/** Where the body of a message lies, and its checksum. */
export interface BodyPlace {
  /** The file's path under the folder of bodies. */
  readonly file: string;
  /** Of the message in the file, from 0 on. */
  readonly number: number;
  readonly offset: number;
  readonly size: number;
  readonly crc: number;
}

/** A message as its body file tells it. */
export interface StoredMessage {
  readonly id: string;
  readonly envelope: QueuedEnvelope;
  readonly recipients: readonly QueuedRecipient[];
  readonly place: BodyPlace;
}

export interface EncodedMessage {
  readonly message: NewMessage;
  /** As they enter the queue. */
  readonly recipients: readonly QueuedRecipient[];
  /** Header and description; the body follows. */
  readonly head: Uint8Array;
  readonly crc: number;
}

/** The recipients of a new message as they enter the queue. */
export function enteringRecipients(message: NewMessage): readonly QueuedRecipient[] {
  return message.recipients.map(({ address, destination, notify, orcpt, state }, index) => ({
    index,
    address,
    destination,
    notify,
    orcpt,
    state: state ?? freshState(message.envelope.arrived),
  }));
}

export function encodeMessage(message: NewMessage): EncodedMessage {
  const { id, envelope, body } = message;
  const recipients = enteringRecipients(message);
  const description = Buffer.from(
    JSON.stringify({
      id,
      envelope: encodeEnvelope(envelope),
      recipients: recipients.map((recipient) => encodeRecipient(recipient, envelope.arrived)),
    }),
  );
  const head = Buffer.alloc(HEADER_OCTETS + description.length);
  const crc = crc32(body);
  MAGIC.copy(head);
  head.writeUInt32BE(description.length, 8);
  head.writeUInt32BE(body.length, 12);
  head.writeUInt32BE(crc32(description), 16);
  head.writeUInt32BE(crc, 20);
  head.writeUInt32BE(crc32(head.subarray(0, 24)), 24);
  description.copy(head, HEADER_OCTETS);
  return { message, recipients, head, crc };
}

export interface BodyFileContent {
  /** Those that are whole. */
  readonly messages: readonly StoredMessage[];
  /** Those of which envelope and recipients can be read, and whose body is all there and not what was written. */
  readonly bodiless: readonly StoredMessage[];
  /** Something in it is not what was written, or it was cut off. */
  readonly damaged: boolean;
}

export function readBodyFile(file: string, octets: Uint8Array): BodyFileContent {
  const content = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
  const messages: StoredMessage[] = [];
  const bodiless: StoredMessage[] = [];
  let damaged = false;
  let number = 0;
  for (let at = 0; at < content.length; number++) {
    // One that is damaged has its number all the same.
    const end = endOf(content, at);
    if (end === undefined) {
      damaged = true;
      const next = content.indexOf(MAGIC, at + 1);
      at = next < 0 || number === MOST_MESSAGES ? content.length : next;
      continue;
    }
    const read = readMessage(file, content, at, number);
    const isWhole = read !== undefined && hasItsBody(content, read);
    if (read !== undefined) (isWhole ? messages : bodiless).push(read);
    damaged ||= !isWhole;
    // Its header says where the next one begins; what a body holds is never looked at as a message.
    at = end;
  }
  return { messages, bodiless, damaged };
}

/** Where the message that begins there ends; undefined where none does, or where it is cut off. */
function endOf(content: Buffer, at: number): number | undefined {
  if (at + HEADER_OCTETS > content.length) return undefined;
  const header = content.subarray(at, at + HEADER_OCTETS);
  if (!header.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  if (crc32(header.subarray(0, 24)) !== header.readUInt32BE(24)) return undefined;
  const end = at + HEADER_OCTETS + header.readUInt32BE(8) + header.readUInt32BE(12);
  return end > content.length ? undefined : end;
}

/** The message that begins there, all of it in the file; undefined where its description can't be read. */
function readMessage(file: string, content: Buffer, at: number, number: number): StoredMessage | undefined {
  const offset = at + HEADER_OCTETS + content.readUInt32BE(at + 8);
  const size = content.readUInt32BE(at + 12);
  const crc = content.readUInt32BE(at + 20);
  const description = content.subarray(at + HEADER_OCTETS, offset);
  if (crc32(description) !== content.readUInt32BE(at + 16)) return undefined;
  try {
    const fields = Fields.parse(description.toString());
    const id = fields.string('id');
    const envelope = decodeEnvelope(fields.object('envelope'));
    const recipients = fields
      .list('recipients')
      .map((recipient) => decodeRecipient(recipient, envelope.arrived));
    if (!isQueueId(id) || recipients.length === 0) return undefined;
    return { id, envelope, recipients, place: { file, number, offset, size, crc } };
  } catch (error) {
    if (error instanceof DamagedRecordError) return undefined;
    throw error;
  }
}

function hasItsBody(content: Buffer, { place: { offset, size, crc } }: StoredMessage): boolean {
  return crc32(content.subarray(offset, offset + size)) === crc;
}
