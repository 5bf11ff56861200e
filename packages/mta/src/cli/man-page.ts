/** Manual pages (man(7)) from the commands' own help, so that there is one text. */
import type { CommandModel, OptionGroup } from './command-model.js';

export interface ManPage {
  /** `danelaw-check.1` */
  readonly file: string;
  readonly text: string;
}

/** One page for the program, and one for each of its commands, with what belongs to that. */
export function manPages(program: CommandModel, version: string): readonly ManPage[] {
  const names = [program, ...program.commands].map(pageName);
  return [program, ...program.commands].map((model) => ({
    file: `${pageName(model)}.1`,
    text: manPage(model, names, version),
  }));
}

const pageName = ({ path }: CommandModel): string => path.replaceAll(' ', '-');

function manPage(model: CommandModel, names: readonly string[], version: string): string {
  const name = pageName(model);
  const isProgram = model.path === model.name;
  const others = names.filter((each) => each !== name && (isProgram || each === 'danelaw'));
  return [
    `.TH ${name.toUpperCase()} 1 "" "danelaw ${version}" "danelaw"`,
    '.SH NAME',
    `${text(name)} \\- ${text(isProgram ? 'a mail relay and tools that follow RFC 7672 (DANE for SMTP)' : model.summary)}`,
    '.SH SYNOPSIS',
    `.B ${text(model.path)}`,
    text(model.usage),
    '.SH DESCRIPTION',
    ...paragraphs(model.description),
    ...(model.arguments.length === 0 ? [] : ['.SH ARGUMENTS', ...terms(model.arguments)]),
    ...options(model.groups, '.SH OPTIONS'),
    ...(isProgram ? commandList(model) : model.commands.flatMap(subcommand)),
    ...after(model.after, '.SH'),
    '.SH SEE ALSO',
    others.map((each) => `.BR ${text(each)} (1)`).join(' ,\n'),
    '',
  ].join('\n');
}

const terms = (list: readonly { readonly name: string; readonly description: string }[]): string[] =>
  list.flatMap(({ name, description }) => ['.TP', `.I ${text(name)}`, text(description)]);

function options(groups: readonly OptionGroup[], heading: string): string[] {
  if (groups.length === 0) return [];
  return [
    heading,
    ...groups.flatMap(({ title, options: list }) => [
      ...(groups.length === 1 ? [] : [`.SS ${text(title)}`]),
      ...list.flatMap(({ flags, description }) => ['.TP', `.B ${text(flags)}`, text(description)]),
    ]),
  ];
}

const commandList = ({ commands }: CommandModel): string[] => [
  '.SH COMMANDS',
  ...commands.flatMap((each) => ['.TP', `.BR ${text(pageName(each))} (1)`, text(each.summary)]),
];

function subcommand(model: CommandModel): string[] {
  return [
    `.SH ${text(model.path.toUpperCase())}`,
    `.B ${text(model.path)}`,
    text(model.usage),
    '.PP',
    ...paragraphs(model.description),
    ...terms(model.arguments.filter(({ description }) => description !== '')),
    ...model.groups.flatMap(({ options: list }) =>
      list.flatMap(({ flags, description }) => ['.TP', `.B ${text(flags)}`, text(description)]),
    ),
    ...after(model.after, '.SS'),
    ...model.commands.flatMap(subcommand),
  ];
}

/** Prose is filled; what is indented stands as it is. */
function paragraphs(prose: string): string[] {
  return prose.split(/\n{2,}/u).flatMap((part, index) => {
    const before = index === 0 ? [] : ['.PP'];
    return /^\s/mu.test(part) ? [...before, ...asItIs(part)] : [...before, text(part.replaceAll('\n', ' '))];
  });
}

const HEADINGS: Readonly<Record<string, string>> = { Examples: 'EXAMPLES', 'Exit codes': 'EXIT STATUS' };

/**
 * Sections begin with a word and a colon at the left margin.
 * @param level the request for a heading
 */
function after(block: string, level: '.SH' | '.SS'): string[] {
  if (block === '') return [];
  return block.split(/\n(?=[A-Z][a-z ]+:)|\n\n(?=\S)/u).flatMap((part) => {
    const [, word = '', first = '', others = ''] = /^([A-Z][a-z ]+):(.*)\n?([\s\S]*)$/u.exec(part) ?? [];
    const heading = HEADINGS[word];
    if (heading === undefined) return ['.PP', ...asItIs(part)];
    return [`${level} ${heading}`, ...asItIs(atMargin(first.trim(), others))];
  });
}

/** What stands behind the heading, and the lines below it, which are moved to the left together. */
function atMargin(first: string, block: string): string {
  const lines = block.split('\n');
  const depth = Math.min(...lines.filter((line) => line.trim() !== '').map((line) => line.search(/\S/u)));
  const moved = block === '' ? [] : lines.map((line) => line.slice(depth));
  return (first === '' ? moved : [first, ...moved]).join('\n');
}

const asItIs = (block: string): string[] => ['.nf', ...block.split('\n').map(text), '.fi'];

/** Nothing in it is taken for a request or an escape, and a hyphen is one that can be copied. */
function text(line: string): string {
  const escaped = line.replaceAll('\\', '\\e').replaceAll('-', '\\-');
  return /^[.']/u.test(escaped) ? `\\&${escaped}` : escaped;
}
