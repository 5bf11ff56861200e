/** All commands and options of the program, for tests of what is made from them and written about them. */
import { type CommandModel, modelOf } from '../cli/command-model.js';
import { wholeProgram } from '../cli/main.js';

export async function programModel(): Promise<CommandModel> {
  const silent = { write: () => true };
  const io = {
    stdout: silent,
    stderr: silent,
    stdin: (async function* () {})(),
    env: {},
    signal: new AbortController().signal,
  };
  return modelOf(await wholeProgram(io));
}
