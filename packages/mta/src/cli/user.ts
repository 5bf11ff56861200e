/** `danelaw user hash`: what stands in the configuration for a user's password. */
import type { Command } from 'commander';
import { hashPassword } from '../listener/password.js';
import { CommandError, EXIT, type ExitCode } from './exit.js';
import { addOutputOptions } from './network-options.js';
import { readPassword } from './password-input.js';
import { printableJson } from './printable.js';
import { prose } from './prose.js';
import type { Io } from './terminal.js';

const DESCRIPTION = `Reads a password - typed twice at a terminal, else the first line of standard input - and
prints the line of the configuration, below [users], with which the user may log in at the relay (AUTH PLAIN and LOGIN,
under TLS). It holds a scrypt hash, of which the password can't be got back. Without NAME only the hash is
printed.`;

const EXAMPLES = `
Examples:
  $ danelaw user hash alice >> users.toml
  Password:
  $ pwgen -s 24 1 | tee alice.password | danelaw user hash alice
  alice = "$scrypt$ln=15,r=8,p=1$pLmUpr8yuwoREMjYP3yhmw$cXLpYB5NCvhIdZRlmuOUu3aTVLnAcFqg4IeyXEUYPUk"

Exit codes: 0 done    64 usage    65 a password that can't be used`;

export function define(command: Command, io: Io, finish: (code: ExitCode) => void): void {
  command.description('Users who may log in at the relay.');
  const hash = command
    .command('hash')
    .summary("print the configuration's line for a user's password")
    .description(prose(DESCRIPTION))
    .argument('[name]', 'the name with which the user logs in')
    .addHelpText('after', EXAMPLES);
  addOutputOptions(hash);
  hash.action(async (name: string | undefined, options: { readonly json?: true }) => {
    if (name !== undefined && (name === '' || /\p{Cc}/u.test(name))) {
      throw new CommandError(EXIT.USAGE, 'a name is not empty and has no control characters');
    }
    const hashed = await hashPassword(await readPassword(io));
    if (options.json) io.stdout.write(`${printableJson({ name: name ?? null, hash: hashed })}\n`);
    else io.stdout.write(name === undefined ? `${hashed}\n` : `${tomlKey(name)} = "${hashed}"\n`);
    finish(EXIT.OK);
  });
}

/** A bare key where TOML lets one stand; JSON's strings are strings of TOML. */
const tomlKey = (name: string): string => (/^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name));
