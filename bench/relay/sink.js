/**
 * A mail server that insists on TLS, takes everything and keeps nothing: how many messages, over how many
 * connections, and how long after they were handed in. A line on standard input asks for that.
 *
 *     node sink.js ADDRESS PORT CERT KEY
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { createSecureContext, TLSSocket } from 'node:tls';

const [address, port, cert, key] = process.argv.slice(2);
const secureContext = createSecureContext({ cert: readFileSync(cert), key: readFileSync(key) });
const SENT = Buffer.from('X-Sent: ');
const END = Buffer.from('\r\n.\r\n');

let connections = 0;
let resumed = 0;
let delays = [];

function converse(socket, secured) {
  let inData = false;
  let held = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (octets) => {
    held = held.length === 0 ? octets : Buffer.concat([held, octets]);
    let out = '';
    for (;;) {
      if (inData) {
        const end = held.indexOf(END);
        if (end === -1) break;
        const at = held.indexOf(SENT);
        if (at !== -1 && at < end) delays.push(Date.now() - Number(held.toString('latin1', at + 8, at + 21)));
        held = held.subarray(end + END.length);
        inData = false;
        out += '250 2.0.0 Ok\r\n';
        continue;
      }
      const line = held.indexOf('\r\n');
      if (line === -1) break;
      const verb = held.toString('latin1', 0, Math.min(4, line)).toUpperCase();
      held = held.subarray(line + 2);
      if (verb === 'EHLO')
        out += `250-sink\r\n250-PIPELINING\r\n${secured ? '' : '250-STARTTLS\r\n'}250 8BITMIME\r\n`;
      else if (verb === 'STAR') {
        socket.write('220 go\r\n');
        socket.removeAllListeners('data');
        const tls = new TLSSocket(socket, { isServer: true, secureContext });
        tls.once('secure', () => {
          if (tls.isSessionReused()) resumed += 1;
        });
        converse(tls, true);
        return;
      } else if (!secured && verb === 'MAIL') out += '530 5.7.0 Must issue a STARTTLS command first\r\n';
      else if (verb === 'DATA') {
        inData = true;
        out += '354 go\r\n';
      } else if (verb === 'QUIT') {
        socket.end(`${out}221 bye\r\n`);
        return;
      } else out += '250 2.0.0 Ok\r\n';
    }
    if (out !== '') socket.write(out);
  });
}

createServer({ noDelay: true }, (socket) => {
  connections += 1;
  socket.write('220 sink ESMTP\r\n');
  converse(socket, false);
}).listen(Number(port), address, 4096, () => console.log('listening'));

createInterface({ input: process.stdin }).on('line', (line) => {
  const sorted = [...delays].sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  console.log(JSON.stringify({ messages: delays.length, connections, resumed, p50: at(0.5), p99: at(0.99) }));
  if (line !== 'reset') return;
  delays = [];
  connections = 0;
  resumed = 0;
});
