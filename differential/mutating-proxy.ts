/**
 * A DNS proxy that changes one answer: between two resolvers and what they ask, so that both see the same changed octets.
 * All other answers go through as they are. Over UDP, and over TCP for what is too large.
 */
import { createSocket } from 'node:dgram';
import { createServer, type Socket } from 'node:net';
import { encodeMessage, type Message, parseMessage, typeName } from '@danelaw/dns';
import { ask, type ServerAt } from './ask.js';
import type { Mutated } from './mutation.js';

export interface MutatingProxy extends ServerAt {
  /** The answer as it is: the same message every time. */
  original(name: string, type: string): Promise<Message>;
  /** From now on this question, and no other, is answered so. */
  mutate(name: string, type: string, answer: Mutated): void;
  stop(): Promise<void>;
}

/** The smallest that a resolver may ask for (RFC 6891 section 6.2.3). */
const PLAIN_UDP_OCTETS = 512;

/** @param upstream answers without judging: it is asked with CD */
export async function startMutatingProxy(upstream: ServerAt): Promise<MutatingProxy> {
  const originals = new Map<string, Promise<Message>>();
  let mutated: { readonly key: string; readonly answer: Mutated } | undefined;

  const original = (name: string, type: string): Promise<Message> => {
    const key = keyOf(name, type);
    const known = originals.get(key) ?? ask(upstream, { name, type }, { cd: true });
    originals.set(key, known);
    return known;
  };

  const answer = async (query: Uint8Array): Promise<Uint8Array> => {
    const asked = parseMessage(query);
    const [question] = asked.questions;
    if (question === undefined) throw new Error('a query without a question');
    const [name, type] = [question.name.toString(), typeName(question.type)];
    const isMeant = mutated?.key === keyOf(name, type);
    const reply = isMeant && mutated !== undefined ? mutated.answer : await original(name, type);
    if (reply instanceof Uint8Array) return withId(reply, query);
    const flags = { ...reply.flags, qr: true, rd: asked.flags.rd, ra: true, cd: asked.flags.cd };
    return encodeMessage({ ...reply, id: asked.id, flags, questions: asked.questions });
  };

  const udp = createSocket('udp4');
  udp.on('message', (query, from) => {
    void answer(query).then((octets) => {
      const limit = parseMessage(query).edns?.udpSize ?? PLAIN_UDP_OCTETS;
      udp.send(octets.length > limit ? truncated(query) : octets, from.port, from.address);
    });
  });
  const sockets = new Set<Socket>();
  const tcp = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    // The other side is free to hang up.
    socket.on('error', () => socket.destroy());
    let received = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0);
        const query = received.subarray(2, end);
        received = received.subarray(end);
        void answer(query).then((octets) => {
          socket.write(Buffer.concat([Uint8Array.of(octets.length >> 8, octets.length & 0xff), octets]));
        });
      }
    });
  });
  const address = '127.0.0.1';
  const port = await listen(tcp, address);
  await new Promise<void>((resolve) => udp.bind(port, address, resolve));

  return {
    address,
    port,
    original,
    mutate: (name, type, changed) => {
      mutated = { key: keyOf(name, type), answer: changed };
    },
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => udp.close(() => resolve()));
      await new Promise<void>((resolve) => tcp.close(() => resolve()));
    },
  };
}

async function listen(server: ReturnType<typeof createServer>, address: string): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, address, resolve);
  });
  const at = server.address();
  if (at === null || typeof at === 'string') throw new Error('the listening socket has no port');
  return at.port;
}

function keyOf(name: string, type: string): string {
  return `${name.toLowerCase()} ${type}`;
}

function withId(reply: Uint8Array, query: Uint8Array): Uint8Array {
  const copy = reply.slice();
  copy.set(query.subarray(0, 2));
  return copy;
}

/** The question, and the bit that says that there is more. What was to be sent may not even be a message. */
function truncated(query: Uint8Array): Uint8Array {
  const { id, opcode, flags, questions } = parseMessage(query);
  const sections = { rcode: 0, answer: [], authority: [], additional: [] };
  return encodeMessage({ id, opcode, questions, flags: { ...flags, qr: true, tc: true }, ...sections });
}
