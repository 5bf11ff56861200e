/**
 * Mail servers that insist on TLS, take everything and keep nothing: which messages came and when, over how many
 * connections. One process is all of them, on every address of 127.0.0.0/8, each with a certificate of its own.
 *
 *     node sink.js PORT HOSTS
 *
 * HOSTS is a JSON file: [{ "address", "cert", "key" }]. A line on standard input asks for the state, and `reset` begins
 * anew after that; `times` asks for [number, milliseconds since the epoch] of each message.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { createSecureContext, TLSSocket } from 'node:tls';

const [port, hosts] = process.argv.slice(2);
const contexts = new Map(
  JSON.parse(readFileSync(hosts, 'utf8')).map(({ address, cert, key }) => [
    address,
    createSecureContext({ cert, key }),
  ]),
);
const NUMBER = Buffer.from('X-Number: ');
const END = Buffer.from('\r\n.\r\n');
/** Milliseconds, with a fraction. */
const now = () => performance.timeOrigin + performance.now();

let open = 0;
let connections = 0;
let resumed = 0;
let times = [];

/** Everything up to the line end of a number that follows its name. */
function numberIn(message) {
  const at = message.indexOf(NUMBER);
  return at === -1
    ? -1
    : Number.parseInt(message.toString('latin1', at + NUMBER.length, at + NUMBER.length + 9), 10);
}

function converse(socket, secureContext, secured) {
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
        times.push([numberIn(held.subarray(0, end)), now()]);
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
        converse(tls, secureContext, true);
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
  open += 1;
  socket.once('close', () => {
    open -= 1;
  });
  const secureContext = contexts.get(socket.localAddress);
  if (secureContext === undefined) {
    socket.destroy(); // nobody was told of this address
    return;
  }
  socket.write('220 sink ESMTP\r\n');
  converse(socket, secureContext, false);
}).listen(Number(port), '0.0.0.0', 4096, () => console.log('listening'));

createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'times') {
    console.log(JSON.stringify(times));
    return;
  }
  console.log(JSON.stringify({ messages: times.length, connections, resumed, open }));
  if (line !== 'reset') return;
  times = [];
  connections = 0;
  resumed = 0;
});
