/**
 * Mail that flows all the time: a message now and then into a mail server, and which of them arrived at last.
 */
import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTransport } from 'nodemailer';

export interface LiveMail {
  /** Ends it; the Message-IDs of all that the server took. Rejects where it refused one. */
  stop(): Promise<readonly string[]>;
}

export interface LiveMailOptions {
  /** Of the server that sends it on. */
  readonly host: string;
  readonly port: number;
  /** One after the other. */
  readonly recipients: readonly string[];
  /** Milliseconds. */
  readonly every: number;
}

export function startLiveMail({ host, port, recipients, every }: LiveMailOptions): LiveMail {
  const transport = createTransport({ host, port, ignoreTLS: true, pool: true, maxConnections: 2 });
  const sent: Promise<string>[] = [];
  const send = async (to = ''): Promise<string> => {
    const messageId = `<${randomUUID()}@sender.test>`;
    await transport.sendMail({
      from: 'sender@sender.test',
      to,
      messageId,
      subject: 'on its way',
      text: 'Hello\n',
    });
    return messageId;
  };
  const timer = setInterval(() => {
    const one = send(recipients[sent.length % recipients.length]);
    // It is awaited when all is over.
    one.catch(() => {});
    sent.push(one);
  }, every);
  return {
    async stop() {
      clearInterval(timer);
      const ids = await Promise.all(sent);
      transport.close();
      return ids;
    },
  };
}

const LOOK_EVERY = 250;

/** Waits until all these are in a maildir, and gives those that are not, when the time is over. */
export async function missingFrom(
  maildir: string,
  messageIds: readonly string[],
  within: number,
): Promise<readonly string[]> {
  const missing = new Set(messageIds);
  const seen = new Set<string>();
  const giveUpAt = performance.now() + within;
  do {
    for (const name of await readdir(maildir)) {
      if (seen.has(name)) continue;
      seen.add(name);
      const text = await readFile(`${maildir}/${name}`, 'utf8');
      const id = /^message-id: *(<[^>]+>)/imu.exec(text)?.[1];
      if (id !== undefined) missing.delete(id);
    }
    if (missing.size === 0) return [];
    await sleep(LOOK_EVERY);
  } while (performance.now() < giveUpAt);
  return [...missing];
}
