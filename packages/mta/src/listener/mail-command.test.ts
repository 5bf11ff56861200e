import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseMailCommand } from './mail-command.js';
import { parseRcptCommand } from './rcpt-command.js';

const long = Number(process.env['DANELAW_FUZZ'] ?? 0);
const runs = long > 0 ? { numRuns: long } : { numRuns: 1_000, seed: 1870 };
const timeout = long > 0 ? long * 5 : 30_000;

const mail = (text: string, underTls = true) => parseMailCommand(text, underTls);
const rcpt = (text: string, smtpUtf8 = false) => parseRcptCommand(text, smtpUtf8);

/** What is answered, or that nothing is wrong. */
function verdict(parsed: ReturnType<typeof mail> | ReturnType<typeof rcpt>): string {
  return parsed.ok ? 'ok' : `${parsed.answer.code} ${parsed.answer.enhanced}`;
}

describe('MAIL', () => {
  it('knows all parameters at once', () => {
    const text =
      'MAIL FROM:<me@example.org> SIZE=99 BODY=8BITMIME SMTPUTF8 RET=hdrs ENVID=a+3Db REQUIRETLS AUTH=<>';
    expect(mail(text)).toEqual({
      ok: true,
      command: {
        from: 'me@example.org',
        size: 99,
        smtpUtf8: true,
        requireTls: true,
        ret: 'hdrs',
        envid: 'a=b',
      },
    });
  });

  it('starts anew each time', () => {
    mail('MAIL FROM:<me@example.org> REQUIRETLS SMTPUTF8 RET=FULL');
    expect(mail('MAIL FROM:<>')).toMatchObject({
      command: { requireTls: false, smtpUtf8: false, ret: undefined },
    });
  });

  it.each<[string, string, string]>([
    ['another word than FROM', 'MAIL TO:<me@example.org>', '501 5.5.4'],
    ['no brackets', 'MAIL FROM:me@example.org', '501 5.1.7'],
    [
      'a parameter that nobody offered (RFC 5321 section 4.1.1.11)',
      'MAIL FROM:<> MT-PRIORITY=3',
      '555 5.5.4',
    ],
    ['RCPT parameters', 'MAIL FROM:<> NOTIFY=NEVER', '555 5.5.4'],
    ['SIZE without a value (RFC 1870 section 3)', 'MAIL FROM:<> SIZE', '501 5.5.4'],
    ['SIZE of 20 digits', `MAIL FROM:<> SIZE=${'9'.repeat(20)}`, 'ok'],
    ['SIZE of 21 digits', `MAIL FROM:<> SIZE=${'9'.repeat(21)}`, '501 5.5.4'],
    ['a negative SIZE', 'MAIL FROM:<> SIZE=-1', '501 5.5.4'],
    ['BODY=BINARYMIME, which is not offered (RFC 3030)', 'MAIL FROM:<> BODY=BINARYMIME', '501 5.5.4'],
    ['BODY without a value', 'MAIL FROM:<> BODY', '501 5.5.4'],
    ['SMTPUTF8 with a value', 'MAIL FROM:<> SMTPUTF8=1', '501 5.5.4'],
    ['UTF-8 without SMTPUTF8 (RFC 6531 section 3.5)', 'MAIL FROM:<ü@example.org>', '553 5.6.7'],
    ['UTF-8 with SMTPUTF8', 'MAIL FROM:<ü@example.org> SMTPUTF8', 'ok'],
    ['RET of another word (RFC 3461 section 4.3)', 'MAIL FROM:<> RET=ALL', '501 5.5.4'],
    ['RET twice (RFC 3461 section 4.5)', 'MAIL FROM:<> RET=FULL RET=FULL', '501 5.5.4'],
    ['ENVID without a value', 'MAIL FROM:<> ENVID', '501 5.5.4'],
    ['ENVID that is no xtext', 'MAIL FROM:<> ENVID=a+', '501 5.5.4'],
    ['ENVID with an encoded line end', 'MAIL FROM:<> ENVID=a+0D+0Ab', '501 5.5.4'],
    ['ENVID of 100 characters (RFC 3461 section 5.4)', `MAIL FROM:<> ENVID=${'a'.repeat(100)}`, 'ok'],
    ['ENVID of 101 characters', `MAIL FROM:<> ENVID=${'a'.repeat(101)}`, '501 5.5.4'],
    ['REQUIRETLS with a value (RFC 8689 section 2)', 'MAIL FROM:<> REQUIRETLS=1', '501 5.5.4'],
    ['AUTH of an identity (RFC 4954 section 5)', 'MAIL FROM:<> AUTH=e+3Dmc2@example.com', 'ok'],
    ['AUTH that is no xtext', 'MAIL FROM:<> AUTH=e=mc2', '501 5.5.4'],
  ])('%s: %s', (_, text, expected) => {
    expect(verdict(mail(text))).toBe(expected);
  });

  it('refuses REQUIRETLS in a session without TLS (RFC 8689 section 2)', () => {
    expect(verdict(mail('MAIL FROM:<> REQUIRETLS', false))).toBe('530 5.7.10');
  });

  it('refuses what is no UTF-8', () => {
    expect(verdict(parseMailCommand(undefined, true))).toBe('501 5.1.7');
    expect(verdict(parseRcptCommand(undefined, true))).toBe('501 5.1.3');
  });
});

describe('RCPT', () => {
  it.each<[string, string, object]>([
    ['nothing', '', { notify: undefined, orcpt: undefined }],
    ['never', ' NOTIFY=never', { notify: 'never' }],
    ['a list', ' NOTIFY=SUCCESS,Delay', { notify: ['success', 'delay'] }],
    ['an element twice', ' NOTIFY=FAILURE,FAILURE', { notify: ['failure'] }],
    ['an original recipient', ' ORCPT=rfc822;you+2Bx@example.org', { orcpt: 'rfc822;you+x@example.org' }],
    ['of another kind', ' ORCPT=x400;/S+3DBob', { orcpt: 'x400;/S=Bob' }],
    [
      'in UTF-8, escaped (RFC 6533 section 3)',
      ' ORCPT=utf-8;\\x{FC}@example.org',
      { orcpt: 'utf-8;\\x{FC}@example.org' },
    ],
  ])('takes %s (RFC 3461 section 4)', (_, parameters, expected) => {
    expect(rcpt(`RCPT TO:<you@example.org>${parameters}`)).toMatchObject({
      ok: true,
      command: { address: 'you@example.org', ...expected },
    });
  });

  it('takes an original recipient in UTF-8 where SMTPUTF8 was said (RFC 6533 section 3)', () => {
    const text = 'RCPT TO:<ü@example.org> ORCPT=utf-8;ü@example.org';
    expect(rcpt(text, true)).toMatchObject({ command: { orcpt: 'utf-8;ü@example.org' } });
    expect(verdict(rcpt('RCPT TO:<u@example.org> ORCPT=utf-8;ü@example.org', false))).toBe('501 5.5.4');
  });

  it.each<[string, string, string]>([
    ['another word than TO', 'RCPT FROM:<you@example.org>', '501 5.5.4'],
    ['an empty path', 'RCPT TO:<>', '501 5.1.3'],
    ['UTF-8 without SMTPUTF8', 'RCPT TO:<ü@example.org>', '553 5.6.7'],
    ['MAIL parameters', 'RCPT TO:<a@b> RET=FULL', '555 5.5.4'],
    ['NOTIFY without a value', 'RCPT TO:<a@b> NOTIFY', '501 5.5.4'],
    ['NEVER with others (RFC 3461 section 4.1)', 'RCPT TO:<a@b> NOTIFY=NEVER,FAILURE', '501 5.5.4'],
    ['an empty element', 'RCPT TO:<a@b> NOTIFY=FAILURE,', '501 5.5.4'],
    ['an unknown element', 'RCPT TO:<a@b> NOTIFY=ALWAYS', '501 5.5.4'],
    ['NOTIFY twice (section 4.5)', 'RCPT TO:<a@b> NOTIFY=DELAY NOTIFY=DELAY', '501 5.5.4'],
    ['ORCPT without a type', 'RCPT TO:<a@b> ORCPT=you@example.org', '501 5.5.4'],
    ['ORCPT without an address', 'RCPT TO:<a@b> ORCPT=rfc822;', '501 5.5.4'],
    ['ORCPT with a type that is no atom', 'RCPT TO:<a@b> ORCPT=rfc(822);a@b', '501 5.5.4'],
    ['ORCPT that is no xtext', 'RCPT TO:<a@b> ORCPT=rfc822;a+2b', '501 5.5.4'],
    ['ORCPT with an encoded line end', 'RCPT TO:<a@b> ORCPT=rfc822;a+0D+0Ab', '501 5.5.4'],
    ['ORCPT of 500 octets (section 5.4)', `RCPT TO:<a@b> ORCPT=rfc822;${'a'.repeat(493)}`, 'ok'],
    ['ORCPT of 501 octets', `RCPT TO:<a@b> ORCPT=rfc822;${'a'.repeat(494)}`, '501 5.5.4'],
    ['a UTF-8 address with a plus sign', 'RCPT TO:<a@b> ORCPT=utf-8;a+2Bb', '501 5.5.4'],
  ])('%s: %s', (_, text, expected) => {
    expect(verdict(rcpt(text))).toBe(expected);
  });

  it(
    'gives what fits in a report or an answer, whatever comes',
    () => {
      const words = [
        'NOTIFY=',
        'ORCPT=',
        'NEVER',
        'SUCCESS',
        ',',
        'rfc822;',
        'utf-8;',
        '+',
        '2B',
        '0A',
        ' ',
        '\\x{',
        '}',
        'ü',
        '\n',
        '\u0000',
      ];
      fc.assert(
        fc.property(fc.array(fc.constantFrom(...words), { maxLength: 12 }), fc.boolean(), (pieces, utf8) => {
          const parsed = rcpt(`RCPT TO:<a@b> ${pieces.join('')}`, utf8);
          if (!parsed.ok) {
            expect(String(parsed.answer.code)[0]).toBe(parsed.answer.enhanced[0]);
            return;
          }
          expect(parsed.command.orcpt ?? '').not.toMatch(/\p{Cc}/u);
        }),
        runs,
      );
    },
    timeout,
  );
});
