/**
 * `danelaw`: finds the command, runs it, and turns whatever comes of it into a message and an exit code.
 *
 * Each command is a file of its own, loaded only when it is used: what `send` costs at start must not grow
 * with what `demo` needs.
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { CommandError, EXIT, type ExitCode } from './exit.js';
import { printable } from './printable.js';
import { prose } from './prose.js';
import type { Io } from './terminal.js';

/** A command's file: adds options, help and action to the command that commander already knows by name. */
export interface CommandModule {
  define(command: Command, io: Io, finish: (code: ExitCode) => void): void;
}

const COMMANDS: Record<string, { readonly summary: string; readonly load: () => Promise<CommandModule> }> = {
  send: {
    summary: 'deliver one message now, and say what was proved about each server',
    load: () => import('./send.js'),
  },
  check: {
    summary: 'show what senders with DANE see of a domain, and what they will do',
    load: () => import('./check.js'),
  },
  watch: {
    summary: 'look at your own domains from outside, and tell what is wrong before mail stops',
    load: () => import('./watch.js'),
  },
  survey: {
    summary: 'look up many domains, and sum up how their mail is protected',
    load: () => import('./survey.js'),
  },
  resolve: {
    summary: 'look up one name and type, and say how far the answer can be trusted',
    load: () => import('./resolve.js'),
  },
  policy: {
    summary: 'say which rule of the policy table decides about a domain',
    load: () => import('./policy.js'),
  },
  tlsa: {
    summary: "make TLSA records for a server's keys, and compare what is published with what it shows",
    load: () => import('./tlsa.js'),
  },
  tlsrpt: {
    summary: 'read TLS reports about a domain, and send our own',
    load: () => import('./tlsrpt.js'),
  },
  'policy-server': {
    summary: 'tell Postfix which TLS policy to hold each destination to',
    load: () => import('./policy-server.js'),
  },
  sendmail: {
    summary: 'take a message as the classic sendmail does, and hand it to the relay',
    load: () => import('./sendmail.js'),
  },
  dkim: {
    summary: 'make keys that sign mail (DKIM), and print the records that publish them',
    load: () => import('./dkim.js'),
  },
  user: {
    summary: 'make what the configuration has for the password of a user of the relay',
    load: () => import('./user.js'),
  },
  serve: {
    summary: 'run the relay: take mail, keep it, deliver it',
    load: () => import('./serve.js'),
  },
  queue: {
    summary: 'show what waits to be delivered, and hold, release, retry or delete it',
    load: () => import('./queue.js'),
  },
  completion: {
    summary: 'print a script with which the shell completes commands and options',
    load: () => import('./completion.js'),
  },
  demo: {
    summary: 'start a private Internet and send to its good, broken and attacked domains',
    load: () => import('./demo.js'),
  },
};

const DESCRIPTION = `
danelaw sends mail under the rules of RFC 7672 (DANE for SMTP). It asks DNS, and proves by DNSSEC, which servers
take a domain's mail and which keys they have; it delivers only over channels that match. A domain that publishes
nothing gets its mail as ever; a proof that fails defers the mail and never weakens it.

"danelaw serve" is a relay: it takes mail from programs and mail servers, keeps it on disk or in a database, and
delivers it by these rules. The other commands send one message, explain, and look after the relay's queue.
`.trim();

const EXAMPLES = `
Examples:
  danelaw check example.org                      what is published, and whether it is right
  danelaw send -f me@example.net -t you@example.org message.eml
  danelaw resolve _25._tcp.mx.example.org TLSA   one record set, with its proof
  danelaw demo                                   all of it, without the Internet
  danelaw serve --check                          what is wrong with the relay's configuration
  danelaw serve                                  the relay
  danelaw queue list --domain example.org        what waits there, and why

Exit codes: 0 done, 64 usage, 65 malformed message, 66 unreadable file, 69 permanent failure,
            75 temporary failure, 78 unusable configuration, trust anchors, root hints or system
            settings`;

/**
 * Runs one command line.
 * @param argv the arguments behind `danelaw`
 * @returns the exit code; never rejects
 */
export async function main(argv: readonly string[], surroundings?: Io): Promise<number> {
  const io = surroundings ?? processIo();
  let code: ExitCode = EXIT.OK;
  try {
    const program = await createProgram(argv, io, (finished) => {
      code = finished;
    });
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    return explain(error, io);
  }
}

/** With every command defined, and run by nobody: for what is made of the help. */
export async function wholeProgram(io: Io): Promise<Command> {
  return await createProgram('all', io, () => {});
}

/** @param argv loads the command that they name, and no other */
async function createProgram(
  argv: readonly string[] | 'all',
  io: Io,
  finish: (code: ExitCode) => void,
): Promise<Command> {
  const program = new Command('danelaw')
    .description(prose(DESCRIPTION))
    .usage('<command> [options]')
    .option('-V, --version', 'print the version')
    .on('option:version', () => {
      io.stdout.write(`${version()}\n`);
      throw new CommanderError(EXIT.OK, 'commander.version', '');
    })
    .helpOption('-h, --help', 'show this help, or that of a command')
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', EXAMPLES);
  hearErrors(program, io);
  const [first, second] = argv === 'all' ? [] : argv;
  const named = first === 'help' ? second : first;
  // Its -V and -h are its own.
  if (named === 'sendmail') program.enablePositionalOptions();
  for (const [name, entry] of Object.entries(COMMANDS)) {
    const command = program.command(name).summary(entry.summary);
    if (name !== named && argv !== 'all') continue;
    hearErrors(command, io);
    command.showHelpAfterError(`"danelaw ${name} --help" explains the options.`);
    (await entry.load()).define(command, io, finish);
  }
  return program;
}

function hearErrors(command: Command, io: Io): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => io.stdout.write(text),
    writeErr: (text) => io.stderr.write(text),
    outputError: (text, write) => write(text.replace(/^error: /, 'danelaw: ')),
    getOutHelpWidth: () => io.stdout.columns ?? HELP_WIDTH,
    getErrHelpWidth: () => io.stderr.columns ?? HELP_WIDTH,
  });
}

/** Help is wrapped at this width where the output has none of its own. */
const HELP_WIDTH = 100;

function explain(error: unknown, io: Io): ExitCode {
  if (error instanceof CommanderError) {
    // Commander has already printed what it had to say; help and version are no errors.
    return error.exitCode === 0 ? EXIT.OK : EXIT.USAGE;
  }
  if (error instanceof CommandError) {
    io.stderr.write(`danelaw: ${printable(error.message)}\n`);
    return error.exitCode;
  }
  if (io.signal.aborted) {
    io.stderr.write('danelaw: interrupted\n');
    return EXIT.INTERRUPTED;
  }
  // Anything else is a fault of ours; its place in the code is what a report of it needs.
  io.stderr.write(
    `danelaw: internal error, please report it: ${error instanceof Error ? error.stack : error}\n`,
  );
  return EXIT.SOFTWARE;
}

export function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const isManifest = typeof manifest === 'object' && manifest !== null && 'version' in manifest;
  return isManifest ? String(manifest.version) : 'unknown';
}

function processIo(): Io {
  const interrupted = new AbortController();
  // The first signal ends the work in good order, a second one at once.
  process.once('SIGINT', () => interrupted.abort());
  process.once('SIGTERM', () => interrupted.abort());
  const readerGone = new AbortController();
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // `danelaw check ... | head` closes the pipe early. What was found out is as true as before, and so is the exit code.
    if (error.code === 'EPIPE') {
      readerGone.abort();
      return;
    }
    // A full disk, most likely: what was to be kept is not whole.
    process.stderr.write(`danelaw: the output can't be written: ${error.message}\n`);
    process.exit(EXIT.CANT_CREATE);
  });
  // Where nobody hears of troubles, the exit code has to do.
  process.stderr.on('error', () => {});
  const { stdout, stderr, env } = process;
  return {
    stdout,
    stderr,
    env,
    signal: interrupted.signal,
    readerGone: readerGone.signal,
    // Opened only by who reads it: that alone takes milliseconds.
    get stdin() {
      const { stdin } = process;
      interrupted.signal.addEventListener('abort', () => stdin.destroy(new Error('interrupted')), {
        once: true,
      });
      return stdin;
    },
  };
}
