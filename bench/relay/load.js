/**
 * Hands messages of ten kilobytes in, over connections that are kept.
 *
 *     node load.js ADDRESS PORT MESSAGES CONNECTIONS DOMAIN...
 */
import { connect } from 'node:net';

const [address, port, messages, connections, ...domains] = process.argv.slice(2);
const filler = `${'x'.repeat(76)}\r\n`.repeat(131);
let next = 0;
let acknowledged = 0;

function client() {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port: Number(port), noDelay: true });
    socket.setEncoding('latin1');
    let waiting = ['hello'];
    const send = (text, replies) => {
      waiting = replies;
      socket.write(text);
    };
    const envelope = () => {
      const number = next++;
      if (number >= Number(messages)) {
        socket.end('QUIT\r\n');
        resolve();
        return;
      }
      const domain = domains[number % domains.length];
      send(`MAIL FROM:<sender@sender.test>\r\nRCPT TO:<you@${domain}>\r\nDATA\r\n`, ['mail', 'rcpt', 'data']);
    };
    socket.on('data', (text) => {
      for (const line of text.split('\r\n')) {
        if (!/^\d{3} /u.test(line)) continue;
        const stage = waiting.shift();
        if (line >= '4') {
          reject(new Error(`${stage}: ${line}`));
          return;
        }
        if (stage === 'hello') send('EHLO load.test\r\n', ['ehlo']);
        else if (stage === 'ehlo') envelope();
        else if (stage === 'data') {
          const header = `From: sender@sender.test\r\nSubject: load\r\nX-Sent: ${Date.now()}\r\n\r\n`;
          send(`${header}${filler}.\r\n`, ['dot']);
        } else if (stage === 'dot') {
          acknowledged += 1;
          envelope();
        }
      }
    });
    socket.on('error', reject);
  });
}

const begun = performance.now();
await Promise.all(Array.from({ length: Number(connections) }, client));
console.log(JSON.stringify({ acknowledged, seconds: (performance.now() - begun) / 1000 }));
process.exit(0);
