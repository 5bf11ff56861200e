/**
 * Envelopes and recipients as JSON, the same in body files and in the index. What has its usual value is left
 * out: a million recipients are read from disk faster than they are spelled out.
 */
import type { LastTry, Notify, QueuedEnvelope, QueuedRecipient, RecipientState } from '../queue.js';
import { DamagedRecordError, Fields } from './fields.js';

type Json = Record<string, unknown>;

export function encodeEnvelope(envelope: QueuedEnvelope): Json {
  const { origin } = envelope;
  return {
    from: envelope.from,
    arrived: envelope.arrived,
    origin: {
      kind: origin.kind,
      client: origin.client,
      helo: origin.helo,
      user: origin.user,
      uid: origin.uid,
      protocol: origin.protocol,
    },
    envid: envelope.envid,
    ret: envelope.ret,
    requireTls: flag(envelope.requireTls),
    smtpUtf8: flag(envelope.smtpUtf8),
    eightBit: flag(envelope.eightBit),
    utf8Header: flag(envelope.utf8Header),
    tlsRequiredNo: flag(envelope.tlsRequiredNo),
  };
}

/** @throws `DamagedRecordError` */
export function decodeEnvelope(fields: Fields): QueuedEnvelope {
  const origin = fields.object('origin');
  const kind = origin.optionalOneOf('kind', ['smtp', 'sendmail', 'bounce', 'report']);
  if (kind === undefined) throw new DamagedRecordError('The origin has no kind.');
  return {
    from: fields.string('from'),
    arrived: fields.number('arrived'),
    origin: {
      kind,
      client: origin.optionalString('client'),
      helo: origin.optionalString('helo'),
      user: origin.optionalString('user'),
      uid: origin.optionalNumber('uid'),
      protocol: origin.optionalString('protocol'),
    },
    envid: fields.optionalString('envid'),
    ret: fields.optionalOneOf('ret', ['full', 'hdrs']),
    requireTls: fields.flag('requireTls'),
    smtpUtf8: fields.flag('smtpUtf8'),
    eightBit: fields.flag('eightBit'),
    utf8Header: fields.flag('utf8Header'),
    tlsRequiredNo: fields.flag('tlsRequiredNo'),
  };
}

/**
 * @param arrived when its message did: a recipient is due since then if nothing else is said
 * @param destination where that is known by the place in which the recipient stands; else undefined
 */
export function encodeRecipient(recipient: QueuedRecipient, arrived: number, destination?: string): Json {
  const { state } = recipient;
  return {
    index: recipient.index,
    address: recipient.address,
    destination: recipient.destination === destination ? undefined : recipient.destination,
    notify: recipient.notify,
    orcpt: recipient.orcpt,
    held: flag(state.held),
    due: state.due === arrived ? undefined : state.due,
    attempts: state.attempts === 0 ? undefined : state.attempts,
    warned: flag(state.warned),
    last: state.last === undefined ? undefined : encodeLast(state.last),
  };
}

/** @throws `DamagedRecordError` */
export function decodeRecipient(value: unknown, arrived: number, destination?: string): QueuedRecipient {
  const fields = new Fields(value);
  return {
    index: fields.number('index'),
    address: fields.string('address'),
    destination: fields.optionalString('destination') ?? destination ?? fields.string('destination'),
    notify: decodeNotify(fields),
    orcpt: fields.optionalString('orcpt'),
    state: {
      held: fields.flag('held'),
      due: fields.optionalNumber('due') ?? arrived,
      attempts: fields.optionalNumber('attempts') ?? 0,
      warned: fields.flag('warned'),
      last: decodeLast(fields.optionalObject('last')),
    },
  };
}

/** The state of one that was never tried. */
export function freshState(arrived: number): RecipientState {
  return { held: false, due: arrived, attempts: 0, warned: false, last: undefined };
}

function decodeNotify(fields: Fields): Notify | undefined {
  const words = fields.stringOrList('notify');
  if (words === undefined || words === 'never') return words;
  if (typeof words === 'string') throw new DamagedRecordError('notify is neither a list nor never.');
  return words.map((word) => {
    if (word === 'success' || word === 'failure' || word === 'delay') return word;
    throw new DamagedRecordError('notify names what can not be notified of.');
  });
}

function decodeLast(fields: Fields | undefined): LastTry | undefined {
  if (fields === undefined) return undefined;
  return {
    time: fields.number('time'),
    enhancedStatus: fields.optionalString('enhancedStatus') ?? null,
    reply: fields.optionalString('reply') ?? null,
    host: fields.optionalString('host') ?? null,
    reason: fields.string('reason'),
  };
}

/** The last try with what is null left out, as `decodeLast` wants it. */
function encodeLast(last: LastTry): Json {
  return {
    time: last.time,
    enhancedStatus: last.enhancedStatus ?? undefined,
    reply: last.reply ?? undefined,
    host: last.host ?? undefined,
    reason: last.reason,
  };
}

function flag(value: boolean): true | undefined {
  return value || undefined;
}
