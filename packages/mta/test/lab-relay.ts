/**
 * A relay process on the lab's Internet, with a certificate of its own, and a client that says to it exactly what a
 * test wants said: parameters of MAIL and RCPT word for word.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Internet, ReceivedMessage } from '@danelaw/lab';
import { freePort } from './free-port.js';
import { makeCertificate, WireClient } from './listener-lab.js';
import { type Ended, run } from './program.js';
import { type LogEvent, RelayProcess } from './relay-process.js';

export interface LabRelayOptions {
  /** What follows `[delivery]`. */
  readonly delivery?: string;
  /** Further tables. */
  readonly more?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** What is said to the relay. */
export interface Submission {
  /** What follows `MAIL FROM:` */
  readonly mail: string;
  /** What follows `RCPT TO:`, each. */
  readonly rcpt: readonly string[];
  readonly text?: string;
  /** STARTTLS is said before. */
  readonly tls?: boolean;
}

export interface Submitted {
  /** To MAIL, each RCPT, DATA and the message, as far as it came. */
  readonly replies: readonly string[];
  /** Under which the relay has the message; empty where it has none. */
  readonly id: string;
}

export class LabRelay {
  readonly folder: string;
  readonly port: number;
  readonly process: RelayProcess;
  /** The configuration that it began with. */
  readonly toml: string;
  readonly #internet: Internet;

  private constructor(internet: Internet, folder: string, port: number, toml: string, env = {}) {
    this.#internet = internet;
    this.folder = folder;
    this.port = port;
    this.toml = toml;
    this.process = new RelayProcess(this.config, toml, env);
  }

  static async make(internet: Internet, options: LabRelayOptions = {}): Promise<LabRelay> {
    const folder = await mkdtemp(join(tmpdir(), 'danelaw-relay-'));
    const port = await freePort();
    const { pem, keyPem } = makeCertificate();
    await writeFile(join(folder, 'cert.pem'), pem);
    await writeFile(join(folder, 'key.pem'), keyPem, { mode: 0o600 });
    await writeFile(join(folder, 'root.ds'), internet.trustAnchors.join('\n'));
    await writeFile(join(folder, 'roots.pem'), (internet.web?.roots ?? []).join('\n'));
    const toml = configuration(internet, folder, port, options);
    return new LabRelay(internet, folder, port, toml, options.env);
  }

  /** Its configuration, for commands beside it. */
  get config(): string {
    return join(this.folder, 'danelaw.toml');
  }

  async close(): Promise<void> {
    await this.process.end('SIGKILL');
    await rm(this.folder, { recursive: true });
  }

  async send({ mail, rcpt, text = 'Subject: hello\r\n\r\nworld\r\n', tls }: Submission): Promise<Submitted> {
    const client = await WireClient.open(this.port);
    try {
      await client.reply();
      await client.ask('EHLO client.example');
      if (tls === true) {
        await client.ask('STARTTLS');
        await client.upgrade();
        await client.ask('EHLO client.example');
      }
      const replies = [await client.ask(`MAIL FROM:${mail}`)];
      for (const each of rcpt) replies.push(await client.ask(`RCPT TO:${each}`));
      replies.push(await client.ask('DATA'));
      if (replies.at(-1)?.startsWith('354') === true)
        replies.push(await client.ask(Buffer.from(`${text}.\r\n`)));
      const id = /queued as ([0-9a-z]{18})/u.exec(replies.at(-1) ?? '')?.[1] ?? '';
      return { replies, id };
    } finally {
      client.close();
    }
  }

  /** `danelaw queue`, on the relay's queue. */
  async queue(...argv: readonly string[]): Promise<Ended> {
    return await run(['queue', ...argv, '--config', this.config]);
  }

  /** What became of the recipient in the end, or of the first one. */
  async outcome(id: string, to?: string): Promise<LogEvent> {
    const events = ['delivered', 'deferred', 'bounced'];
    return await this.process.event(
      (each) => each['id'] === id && events.includes(each.event) && (to === undefined || each['to'] === to),
    );
  }

  /** The report about a message, when it has been delivered. */
  async report(about: string): Promise<ReceivedMessage> {
    const { id } = await this.process.event(({ event, about: of }) => event === 'queued' && of === about);
    const { event, host, reason } = await this.outcome(String(id));
    if (event !== 'delivered') throw new Error(`the report is ${event}: ${String(reason)}`);
    const found = this.at(String(host)).find(({ content }) => Buffer.from(content).includes(`${about}`));
    if (found === undefined) throw new Error(`there is no report at ${String(host)}`);
    return found;
  }

  /** Messages that a mail host has taken. */
  at(host: string): readonly ReceivedMessage[] {
    const messages = this.#internet.mailServers.get(host)?.received.messages ?? [];
    return messages.filter(({ accepted }) => accepted);
  }

  /** The message with this id at a host: the relay's Received field has it. */
  message(id: string, host: string): ReceivedMessage | undefined {
    return this.at(host).find(({ content }) => Buffer.from(content).includes(` id ${id}`));
  }
}

const STAGES = ['connect', 'greeting', 'ehlo', 'starttls', 'handshake', 'mail', 'rcpt', 'data', 'data_end'];

const configuration = (
  internet: Internet,
  folder: string,
  port: number,
  { delivery = '', more = '' }: LabRelayOptions,
): string => `
hostname = "relay.lab.example"
state = "${join(folder, 'state')}"
[[listen]]
address = "127.0.0.1:${port}"
[tls]
certificate = "${join(folder, 'cert.pem')}"
key = "${join(folder, 'key.pem')}"
[dns]
resolver = ["${internet.resolver.address}#${internet.resolver.port}"]
trust_anchor = "${join(folder, 'root.ds')}"
[sts]
enabled = false
${internet.web === null ? '' : `web_roots = "${join(folder, 'roots.pem')}"`}
[delivery]
port = ${internet.smtpPort}
workers = 1
${delivery}
[delivery.timeouts]
${STAGES.map((stage) => `${stage} = "5s"`).join('\n')}
${more}`;

/** The content of a message, in UTF-8. */
export const textOf = ({ content }: Pick<ReceivedMessage, 'content'>): string =>
  Buffer.from(content).toString('utf8');
