/**
 * A message as a file of the maildrop: who sends it to whom, and its octets, in a form that tells a whole file from a
 * torn or a foreign one.
 *
 *     danelaw-maildrop-1 <octets of the envelope> <octets of the message> <SHA-256 over both>
 *     {"from":"ann@a.example","to":["you@b.example"]}
 *     Subject: ...
 *
 * Any user of the machine may have written it. So it is read as hostile input, within bounds, and says nothing that a
 * client could not have said over SMTP; who its writer is, the file's owner tells and not its content.
 */
import { createHash } from 'node:crypto';
import type { Notify } from '../queue/queue.js';

export interface SpooledEnvelope {
  /** The empty string is the null sender. */
  readonly from: string;
  readonly to: readonly string[];
  /** RFC 3461, for all recipients. */
  readonly notify?: Notify | undefined;
  readonly ret?: 'full' | 'hdrs' | undefined;
  readonly envid?: string | undefined;
}

export interface SpooledMessage {
  readonly envelope: SpooledEnvelope;
  readonly octets: Uint8Array;
}

export type ReadMessage =
  | { readonly status: 'ok'; readonly message: SpooledMessage }
  | { readonly status: 'bad'; readonly reason: string };

/** Changes when older programs could no longer read what is written. */
const FORMAT = 'danelaw-maildrop-1';
/** Octets of the first line: the format's name, two numbers, a digest. */
const MAX_FIRST_LINE = 128;
/** Octets: a thousand recipients with the longest addresses (RFC 5321 section 4.5.3.1) fit. */
const MAX_ENVELOPE = 512 * 1024;
/** What a file has at most beside its message. */
export const MAX_OVERHEAD = MAX_FIRST_LINE + MAX_ENVELOPE;
/** Recipients of one message, as the relay's own limit is by default. */
export const MAX_RECIPIENTS = 1000;
/** Characters of one address: both parts at their longest (RFC 5321 section 4.5.3.1) in UTF-8, and some. */
const MAX_ADDRESS = 1000;
/** Characters: RFC 3461 section 4.4. */
const MAX_ENVID = 100;

const LF = 0x0a;

export function writeMessage({ envelope, octets }: SpooledMessage): Uint8Array {
  const said = Buffer.from(`${JSON.stringify(envelope)}\n`);
  const first = `${FORMAT} ${said.length} ${octets.length} ${digest(said, octets)}\n`;
  return Buffer.concat([Buffer.from(first), said, octets]);
}

export function readMessage(file: Uint8Array): ReadMessage {
  const end = file.subarray(0, MAX_FIRST_LINE).indexOf(LF);
  const line = Buffer.from(file.subarray(0, Math.max(end, 0))).toString('latin1');
  const parts = /^danelaw-maildrop-1 ([0-9]{1,9}) ([0-9]{1,12}) ([0-9a-f]{64})$/u.exec(line);
  if (parts === null) return bad('it is no message that danelaw sendmail wrote');
  const [saidOctets, messageOctets] = [Number(parts[1]), Number(parts[2])];
  if (saidOctets > MAX_ENVELOPE) return bad(`its envelope is longer than ${MAX_ENVELOPE} octets`);
  const rest = file.subarray(end + 1);
  if (rest.length !== saidOctets + messageOctets) return bad('it is longer or shorter than it says');
  const [said, octets] = [rest.subarray(0, saidOctets), rest.subarray(saidOctets)];
  if (digest(said, octets) !== parts[3]) return bad('it is damaged: its digest does not fit');
  const envelope = readEnvelope(said);
  return envelope === undefined
    ? bad('its envelope is none')
    : { status: 'ok', message: { envelope, octets } };
}

function readEnvelope(said: Uint8Array): SpooledEnvelope | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(said));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = new Map<string, unknown>(Object.entries(value));
  const [from, to, ret, envid] = ['from', 'to', 'ret', 'envid'].map((name) => fields.get(name));
  const notify = notifyOf(fields.get('notify'));
  if (!isAddress(from) || !Array.isArray(to) || to.length === 0 || to.length > MAX_RECIPIENTS)
    return undefined;
  const recipients = to.filter(isAddress);
  if (recipients.length < to.length || notify === 'wrong') return undefined;
  if (ret !== undefined && ret !== 'full' && ret !== 'hdrs') return undefined;
  if (envid !== undefined && !(typeof envid === 'string' && envid.length <= MAX_ENVID)) return undefined;
  return { from, to: recipients, notify, ret, envid };
}

const isAddress = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= MAX_ADDRESS;

const EVENTS = ['success', 'failure', 'delay'] as const;

function notifyOf(value: unknown): Notify | undefined | 'wrong' {
  if (value === undefined || value === 'never') return value;
  if (!Array.isArray(value) || value.length === 0) return 'wrong';
  const known = EVENTS.filter((event) => value.includes(event));
  return known.length === value.length ? known : 'wrong';
}

const digest = (said: Uint8Array, octets: Uint8Array): string =>
  createHash('sha256').update(said).update(octets).digest('hex');

const bad = (reason: string): ReadMessage => ({ status: 'bad', reason });
