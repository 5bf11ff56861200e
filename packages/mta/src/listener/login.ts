/** AUTH PLAIN (RFC 4616) and AUTH LOGIN: what the client said, against the users of the configuration. */
import type { SMTPServerAuthentication } from 'smtp-server';
import type { SmtpAnswer } from '../acceptance/submission.js';
import { wordsOf } from '../words-of.js';
import { BAD_LOGIN, LOGIN_BUSY, LOGIN_THROTTLED } from './answers.js';
import { clientKey } from './network.js';
import type { PasswordChecker } from './password.js';
import type { RelayState } from './relay-state.js';

/** RFC 4954 section 4: nothing but the alphabet, and padding only at the end. */
export const isBase64 = (text: string): boolean =>
  text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);

export type LoginOutcome =
  | { readonly status: 'right'; readonly user: string }
  | { readonly status: 'refused'; readonly answer: SmtpAnswer };

type LoginRelay = Pick<RelayState, 'throttle' | 'log'> & {
  readonly passwords: Pick<PasswordChecker, 'check'>;
};

/** Never rejects: nobody would hear it. */
export async function checkLogin(
  relay: LoginRelay,
  client: string,
  auth: SMTPServerAuthentication,
): Promise<LoginOutcome> {
  const key = clientKey(client);
  switch (relay.throttle.begin(key)) {
    case 'stop':
      return { status: 'refused', answer: LOGIN_THROTTLED };
    case 'wait':
      return { status: 'refused', answer: LOGIN_BUSY };
    case 'go':
      break;
  }
  const said = identityOf(auth);
  const result = said === undefined ? 'wrong' : await check(relay, said);
  relay.throttle.end(key, result === 'wrong');
  switch (result) {
    case 'busy':
      return { status: 'refused', answer: LOGIN_BUSY };
    case 'wrong':
      return { status: 'refused', answer: BAD_LOGIN };
    default:
      return { status: 'right', user: result.user };
  }
}

/** Who it is, or that nobody is known so, or that it can't be told now. Never rejects. */
async function check(
  { passwords, log }: LoginRelay,
  { user, password }: { user: string; password: string },
): Promise<{ readonly user: string } | 'wrong' | 'busy'> {
  try {
    const result = await passwords.check(user, password);
    return result === 'right' ? { user } : result;
  } catch (error) {
    // No memory for it, as things are: nobody's fault but ours.
    log.problem(`a password could not be checked: ${wordsOf(error)}`);
    return 'busy';
  }
}

/**
 * RFC 4616 section 2: nobody acts for somebody else here, so an authorization identity can only be the user's
 * own.
 */
function identityOf(auth: SMTPServerAuthentication): { user: string; password: string } | undefined {
  const { method, username = '', password, authcid, authzid } = auth;
  if (typeof password !== 'string' || password === '') return undefined;
  if (method === 'LOGIN') return username === '' ? undefined : { user: username, password };
  if (method !== 'PLAIN' || authcid === undefined || authcid === '') return undefined;
  if (authzid !== undefined && authzid !== '' && authzid !== authcid) return undefined;
  return { user: authcid, password };
}
