/**
 * Mail as it is seen in a trace of the relay's system calls: when a client was told that a message is queued, and
 * when its final dot went out to a server, over which connection.
 */
import { descriptorOf, type SystemCall, textsOf } from './system-calls.js';

export interface Acknowledged {
  readonly id: string;
  /** The write of the reply. */
  readonly call: SystemCall;
}

export interface HandedOver {
  readonly id: string;
  /** The write that ended in the final dot. */
  readonly call: SystemCall;
  /** The message before it on the same connection; undefined for the first. */
  readonly previous: string | undefined;
}

const ID = '[0-9a-z]{18}';
const QUEUED = new RegExp(`queued as (${ID})`, 'u');
/** Our own Received field. */
const RECEIVED = new RegExp(` id (${ID})\\b`, 'u');
const NUMBER = /X-Number: (\d+)/u;

export function acknowledged(calls: readonly SystemCall[]): Acknowledged[] {
  return calls.flatMap((call) => {
    const id = QUEUED.exec(socketText(call))?.[1];
    return id === undefined ? [] : [{ id, call }];
  });
}

/** Every final dot to servers, in the order in which they went out. */
export function handedOver(calls: readonly SystemCall[], ehloName: string): HandedOver[] {
  const dots: HandedOver[] = [];
  /** Of connections that we opened: what was said since the last message, and that message. */
  const connections = new Map<string, { text: string; previous: string | undefined }>();
  for (const call of [...calls].sort((a, b) => a.began - b.began)) {
    const text = socketText(call);
    if (text === '') continue;
    const socket = pathOf(call);
    if (text.startsWith(`EHLO ${ehloName}`)) connections.set(socket, { text: '', previous: undefined });
    const connection = connections.get(socket);
    if (connection === undefined) continue;
    connection.text += text;
    if (!connection.text.endsWith('\r\n.\r\n')) continue;
    const id = RECEIVED.exec(connection.text)?.[1];
    if (id === undefined) continue;
    dots.push({ id, call, previous: connection.previous });
    connections.set(socket, { text: '', previous: id });
  }
  return dots;
}

/** The numbers that the load gave to messages, by their ids in the queue. */
export function numbersOf(calls: readonly SystemCall[]): Map<string, string> {
  const numbers = new Map<string, string>();
  for (const call of calls) {
    if (!call.name.startsWith('write') || !pathOf(call).includes('/bodies/')) continue;
    // A body file may hold several messages, each with a Received field near its beginning.
    const parts = Buffer.concat(textsOf(call.arguments))
      .toString('latin1')
      .split(/(?=Received: )/u);
    for (const part of parts) {
      const [id, number] = [RECEIVED.exec(part)?.[1], NUMBER.exec(part)?.[1]];
      if (id !== undefined && number !== undefined) numbers.set(id, number);
    }
  }
  return numbers;
}

/** What the descriptor of a call leads to. */
export const pathOf = ({ arguments: text }: SystemCall): string => descriptorOf(text)?.path ?? '';

/** What was written to a socket. */
function socketText(call: SystemCall): string {
  if (call.name !== 'write' && call.name !== 'writev') return '';
  const to = descriptorOf(call.arguments);
  if (to?.path.startsWith('socket:') !== true && to?.path.startsWith('TCP') !== true) return '';
  return Buffer.concat(textsOf(call.arguments)).toString('latin1');
}
