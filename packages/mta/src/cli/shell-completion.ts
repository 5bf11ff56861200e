/**
 * Completion for the shells: a script that knows all commands and options, so that no program is started while
 * somebody types.
 */
import type { CommandModel } from './command-model.js';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export function completionScript(program: CommandModel, shell: Shell): string {
  switch (shell) {
    case 'bash':
      return bash(program);
    case 'zsh':
      return zsh(program);
    case 'fish':
      return fish(program);
    default: {
      const never: never = shell;
      return never;
    }
  }
}

/** Every command, those of commands included. */
function all(model: CommandModel): readonly CommandModel[] {
  return [model, ...model.commands.flatMap(all)];
}

const optionsOf = ({ groups }: CommandModel) => groups.flatMap(({ options }) => options);
const wordsOf = (model: CommandModel): string[] => [
  ...model.commands.map(({ name }) => name),
  ...optionsOf(model).flatMap(({ names }) => names),
];

function bash(program: CommandModel): string {
  const cases = all(program).map((model) => {
    const withValue = optionsOf(model).flatMap(({ names, takesValue }) => (takesValue ? names : []));
    return `    ${quoted(model.path)}) words=${quoted(wordsOf(model).join(' '))}; values=${quoted(` ${withValue.join(' ')} `)} ;;`;
  });
  const paths = all(program).map(({ path }) => quoted(path));
  return `# danelaw: completion for bash. Put it into /usr/share/bash-completion/completions/danelaw, or
#     source <(danelaw completion bash)
_danelaw() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} path=danelaw word words values
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path $word" in
      ${paths.join('|')}) path="$path $word" ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=()
  if [[ "$values" == *" $before "* ]]; then
    compopt -o default
    return
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  [[ \${#COMPREPLY[@]} -gt 0 || "$current" == -* ]] || compopt -o default
}
complete -F _danelaw danelaw
`;
}

function zsh(program: CommandModel): string {
  const functions = all(program).map((model) => {
    const options = optionsOf(model).flatMap(({ names, takesValue, description }) =>
      names.map((name) =>
        quoted(`${name}${takesValue ? '=' : ''}[${plain(description)}]${takesValue ? ':value:_files' : ''}`),
      ),
    );
    const commands = model.commands.map(({ name, summary }) => quoted(`${name}:${plain(summary)}`));
    const rest = commands.length === 0 ? [`'*:file:_files'`] : [`'1: :->command'`, `'*:: :->rest'`];
    const choose =
      commands.length === 0
        ? ''
        : `
  case $state in
    command) local -a commands=(${commands.join(' ')}); _describe command commands ;;
    rest) case $words[1] in ${model.commands.map(({ name, path }) => `${name}) ${functionOf(path)} ;;`).join(' ')} *) _files ;; esac ;;
  esac`;
    return `${functionOf(model.path)}() {
  local state line
  _arguments -C ${[...options, ...rest].join(' ')}${choose}
}`;
  });
  return `#compdef danelaw
# danelaw: completion for zsh. Put it as _danelaw into a folder of $fpath.
${functions.join('\n')}
_danelaw "$@"
`;
}

const functionOf = (path: string): string => `_${path.replaceAll(/[ -]/gu, '_')}`;
/** What has a meaning in a specification of zsh is left out. */
const plain = (words: string): string => words.replaceAll(/[[\]:\\]/gu, ' ').replaceAll(/\s+/gu, ' ');

function fish(program: CommandModel): string {
  const lines = all(program).flatMap((model) => {
    const here = condition(model, program);
    const commands = model.commands.map(
      ({ name, summary }) =>
        `complete -c danelaw -n ${quoted(here)} -f -a ${quoted(name)} -d ${quoted(summary)}`,
    );
    const options = optionsOf(model).map(({ names, takesValue, description }) => {
      const flags = names.map((name) =>
        name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`,
      );
      const value = takesValue ? ' -r' : '';
      return `complete -c danelaw -n ${quoted(here)} ${flags.join(' ')}${value} -d ${quoted(description)}`;
    });
    return [...commands, ...options];
  });
  return `# danelaw: completion for fish. Put it into ~/.config/fish/completions/danelaw.fish
${lines.join('\n')}
`;
}

function condition(model: CommandModel, program: CommandModel): string {
  const words = model.path.split(' ').slice(1);
  const seen = words.map((word) => `__fish_seen_subcommand_from ${word}`);
  const below = model.commands.map(({ name }) => name);
  const none = below.length === 0 ? [] : [`not __fish_seen_subcommand_from ${below.join(' ')}`];
  return model === program ? (none[0] ?? 'true') : [...seen, ...none].join('; and ');
}

/** For a shell: one word, whatever is in it. */
const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
