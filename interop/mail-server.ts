/** What the tests need of a receiving mail server, whichever it is. */
import { readdir, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerCertificate } from './certificates.js';
import type { ServerProcess } from './server-process.js';

/** One address that a mail server listens on. */
export interface Listener {
  readonly address: string;
  /** Without one, STARTTLS is not offered. */
  readonly certificate?: ServerCertificate;
  /** Certificates for those who ask for a name by SNI. */
  readonly byName?: Readonly<Record<string, ServerCertificate>>;
}

export interface MailServerOptions {
  readonly listeners: readonly Listener[];
  /** The same on every address. */
  readonly port: number;
  /** An empty folder; the server's until it is stopped. */
  readonly folder: string;
}

export interface MailServer extends ServerProcess {
  /** Waits for the message with this Message-ID: its text as stored, with the trace header in front, LF line ends. */
  received(messageId: string): Promise<string>;
  /** Every message stored so far. */
  stored(): Promise<readonly string[]>;
}

/** Both servers have a message in its maildir within a second after the final dot. */
const STORED_WITHIN = 20_000;
const LOOK_EVERY = 50;

/** Reads what a server stores in `maildir`. */
export function maildirReader(
  maildir: string,
  log: () => Promise<string>,
): Pick<MailServer, 'received' | 'stored'> {
  const stored = async () => {
    const folder = join(maildir, 'new');
    const names = await readdir(folder).catch(() => []);
    return Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  };
  const received = async (messageId: string) => {
    const giveUpAt = performance.now() + STORED_WITHIN;
    do {
      const message = (await stored()).find((text) => text.includes(messageId));
      if (message !== undefined) return message;
      await sleep(LOOK_EVERY);
    } while (performance.now() < giveUpAt);
    throw new Error(`${messageId} was not stored in ${maildir} within ${STORED_WITHIN} ms\n${await log()}`);
  };
  return { stored, received };
}

/** Resolves when an SMTP server greets at this address. */
export async function greets(address: string, port: number): Promise<void> {
  const socket = connect({ host: address, port });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.setTimeout(2_000, () => reject(new Error('no greeting within 2 s')));
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('closed before the greeting')));
      socket.once('data', (data) => {
        if (data.toString('latin1').startsWith('220')) resolve();
        else reject(new Error(`greeted with ${data.toString('latin1')}`));
      });
    });
    socket.end('QUIT\r\n');
  } finally {
    socket.destroySoon();
  }
}
