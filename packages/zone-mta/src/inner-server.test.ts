import { once } from 'node:events';
import { expect, it } from 'vitest';
import { serveInside } from './inner-server.js';
import { InnerSocket } from './inner-socket.js';

/** A client that says one thing, and waits for the line that answers it. */
function start(take: (octets: Uint8Array) => Promise<string>) {
  const [server, client] = InnerSocket.pair();
  serveInside(server, take);
  client.setEncoding('latin1');
  let unread = '';
  client.on('data', (text: string) => {
    unread += text;
    client.emit('more');
  });
  const reply = async (): Promise<string> => {
    for (;;) {
      const line = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/u.exec(unread)?.[0];
      if (line !== undefined) {
        unread = unread.slice(line.length);
        return line;
      }
      await once(client, 'more');
    }
  };
  const say = async (text: string): Promise<string> => {
    client.write(Buffer.from(text, 'latin1'));
    return await reply();
  };
  return { client, reply, say };
}

it('answers the final dot with what became of the message, and takes the next one', async () => {
  const taken: string[] = [];
  const { client, reply, say } = start(async (octets) => {
    taken.push(Buffer.from(octets).toString('latin1'));
    return `451 4.0.${taken.length} later`;
  });
  expect(await reply()).toMatch(/^220 /u);
  expect(await say('EHLO x\r\n')).toMatch(/250-8BITMIME\r\n/u);
  for (const number of [1, 2]) {
    expect(await say('MAIL FROM:<a@b.example>\r\n')).toMatch(/^250 /u);
    expect(await say('RCPT TO:<c@d.example>\r\n')).toMatch(/^250 /u);
    expect(await say('DATA\r\n')).toMatch(/^354 /u);
    for (const octet of 'Subject: x\r\n\r\n..\r\n..x\r\n\xe9\r\n.\r')
      client.write(Buffer.from(octet, 'latin1'));
    expect(await say('\n')).toBe(`451 4.0.${number} later\r\n`);
  }
  expect(taken).toEqual(['Subject: x\r\n\r\n.\r\n.x\r\n\xe9\r\n', 'Subject: x\r\n\r\n.\r\n.x\r\n\xe9\r\n']);
  expect(await say('VRFY x\r\n')).toMatch(/^502 /u);
  const ended = once(client, 'end');
  expect(await say('QUIT\r\n')).toMatch(/^221 /u);
  await ended;
});

it('reads a command that comes in two pieces', async () => {
  const { client, reply, say } = start(async () => '250 2.0.0 OK');
  await reply();
  client.write('EH');
  expect(await say('LO x\r\n')).toMatch(/^250-danelaw/u);
});

it('takes a large message whole, however slowly it is read', async () => {
  let length = 0;
  const { client, reply, say } = start(async (octets) => {
    length = octets.length;
    return '250 2.0.0 OK';
  });
  await reply();
  await say('DATA\r\n');
  const line = `${'x'.repeat(998)}\r\n`;
  for (let count = 0; count < 1000; count += 1) if (!client.write(line)) await once(client, 'drain');
  expect(await say('.\r\n')).toMatch(/^250 /u);
  expect(length).toBe(1_000_000);
});

it('ends with its client', async () => {
  const [server, client] = InnerSocket.pair();
  serveInside(server, async () => '250 2.0.0 OK');
  client.destroy();
  await once(server, 'end');
});
