/** `danelaw completion SHELL`: prints a script that completes danelaw's commands and options. */
import { Argument, type Command } from 'commander';
import { modelOf } from './command-model.js';
import { EXIT, type ExitCode } from './exit.js';
import { wholeProgram } from './main.js';
import { prose } from './prose.js';
import { completionScript, SHELLS, type Shell } from './shell-completion.js';
import type { Io } from './terminal.js';

const DESCRIPTION = `Prints a script with which the shell completes danelaw's commands and options. It knows them
itself, so that nothing is started while you type.`;

const EXAMPLES = `
Examples:
  $ source <(danelaw completion bash)                                        for this shell
  $ danelaw completion bash > /usr/share/bash-completion/completions/danelaw
  $ danelaw completion zsh > "\${fpath[1]}/_danelaw"
  $ danelaw completion fish > ~/.config/fish/completions/danelaw.fish

Exit codes: 0 printed    64 usage`;

export function define(command: Command, io: Io, finish: (code: ExitCode) => void): void {
  command
    .description(prose(DESCRIPTION))
    .addArgument(new Argument('<shell>', 'of which one').choices(SHELLS))
    .helpOption('-h, --help', 'show this help')
    .addHelpText('after', EXAMPLES)
    .action(async (shell: Shell) => {
      io.stdout.write(completionScript(modelOf(await wholeProgram(io)), shell));
      finish(EXIT.OK);
    });
}
