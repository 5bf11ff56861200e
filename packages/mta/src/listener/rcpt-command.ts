/** The RCPT command: NOTIFY and ORCPT (RFC 3461 sections 4.1 and 4.2, RFC 6533 section 3). */
import type { SubmittedRecipient } from '../acceptance/submission.js';
import type { Notify } from '../queue/queue.js';
import {
  BAD_RECIPIENT,
  badParameter,
  RCPT_SYNTAX,
  RECIPIENT_NEEDS_UTF8,
  unknownParameter,
} from './answers.js';
import { ASCII, type Parsed, refuse } from './mail-command.js';
import { parseParameters, splitPath } from './path.js';
import { decodeXtext } from './xtext.js';

/** RFC 3461 section 5.4. */
const MAX_ORCPT = 500;

/** @param line undefined where the client's octets were no UTF-8 */
export function parseRcptCommand(line: string | undefined, smtpUtf8: boolean): Parsed<SubmittedRecipient> {
  if (line === undefined) return refuse(BAD_RECIPIENT);
  const split = splitPath('RCPT', line);
  if (split === 'no-command') return refuse(RCPT_SYNTAX);
  if (split === 'no-path' || split.address === '') return refuse(BAD_RECIPIENT);
  const parameters = parseParameters(split.parameters);
  if (typeof parameters === 'string') return refuse(badParameter(parameters));
  let notify: Notify | undefined;
  let orcpt: string | undefined;
  for (const { keyword, value = '' } of parameters) {
    switch (keyword) {
      case 'NOTIFY':
        notify = parseNotify(value);
        if (notify === undefined) return refuse(badParameter('Bad value of NOTIFY'));
        break;
      case 'ORCPT':
        orcpt = parseOrcpt(value, smtpUtf8);
        if (orcpt === undefined) return refuse(badParameter('Bad value of ORCPT'));
        break;
      default:
        return refuse(unknownParameter('RCPT'));
    }
  }
  if (!smtpUtf8 && !ASCII.test(split.address)) return refuse(RECIPIENT_NEEDS_UTF8);
  return { ok: true, command: { address: split.address, notify, orcpt } };
}

/** RFC 3461 section 4.1: `NEVER` alone, or a list of the others. One that stands there twice is said once. */
export function parseNotify(value: string): Notify | undefined {
  const elements = new Set<'success' | 'failure' | 'delay'>();
  if (value.toUpperCase() === 'NEVER') return 'never';
  for (const element of value.split(',')) {
    const name = element.toLowerCase();
    if (name !== 'success' && name !== 'failure' && name !== 'delay') return undefined;
    elements.add(name);
  }
  return [...elements];
}

/** addr-type is an atom. */
const ORCPT = /^([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+);(.+)$/u;

/** RFC 6533 section 3: what its address type has instead of xtext; `\x{...}` stays as it is. */
const UTF8_ADDRESS = /^(?:[!-*,-<>-[\]-~\u00a0-\u{10ffff}]|\\x\{[0-9A-F]{2,6}\})+$/u;

/** @returns `addr-type;address`, xtext decoded; undefined where it is none */
export function parseOrcpt(value: string, smtpUtf8: boolean): string | undefined {
  if (Buffer.byteLength(value) > MAX_ORCPT) return undefined;
  const match = ORCPT.exec(value);
  const type = match?.[1];
  const encoded = match?.[2];
  if (type === undefined || encoded === undefined) return undefined;
  if (type.toLowerCase() === 'utf-8') {
    return UTF8_ADDRESS.test(encoded) && (smtpUtf8 || ASCII.test(encoded)) ? value : undefined;
  }
  const address = decodeXtext(encoded);
  return address === undefined ? undefined : `${type};${address}`;
}
