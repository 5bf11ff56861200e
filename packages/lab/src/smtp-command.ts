/**
 * Command lines of SMTP as the lab's server reads them (RFC 5321 section 4.1.1), strictly: our client must
 * not lean on leniency.
 */
export type SmtpCommand =
  | { readonly verb: 'EHLO' | 'HELO'; readonly domain: string }
  | { readonly verb: 'MAIL' | 'RCPT'; readonly path: string; readonly parameters: readonly string[] }
  | { readonly verb: 'STARTTLS' | 'DATA' | 'RSET' | 'QUIT' | 'NOOP' | 'VRFY' | 'HELP' }
  | { readonly verb: 'malformed'; readonly reply: `${number} ${string}` };

export function readCommand(line: string): SmtpCommand {
  if (/[\r\n]/.test(line)) return malformed('521 5.5.2 Bare CR or LF received');
  const [, word = '', rest = ''] = /^([A-Za-z]+)(.*)$/.exec(line) ?? [];
  const verb = word.toUpperCase();
  switch (verb) {
    case 'EHLO':
    case 'HELO':
      return /^ \S+$/.test(rest)
        ? { verb, domain: rest.slice(1) }
        : malformed(`501 5.5.4 ${verb} needs a domain`);
    case 'MAIL':
      return readPath(verb, rest, ' FROM:');
    case 'RCPT':
      return readPath(verb, rest, ' TO:');
    case 'STARTTLS':
    case 'DATA':
    case 'RSET':
    case 'QUIT':
      return rest === '' ? { verb } : malformed(`501 5.5.4 ${verb} has no parameters`);
    case 'NOOP':
    case 'VRFY':
    case 'HELP':
      return { verb };
    default:
      return malformed('500 5.5.1 Command unknown');
  }
}

function malformed(reply: `${number} ${string}`): SmtpCommand {
  return { verb: 'malformed', reply };
}

/** `FROM:<path> PARAMETER=value`; no space behind the colon, and a `>` may stand in a quoted local part. */
function readPath(verb: 'MAIL' | 'RCPT', rest: string, introduction: string): SmtpCommand {
  const syntax = malformed(`501 5.5.4 Syntax: ${verb}${introduction}<address>`);
  if (!rest.toUpperCase().startsWith(introduction)) return syntax;
  const found = /^<((?:"(?:\\.|[^"\\])*"|[^">])*)>((?: [^ ]+)*)$/.exec(rest.slice(introduction.length));
  if (found === null) return syntax;
  const [, path = '', parameters = ''] = found;
  if (path === '' && verb === 'RCPT') return syntax;
  return { verb, path, parameters: parameters.split(' ').slice(1) };
}
