/**
 * Logging in at a relay (RFC 4954): AUTH PLAIN (RFC 4616), or LOGIN where the relay knows nothing better.
 *
 * Both say the password as it is, so they are said under TLS only: whoever strips STARTTLS would be told it.
 * Whose TLS that is, the policy decides; a relay deserves one that authenticates.
 */
import type { Capabilities } from './capabilities.js';
import type { Connection } from './connection.js';
import { SmtpFault } from './fault.js';
import { formatReply, type Reply } from './reply.js';

export interface Login {
  readonly username: string;
  readonly password: string;
}

/** What the policy table asks for: `login` is undefined where nobody knows one by that name. */
export interface WantedLogin {
  readonly name: string;
  readonly login: Login | undefined;
}

/** Octets of a name or password: a command line has at most 12288 (RFC 4954 section 4), encoded in base64. */
const MAX_OCTETS = 4000;

/**
 * Logs in.
 *
 * @throws SmtpFault `login` where it can't be done or was refused
 */
export async function logIn(
  connection: Connection,
  { authMechanisms }: Capabilities,
  { name, login }: WantedLogin,
): Promise<void> {
  if (login === undefined) throw fault(`there is no login called "${name}"`);
  const { username, password } = login;
  // RFC 4616 section 2: NUL separates the parts.
  if ([username, password].some((text) => text.includes('\0') || Buffer.byteLength(text) > MAX_OCTETS)) {
    throw fault(`the login "${name}" has a NUL in it, or is too long`);
  }
  if (authMechanisms.includes('PLAIN')) {
    const reply = await connection.command('auth', `AUTH PLAIN ${base64(`\0${username}\0${password}`)}`);
    return accepted(name, reply);
  }
  if (authMechanisms.includes('LOGIN')) {
    for (const line of ['AUTH LOGIN', base64(username)]) {
      const reply = await connection.command('auth', line);
      if (reply.code !== 334) throw fault(refusalWords(name, reply), reply);
    }
    return accepted(name, await connection.command('auth', base64(password)));
  }
  const offered = authMechanisms.length === 0 ? 'none' : authMechanisms.join(', ');
  throw fault(`the server offers neither PLAIN nor LOGIN to log in with (it offers ${offered})`);
}

/** The session is in clear text: nothing is said. */
export function refuseClearLogin({ name }: WantedLogin): never {
  throw fault(
    `the login "${name}" is said under TLS only, and the session is in clear text (RFC 4954 section 4)`,
  );
}

function accepted(name: string, reply: Reply): void {
  if (reply.code !== 235) throw fault(refusalWords(name, reply), reply);
}

function refusalWords(name: string, reply: Reply): string {
  return `the server refused the login "${name}": ${formatReply(reply)}`;
}

function fault(words: string, reply?: Reply): SmtpFault {
  return new SmtpFault('login', 'auth', words, reply === undefined ? {} : { reply });
}

const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
