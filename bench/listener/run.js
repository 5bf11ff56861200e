/**
 * What accepting costs without a queue: 10 KiB messages over kept-open connections to a listener whose
 * acceptance does nothing. The clients are in a process of their own, so that the CPU time that is counted is
 * the listener's.
 *
 *     npm run build && node bench/listener/run.js [SECONDS]
 */
import { fork } from 'node:child_process';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { createListener } from '../../packages/mta/dist/listener/listener.js';

const OCTETS = 10 * 1024;
const CONNECTIONS = [1, 5, 20];
const SECONDS = Number(process.argv[2] ?? 3);

const LINE = `${'x'.repeat(76)}\r\n`;
const HEADER = 'From: me@example.net\r\nTo: you@example.org\r\nSubject: measured\r\n\r\n';
const MESSAGE = `${HEADER}${LINE.repeat(Math.floor((OCTETS - HEADER.length) / LINE.length))}`;
const ENVELOPE = `MAIL FROM:<me@example.net> SIZE=${MESSAGE.length}\r\nRCPT TO:<you@example.org>\r\nDATA\r\n`;

/** Sends messages until the time is over; envelopes are pipelined, as Postfix does. */
function client(port, end, pipelined) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let messages = 0;
    let stage = 'greeting';
    let text = '';
    const steps = pipelined ? [ENVELOPE] : ENVELOPE.split(/(?<=\n)/);
    let step = 0;
    socket.setNoDelay(true);
    socket.setEncoding('latin1');
    socket.on('error', reject);
    socket.on('close', () => resolve(messages));
    socket.on('data', (part) => {
      text += part;
      for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n')) {
        const line = text.slice(0, at);
        text = text.slice(at + 1);
        if (line[3] === '-') continue;
        if (/^[45]/.test(line)) {
          reject(new Error(line));
          socket.destroy();
          return;
        }
        if (socket.writableEnded) return;
        if (stage === 'greeting') {
          stage = 'hello';
          socket.write('EHLO client.example\r\n');
        } else if (stage === 'envelope' && line.startsWith('354')) {
          stage = 'data';
          socket.write(`${MESSAGE}.\r\n`);
        } else if (stage === 'envelope') {
          if (!pipelined) socket.write(steps[step++]);
        } else {
          if (stage === 'data') messages++;
          if (Date.now() >= end) {
            socket.end('QUIT\r\n');
            return;
          }
          stage = 'envelope';
          step = 0;
          socket.write(steps[step++]);
        }
      }
    });
  });
}

async function load() {
  process.on('message', async ({ port, connections, seconds, pipelined }) => {
    const end = Date.now() + seconds * 1000;
    const counts = await Promise.all(Array.from({ length: connections }, () => client(port, end, pipelined)));
    process.send(counts.reduce((sum, count) => sum + count, 0));
  });
}

async function measure() {
  const nothing = () => {};
  const log = {
    connected: nothing,
    tls: nothing,
    authenticated: nothing,
    refused: nothing,
    received: nothing,
    disconnected: nothing,
    connectionFailed: nothing,
    certificate: nothing,
    problem: console.error,
  };
  let id = 0;
  const listener = createListener({
    name: 'mx.example',
    addresses: [{ protocol: 'smtp', host: '127.0.0.1', port: 0 }],
    users: new Map(),
    networks: ['127.0.0.0/8'],
    log,
    acceptance: {
      checkSender: () => undefined,
      checkRecipient: () => undefined,
      accept: async () => ({ status: 'accepted', id: `q${++id}` }),
    },
  });
  const [{ port }] = await listener.listen();
  const child = fork(fileURLToPath(import.meta.url), ['load']);
  const run = (connections, seconds, pipelined) =>
    new Promise((resolve) => {
      child.once('message', resolve);
      child.send({ port, connections, seconds, pipelined });
    });
  await run(5, 1, true);
  for (const pipelined of [true, false]) {
    for (const connections of CONNECTIONS) {
      const before = process.cpuUsage();
      const started = performance.now();
      const messages = await run(connections, SECONDS, pipelined);
      const seconds = (performance.now() - started) / 1000;
      const { user, system } = process.cpuUsage(before);
      console.log(
        `${pipelined ? 'pipelined' : 'step by step'}, ${connections} connections: ` +
          `${Math.round(messages / seconds)} messages/s, ` +
          `${((user + system) / 1000 / messages).toFixed(3)} ms CPU per message ` +
          `(${(user / 1000 / messages).toFixed(3)} user, ${(system / 1000 / messages).toFixed(3)} system)`,
      );
    }
  }
  child.disconnect();
  await listener.close(1000);
}

await (process.argv[2] === 'load' ? load() : measure());
