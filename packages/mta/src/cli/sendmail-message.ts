/**
 * A message as local programs write it to `sendmail`, made fit for SMTP: line ends, the line "From ..." of mailboxes,
 * recipients out of the header (-t), and no Bcc (RFC 5322 section 3.6.3).
 */
import addressparser from 'nodemailer/lib/addressparser';
import { fieldValue, type HeaderField, readHeader } from '../acceptance/header-section.js';
import { normaliseLineEnds } from '../acceptance/line-ends.js';

export interface LocalMessage {
  readonly octets: Uint8Array;
  /** Addresses in To, Cc and Bcc as they stand there; in their Resent- forms where there are any. */
  readonly recipients: readonly string[];
}

export interface ReadOptions {
  /** -i: a line with a dot alone is text, and not the end. */
  readonly ignoreDots: boolean;
  /** A From field for a message that has none. */
  readonly from: string | undefined;
}

/**
 * Programs mix line ends (PHP writes CRLF in the header and LF below), so all kinds become CRLF; dots are doubled when the
 * message is handed over, so nothing can end it early.
 */
export function readLocalMessage(input: Uint8Array, { ignoreDots, from }: ReadOptions): LocalMessage {
  const octets = withoutMailboxLine(
    ignoreDots ? normaliseLineEnds(input) : upToDot(normaliseLineEnds(input)),
  );
  if (!hasHeader(octets)) {
    const top = from === undefined ? '' : `From: ${from}\r\n\r\n`;
    return { octets: Buffer.concat([Buffer.from(top), octets]), recipients: [] };
  }
  const header = readHeader(octets);
  // One that is too large is left as it is: the relay refuses it, and says why. As text it would show its Bcc.
  if (header === undefined) return { octets, recipients: [] };
  const { fields, bodyStart } = header;
  const needsFrom = from !== undefined && !fields.some(({ name }) => name === 'from');
  const kept = fields.filter(({ name }) => !DROPPED.has(name)).map(({ line }) => `${line}\r\n`);
  const top = Buffer.concat([
    Buffer.from(needsFrom ? `From: ${from}\r\n` : ''),
    Buffer.from(`${kept.join('')}\r\n`, 'latin1'),
  ]);
  return { octets: Buffer.concat([top, octets.subarray(bodyStart)]), recipients: recipientsOf(fields) };
}

/** Whoever reads the message must not see these; Return-Path is for the last server to write (RFC 5321 section 4.4). */
const DROPPED = new Set(['bcc', 'resent-bcc', 'return-path', 'content-length']);

const RECIPIENT_FIELDS = ['to', 'cc', 'bcc'];

function recipientsOf(fields: readonly HeaderField[]): string[] {
  const isResent = fields.some(({ name }) => RECIPIENT_FIELDS.some((field) => name === `resent-${field}`));
  const names = RECIPIENT_FIELDS.map((name) => (isResent ? `resent-${name}` : name));
  return fields
    .filter(({ name }) => names.includes(name))
    .flatMap((field) => addressparser(fieldValue(field), { flatten: true }))
    .map(({ address, name }) => (address === '' ? name : address))
    .filter((address) => address !== '');
}

/** "From ann@a.example Wed Nov 25 ...": what mailbox files have between messages. */
function withoutMailboxLine(octets: Uint8Array): Uint8Array {
  const start = Buffer.from(octets.subarray(0, 5)).toString('latin1');
  if (start !== 'From ') return octets;
  const end = octets.indexOf(LF);
  return octets.subarray(end === -1 ? octets.length : end + 1);
}

function upToDot(octets: Uint8Array): Uint8Array {
  const text = Buffer.from(octets.buffer, octets.byteOffset, octets.length);
  if (text.subarray(0, 3).toString('latin1') === '.\r\n') return new Uint8Array(0);
  const dot = text.indexOf('\r\n.\r\n');
  return dot === -1 ? octets : octets.subarray(0, dot + 2);
}

/** The first line is a field. */
function hasHeader(octets: Uint8Array): boolean {
  const start = Buffer.from(octets.subarray(0, MAX_NAME_OCTETS)).toString('latin1');
  return /^[\x21-\x39\x3b-\x7e]+[ \t]*:/u.test(start);
}

const MAX_NAME_OCTETS = 998;
const LF = 0x0a;
