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

/** Never rejects: nobody would hear it. */
export async function checkLogin(
  relay: Pick<RelayState, 'throttle' | 'log'> & { readonly passwords: Pick<PasswordChecker, 'check'> },
  client: string,
  auth: SMTPServerAuthentication,
): Promise<LoginOutcome> {
  const key = clientKey(client);
  if (!relay.throttle.begin(key)) return { status: 'refused', answer: LOGIN_THROTTLED };
  const said = identityOf(auth);
  if (said === undefined) return { status: 'refused', answer: BAD_LOGIN };
  const result = await relay.passwords.check(said.user, said.password).catch((error: unknown) => {
    // No memory for it, as things are: nobody's fault but ours.
    relay.log.problem(`a password could not be checked: ${wordsOf(error)}`);
    return 'busy' as const;
  });
  switch (result) {
    case 'right':
      relay.throttle.takeBack(key);
      return { status: 'right', user: said.user };
    case 'busy':
      relay.throttle.takeBack(key);
      return { status: 'refused', answer: LOGIN_BUSY };
    case 'wrong':
      return { status: 'refused', answer: BAD_LOGIN };
    default: {
      const never: never = result;
      return never;
    }
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
