/**
 * Hands messages of ten kilobytes in, over connections that are kept, and says when each was acknowledged.
 *
 *     node load.js ADDRESS PORT MESSAGES CONNECTIONS < DOMAINS
 *
 * Domains are lines; messages go to them in turn. Prints JSON: when it began, and when the message of each number was
 * acknowledged, in milliseconds since the epoch.
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';

const [address, port, messages, connections] = process.argv.slice(2);
const domains = readFileSync(0, 'utf8').trim().split('\n');
const filler = `${'x'.repeat(76)}\r\n`.repeat(131);
/** Milliseconds, with a fraction. */
const now = () => performance.timeOrigin + performance.now();
let next = 0;
const acknowledged = [];

function client() {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port: Number(port), noDelay: true });
    socket.setEncoding('latin1');
    let waiting = ['hello'];
    let number = 0;
    const send = (text, replies) => {
      waiting = replies;
      socket.write(text);
    };
    const envelope = () => {
      number = next++;
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
          const header = `From: sender@sender.test\r\nSubject: load\r\nX-Number: ${number}.\r\n\r\n`;
          send(`${header}${filler}.\r\n`, ['dot']);
        } else if (stage === 'dot') {
          acknowledged[number] = now();
          envelope();
        }
      }
    });
    socket.on('error', reject);
  });
}

const begun = now();
await Promise.all(Array.from({ length: Number(connections) }, client));
process.stdout.write(JSON.stringify({ begun, acknowledged }), () => process.exit(0));
