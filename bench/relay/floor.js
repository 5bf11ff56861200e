/**
 * What Node.js itself costs: takes messages, looks up MX, A and TLSA at a resolver that is believed, and hands each over on a
 * connection of its own with a full handshake, or a ticket. Two processes do all of that side by side. Nothing is kept, checked,
 * counted, logged or tried again, so that no relay on `node:tls` that is one can be as fast.
 *
 *     node floor.js ADDRESS PORT RESOLVER
 */
import cluster from 'node:cluster';
import { Resolver } from 'node:dns/promises';
import { connect, createServer } from 'node:net';
import tls from 'node:tls';

const [address = '', port = '', server = ''] = process.argv.slice(2);
const PROCESSES = 2;
/** Messages under way in a process, as many as a thread of danelaw has at least. */
const AT_ONCE = 24;
const SMTP = 25;
const DOT = Buffer.from('\r\n.\r\n');

if (cluster.isPrimary) {
  let listening = 0;
  cluster.on('listening', () => {
    if (++listening === PROCESSES) console.log('listening');
  });
  for (let i = 0; i < PROCESSES; i++) cluster.fork();
  process.once('SIGTERM', () => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGKILL');
    process.exit(0);
  });
} else {
  const resolver = new Resolver();
  resolver.setServers([server]);
  /** @type {Map<string, Buffer>} */
  const sessions = new Map();
  /** @type {{ domain: string, message: Buffer }[]} */
  const waiting = [];
  let underWay = 0;

  /** @param {string} domain @param {Buffer} message */
  const deliver = async (domain, message) => {
    const [mx] = await resolver.resolveMx(domain);
    const host = mx?.exchange ?? '';
    const [[ip]] = await Promise.all([
      resolver.resolve4(host),
      resolver.resolveTlsa?.(`_${SMTP}._tcp.${host}`),
    ]);
    await send(host, ip ?? '', domain, message);
  };

  /** @param {string} host @param {string} ip @param {string} domain @param {Buffer} message */
  const send = (host, ip, domain, message) =>
    new Promise((resolve, reject) => {
      const plain = connect({ host: ip, port: SMTP, noDelay: true });
      /** @type {import('node:net').Socket} */
      let socket = plain;
      const steps = [
        () => socket.write('EHLO floor.test\r\n'),
        () => socket.write('STARTTLS\r\n'),
        () => {
          const session = sessions.get(host);
          plain.removeAllListeners('data');
          const secured = tls.connect({
            socket: plain,
            servername: host,
            rejectUnauthorized: false,
            checkServerIdentity: () => undefined,
            ...(session === undefined ? {} : { session }),
          });
          secured.on('session', (ticket) => sessions.set(host, ticket));
          secured.once('secureConnect', () => secured.write('EHLO floor.test\r\n'));
          socket = secured;
          listen();
        },
        () => socket.write(`MAIL FROM:<sender@sender.test>\r\nRCPT TO:<you@${domain}>\r\nDATA\r\n`),
        () => {},
        () => {},
        () => socket.write(message),
        () => {
          resolve(undefined);
          socket.end('QUIT\r\n');
        },
        () => {},
      ];
      const listen = () => {
        socket.on('error', reject);
        socket.on('data', (octets) => {
          for (const line of octets.toString('latin1').split('\r\n')) {
            if (/^[23]\d\d /u.test(line)) steps.shift()?.();
          }
        });
      };
      listen();
    });

  const next = () => {
    while (underWay < AT_ONCE && waiting.length > 0) {
      const job = waiting.shift();
      if (job === undefined) return;
      underWay += 1;
      deliver(job.domain, job.message)
        .catch(console.error)
        .finally(() => {
          underWay -= 1;
          next();
        });
    }
  };

  createServer({ noDelay: true }, (socket) => {
    let inData = false;
    let domain = '';
    let held = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (octets) => {
      held = held.length === 0 ? octets : Buffer.concat([held, octets]);
      let out = '';
      for (;;) {
        const end = held.indexOf(inData ? DOT : '\r\n');
        if (end === -1) break;
        if (inData) {
          waiting.push({ domain, message: held.subarray(0, end + DOT.length) });
          next();
          held = held.subarray(end + DOT.length);
          inData = false;
          out += '250 2.0.0 Ok\r\n';
          continue;
        }
        const line = held.toString('latin1', 0, end);
        held = held.subarray(end + 2);
        if (line.startsWith('RCPT')) domain = line.slice(line.indexOf('@') + 1, line.indexOf('>'));
        inData = line.startsWith('DATA');
        out += inData ? '354 go\r\n' : '250 2.0.0 Ok\r\n';
      }
      if (out !== '') socket.write(out);
    });
    socket.write('220 floor ESMTP\r\n');
  }).listen(Number(port), address);
}
