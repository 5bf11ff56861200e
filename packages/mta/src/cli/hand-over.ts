/**
 * Hands a message of this machine to the running relay over SMTP, by Nodemailer's client, and sorts what comes of it
 * into "done", "later" and "never".
 */
import { isIP } from 'node:net';
import SMTPConnection from 'nodemailer/lib/smtp-connection';

export interface HandOverInput {
  readonly host: string;
  readonly port: number;
  /** Our name in EHLO. */
  readonly name: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly octets: Uint8Array;
  readonly eightBit: boolean;
  readonly notify: string | undefined;
  readonly ret: string | undefined;
  readonly envid: string | undefined;
  readonly signal: AbortSignal;
}

export type HandedOver =
  | {
      readonly status: 'accepted';
      /** `250 2.0.0 queued as ...` */
      readonly reply: string;
      /** Recipients that were refused, with the replies; the others have the message. */
      readonly refused: readonly {
        readonly recipient: string;
        readonly reply: string;
        readonly permanent: boolean;
      }[];
    }
  /** Nobody has the message. */
  | {
      readonly status: 'refused';
      readonly reply: string;
      readonly permanent: boolean;
      /** It takes no connection for now, or ends this one: 4yz before MAIL, or 421 (RFC 5321 section 3.8). */
      readonly closed: boolean;
    }
  | { readonly status: 'unreachable'; readonly reason: string };

/** Milliseconds. The relay is on this machine, or near: it answers at once or is not there. */
const CONNECT_TIME = 10_000;
/** The relay answers the final dot when its disk has the message (RFC 5321 section 4.5.3.2.6: 10 minutes). */
const IDLE_TIME = 10 * 60_000;

/** @throws (rejects) with the signal's reason when it aborts; never for what happens on the network */
export async function handOver(input: HandOverInput): Promise<HandedOver> {
  const { host, port, name, signal } = input;
  signal.throwIfAborted();
  const connection = new SMTPConnection({
    host,
    port,
    name,
    connectionTimeout: CONNECT_TIME,
    greetingTimeout: CONNECT_TIME,
    socketTimeout: IDLE_TIME,
    // Within the machine there is nobody to hide from, and a certificate would not be for "127.0.0.1".
    ignoreTLS: isLoopback(host),
  });
  const stop = (): void => connection.close();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await converse(connection, input);
  } catch (error) {
    signal.throwIfAborted();
    return failureOf(error);
  } finally {
    signal.removeEventListener('abort', stop);
    connection.close();
  }
}

/** An error that carries the relay's reply is its refusal; any other is about the connection. */
function failureOf(error: unknown): HandedOver {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof Error && 'responseCode' in error && typeof error.responseCode === 'number')) {
    return { status: 'unreachable', reason: message };
  }
  const reply = 'response' in error && typeof error.response === 'string' ? error.response : message;
  const { responseCode: code } = error;
  const early = 'command' in error && BEFORE_MAIL.some((command) => command === error.command);
  return { status: 'refused', reply, permanent: code >= 500, closed: code === 421 || (early && code < 500) };
}

/** Nodemailer's names for where it is: the greeting is `CONN`. */
const BEFORE_MAIL = ['CONN', 'EHLO', 'HELO', 'STARTTLS'];

function converse(connection: SMTPConnection, input: HandOverInput): Promise<HandedOver> {
  const { from, to, octets, eightBit, notify, ret, envid } = input;
  const dsn = {
    ...(notify === undefined ? {} : { notify: notify.split(',') }),
    ...(ret === undefined ? {} : { ret }),
    ...(envid === undefined ? {} : { envid }),
  };
  return new Promise((resolve, reject) => {
    connection.on('error', reject); // an error after the first is nobody's
    connection.once('end', () => reject(new Error('the connection was closed')));
    connection.connect(() => {
      const envelope = { from, to: [...to], use8BitMime: eightBit, size: octets.length, dsn };
      connection.send(envelope, Buffer.from(octets), (error, info) => {
        if (error !== null) {
          reject(error);
          return;
        }
        const refused = (info?.rejectedErrors ?? []).map(
          ({ recipient, response, message, responseCode }) => ({
            recipient: recipient ?? '',
            reply: response ?? message,
            permanent: (responseCode ?? 0) >= 500,
          }),
        );
        connection.quit();
        resolve({ status: 'accepted', reply: info?.response ?? '', refused });
      });
    });
  });
}

/** Names of this machine that need no DNS. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
