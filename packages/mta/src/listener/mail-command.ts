/**
 * The MAIL command: SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), RET and ENVID (RFC 3461),
 * REQUIRETLS (RFC 8689), AUTH (RFC 4954).
 */
import type { SmtpAnswer } from '../acceptance/submission.js';
import {
  BAD_SENDER,
  badParameter,
  MAIL_SYNTAX,
  REQUIRETLS_NEEDS_TLS,
  SENDER_NEEDS_UTF8,
  unknownParameter,
} from './answers.js';
import { type Parameter, parseParameters, splitPath } from './path.js';
import { decodeXtext } from './xtext.js';

export interface MailCommand {
  readonly from: string;
  /** Octets, as the client promised. */
  readonly size: number | undefined;
  readonly smtpUtf8: boolean;
  readonly requireTls: boolean;
  readonly ret: 'full' | 'hdrs' | undefined;
  readonly envid: string | undefined;
}

export type Parsed<T> =
  | { readonly ok: true; readonly command: T }
  | { readonly ok: false; readonly answer: SmtpAnswer };

export const refuse = (answer: SmtpAnswer): { readonly ok: false; readonly answer: SmtpAnswer } => ({
  ok: false,
  answer,
});

/** RFC 3461 section 5.4: in xtext. */
const MAX_ENVID = 100;

// biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the point
export const ASCII = /^[\u0000-\u007f]*$/;

/** @param line undefined where the client's octets were no UTF-8 */
export function parseMailCommand(line: string | undefined, underTls: boolean): Parsed<MailCommand> {
  if (line === undefined) return refuse(BAD_SENDER);
  const split = splitPath('MAIL', line);
  if (split === 'no-command') return refuse(MAIL_SYNTAX);
  if (split === 'no-path') return refuse(BAD_SENDER);
  const parameters = parseParameters(split.parameters);
  if (typeof parameters === 'string') return refuse(badParameter(parameters));
  const command = { ...NOTHING_SAID, from: split.address };
  for (const parameter of parameters) {
    const refusal = take(command, parameter, underTls);
    if (refusal !== undefined) return refuse(refusal);
  }
  if (!command.smtpUtf8 && !ASCII.test(command.from)) return refuse(SENDER_NEEDS_UTF8);
  return { ok: true, command };
}

type Draft = { -readonly [Key in keyof MailCommand]: MailCommand[Key] };

const NOTHING_SAID: Draft = {
  from: '',
  size: undefined,
  smtpUtf8: false,
  requireTls: false,
  ret: undefined,
  envid: undefined,
};

function take(draft: Draft, { keyword, value }: Parameter, underTls: boolean): SmtpAnswer | undefined {
  switch (keyword) {
    case 'SIZE':
      // RFC 1870 section 3: 1*20DIGIT.
      if (value === undefined || !/^[0-9]{1,20}$/.test(value)) return badParameter('Bad value of SIZE');
      draft.size = Number(value);
      return undefined;
    case 'BODY':
      // BINARYMIME belongs to CHUNKING, which is not offered.
      return /^(?:7BIT|8BITMIME)$/i.test(value ?? '') ? undefined : badParameter('Bad value of BODY');
    case 'SMTPUTF8':
      if (value !== undefined) return badParameter('SMTPUTF8 takes no value');
      draft.smtpUtf8 = true;
      return undefined;
    case 'REQUIRETLS':
      if (value !== undefined) return badParameter('REQUIRETLS takes no value');
      if (!underTls) return REQUIRETLS_NEEDS_TLS;
      draft.requireTls = true;
      return undefined;
    case 'RET':
      if (!/^(?:FULL|HDRS)$/i.test(value ?? '')) return badParameter('Bad value of RET');
      draft.ret = value?.toUpperCase() === 'FULL' ? 'full' : 'hdrs';
      return undefined;
    case 'ENVID':
      draft.envid = (value ?? '').length > MAX_ENVID ? undefined : decodeXtext(value ?? '+');
      return draft.envid === undefined ? badParameter('Bad value of ENVID') : undefined;
    case 'AUTH':
      // RFC 4954 section 5: who is not trusted to speak for others is heard, and taken to have said `<>`.
      return decodeXtext(value ?? '+') === undefined ? badParameter('Bad value of AUTH') : undefined;
    default:
      return unknownParameter('MAIL');
  }
}
