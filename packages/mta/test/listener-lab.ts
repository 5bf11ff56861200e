/** A listener in front of an acceptance that writes down what it gets, and a client that sees every octet. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { type Certificate, selfSigned } from '@danelaw/lab';
import type { Acceptance, Accepted, SmtpAnswer, Submission } from '../src/acceptance/submission.js';
import { createListener, type Listener } from '../src/listener/listener.js';
import type { ListenerLog } from '../src/listener/listener-log.js';
import type { CertificateFiles, ListenAddress, ListenerOptions } from '../src/listener/options.js';

export const NAME = 'relay.example';

/** Keeps submissions; what it answers can be set. */
export class Recorder implements Acceptance {
  readonly submissions: (Submission & { readonly text: string })[] = [];
  sender: SmtpAnswer | undefined;
  recipient: SmtpAnswer | undefined;
  answer: (submission: Submission) => Promise<Accepted> = async () => ({
    status: 'accepted',
    id: `ID${this.submissions.length}`,
  });

  checkSender(): SmtpAnswer | undefined {
    return this.sender;
  }

  checkRecipient(): SmtpAnswer | undefined {
    return this.recipient;
  }

  accept(submission: Submission): Promise<Accepted> {
    const text = Buffer.from(submission.octets).toString('latin1');
    this.submissions.push({ ...submission, text });
    return this.answer(submission);
  }
}

/** Every call, as one line. */
export class LogLines implements ListenerLog {
  readonly lines: string[] = [];
  readonly #waiting = new Set<() => void>();

  #add(...parts: unknown[]): void {
    this.lines.push(parts.map((part) => (typeof part === 'string' ? part : JSON.stringify(part))).join(' '));
    for (const wake of this.#waiting) wake();
  }

  /** Resolves as soon as there is such a line. */
  async until(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = this.lines.find((line) => pattern.test(line));
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  connected: ListenerLog['connected'] = ({ client }) => this.#add('connected', client);
  tls: ListenerLog['tls'] = (_, protocol, cipher) => this.#add('tls', protocol, cipher);
  authenticated: ListenerLog['authenticated'] = (_, user) => this.#add('authenticated', user);
  refused: ListenerLog['refused'] = (_, command, answer) =>
    this.#add('refused', command, String(answer.code), answer.enhanced, answer.text);
  received: ListenerLog['received'] = (_, message) => this.#add('received', message);
  disconnected: ListenerLog['disconnected'] = (_, messages) => this.#add('disconnected', String(messages));
  connectionFailed: ListenerLog['connectionFailed'] = (why) => this.#add('connectionFailed', why);
  certificate: ListenerLog['certificate'] = (file) => this.#add('certificate', file);
  problem: ListenerLog['problem'] = (what) => this.#add('problem', what);
}

export interface Running {
  readonly listener: Listener;
  readonly acceptance: Recorder;
  readonly log: LogLines;
  readonly options: ListenerOptions;
  readonly addresses: readonly ListenAddress[];
  /** Of the first address. */
  readonly port: number;
  /** Connects to an address (the first one), and reads the greeting. */
  client(index?: number): Promise<WireClient>;
  end(): Promise<void>;
}

const SMTP: ListenAddress = { protocol: 'smtp', host: '127.0.0.1', port: 0 };
export const SMTPS: ListenAddress = { protocol: 'smtps', host: '127.0.0.1', port: 0 };

export async function startListener(changes: Partial<ListenerOptions> = {}): Promise<Running> {
  const acceptance = new Recorder();
  const log = new LogLines();
  const options: ListenerOptions = {
    name: NAME,
    addresses: [SMTP],
    users: new Map(),
    networks: ['127.0.0.0/8'],
    acceptance,
    log,
    ...changes,
  };
  const listener = createListener(options);
  const addresses = await listener.listen();
  const port = addresses[0]?.port ?? 0;
  return {
    listener,
    acceptance,
    log,
    options,
    addresses,
    port,
    client: async (index = 0) => {
      const address = addresses[index];
      const wire = await WireClient.open(address?.port ?? 0, address?.protocol === 'smtps');
      await wire.reply();
      return wire;
    },
    end: () => listener.close(0),
  };
}

/** Sends any octets, and reads replies. */
export class WireClient {
  #socket: Socket | TLSSocket;
  #text = '';
  #ended = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket | TLSSocket) {
    this.#socket = socket;
    this.#attach();
  }

  static open(port: number, tls = false, localAddress = '127.0.0.1'): Promise<WireClient> {
    return new Promise((resolve, reject) => {
      const options = { port, host: '127.0.0.1', localAddress };
      const socket: Socket | TLSSocket = tls
        ? connectTls({ ...options, rejectUnauthorized: false }, () => resolve(new WireClient(socket)))
        : connect(options, () => resolve(new WireClient(socket)));
      socket.once('error', reject);
    });
  }

  #attach(): void {
    const wake = () => this.#wake();
    this.#socket.on('data', (octets: Buffer) => {
      this.#text += octets.toString('latin1');
      wake();
    });
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.#ended = true;
      wake();
    });
  }

  get socket(): Socket | TLSSocket {
    return this.#socket;
  }

  send(text: string | Uint8Array): void {
    this.#socket.write(typeof text === 'string' ? Buffer.from(text) : text);
  }

  /** One reply, its lines without line ends; undefined where the connection has ended instead. */
  async reply(): Promise<string[] | undefined> {
    for (;;) {
      const match = /^(?:[0-9]{3}-[^\r\n]*\r\n)*[0-9]{3} [^\r\n]*\r\n/.exec(this.#text);
      if (match !== null) {
        this.#text = this.#text.slice(match[0].length);
        return match[0].split('\r\n').slice(0, -1);
      }
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Sends a command, and gives the last line of its reply; `closed` where there is none. */
  async ask(command: string | Uint8Array): Promise<string> {
    this.send(typeof command === 'string' ? `${command}\r\n` : command);
    return (await this.reply())?.at(-1) ?? 'closed';
  }

  /** What has come and was not read yet, when the connection has ended. */
  async rest(): Promise<string> {
    while (!this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#text;
  }

  /** The handshake behind STARTTLS's 220. */
  async upgrade(): Promise<void> {
    const clear = this.#socket;
    clear.removeAllListeners('data');
    clear.removeAllListeners('close');
    await new Promise<void>((resolve, reject) => {
      this.#socket = connectTls({ socket: clear, rejectUnauthorized: false }, () => resolve());
      this.#socket.once('error', reject);
    });
    this.#attach();
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** A certificate and key in files, to be replaced as those who renew certificates do. */
export class CertificateOnDisk {
  readonly #folder = mkdtempSync(join(tmpdir(), 'danelaw-listener-'));
  readonly files: CertificateFiles = {
    certificate: join(this.#folder, 'fullchain.pem'),
    key: join(this.#folder, 'key.pem'),
  };
  current: Certificate;

  constructor() {
    this.current = this.replace();
  }

  replace(): Certificate {
    const made = makeCertificate();
    this.write('key', made.keyPem);
    this.write('certificate', made.pem);
    this.current = made;
    return made;
  }

  /** Puts a new file into the place of the old one. */
  write(which: keyof CertificateFiles, pem: string): void {
    const file = this.files[which];
    writeFileSync(`${file}.new`, pem, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

export const makeCertificate = (): Certificate =>
  selfSigned({
    names: [NAME],
    validity: { notBefore: new Date(Date.now() - 86_400_000), notAfter: new Date(Date.now() + 86_400_000) },
  });
