/** What a command's help says, as data: for manual pages and for the shells' completion. */
import type { Command, Option } from 'commander';

export interface CommandModel {
  /** `danelaw`, `danelaw queue`, `danelaw queue list` */
  readonly path: string;
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  /** What stands behind the path: `[options] <domain...>` */
  readonly usage: string;
  readonly arguments: readonly { readonly name: string; readonly description: string }[];
  readonly groups: readonly OptionGroup[];
  readonly commands: readonly CommandModel[];
  /** Examples, exit codes: as they stand below the help. */
  readonly after: string;
}

export interface OptionGroup {
  readonly title: string;
  readonly options: readonly OptionModel[];
}

export interface OptionModel {
  readonly flags: string;
  readonly names: readonly string[];
  readonly takesValue: boolean;
  readonly description: string;
}

/** @param command with all that belongs to it defined */
export function modelOf(command: Command, parents = ''): CommandModel {
  const help = command.createHelp();
  const path = `${parents}${command.name()}`;
  const groups = help.groupItems(
    [...command.options],
    help.visibleOptions(command),
    (option) => option.helpGroupHeading ?? 'Options:',
  );
  return {
    path,
    name: command.name(),
    summary: help.subcommandDescription(command),
    description: help.commandDescription(command),
    usage: command.usage(),
    arguments: help.visibleArguments(command).map((argument) => ({
      name: help.argumentTerm(argument),
      description: help.argumentDescription(argument),
    })),
    groups: [...groups].map(([title, options]) => ({
      title: title.replace(/:$/u, ''),
      options: options.map((option) => optionModel(option, help.optionDescription(option))),
    })),
    commands: help
      .visibleCommands(command)
      .filter((each) => each.name() !== 'help')
      .map((each) => modelOf(each, `${path} `)),
    after: afterHelp(command),
  };
}

function optionModel(option: Option, description: string): OptionModel {
  return {
    flags: option.flags,
    names: [option.short, option.long].flatMap((name) => name ?? []),
    takesValue: option.required || option.optional,
    description,
  };
}

/** What `addHelpText` put behind the help itself. */
function afterHelp(command: Command): string {
  const before = command.configureOutput();
  let text = '';
  command.configureOutput({
    ...before,
    writeOut: (more) => {
      text += more;
    },
  });
  command.outputHelp();
  command.configureOutput(before);
  return text.slice(command.helpInformation().length).trim();
}
