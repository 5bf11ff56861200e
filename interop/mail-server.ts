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

export interface MailServer extends ServerProcess, MailStore {}

/** What a server has accepted. */
export interface MailStore {
  /**
   * Waits for the message with this Message-ID: its text as stored, with the trace header in front, LF line
   * ends.
   */
  received(messageId: string): Promise<string>;
  /** Whether the message is in the server's hands, stored or still in its queue. */
  holds(messageId: string): Promise<boolean>;
}

/** Both servers have a message in its maildir within a second after the final dot. */
const STORED_WITHIN = 20_000;
const LOOK_EVERY = 50;

export interface StoreFolders {
  readonly queue: readonly string[];
  readonly maildir: string;
}

/** Looks for messages where a server keeps them; `log` explains one that is not there. */
export function mailStore({ queue, maildir }: StoreFolders, log: () => Promise<string>): MailStore {
  const find = async (folders: readonly string[], messageId: string) => {
    const texts = (await Promise.all(folders.map(filesBelow))).flat();
    return texts.find((text) => text.includes(messageId));
  };
  const stored = (messageId: string) => find([join(maildir, 'new')], messageId);
  return {
    async received(messageId) {
      const giveUpAt = performance.now() + STORED_WITHIN;
      do {
        const message = await stored(messageId);
        if (message !== undefined) return message;
        await sleep(LOOK_EVERY);
      } while (performance.now() < giveUpAt);
      throw new Error(`${messageId} was not stored in ${maildir} within ${STORED_WITHIN} ms\n${await log()}`);
    },
    async holds(messageId) {
      // The queue first: a message leaves it only once it is in the maildir.
      return ((await find(queue, messageId)) ?? (await stored(messageId))) !== undefined;
    },
  };
}

/**
 * The contents of all files below a folder; those that go away meanwhile, and a folder that is not there, are
 * passed over.
 */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile());
  return Promise.all(
    files.map(({ parentPath, name }) => readFile(join(parentPath, name), 'utf8').catch(() => '')),
  );
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
