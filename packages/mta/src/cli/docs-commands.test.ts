/** Whoever follows the documents types what they say: each command and option in them is there. */
import { beforeAll, describe, expect, it } from 'vitest';
import { documents } from '../testing/documents.js';
import { programModel } from '../testing/program-model.js';
import type { CommandModel } from './command-model.js';

let program: CommandModel;

beforeAll(async () => {
  program = await programModel();
});

/** In blocks, after a prompt or not, and in code within a sentence. */
function commandLines(text: string): string[] {
  const joined = text.replaceAll(/ \\\n\s*/gu, ' ');
  const blocks = [...joined.matchAll(/^ *(?:\$ |# )?(?:sudo )?(danelaw [a-z-].*)$/gmu)];
  const spans = [...joined.matchAll(/`(danelaw [a-z-][^`]*)`/gu)];
  return [...blocks, ...spans].map(([, line = '']) =>
    line.replace(/ {2,}.*$|\s(?:[|>;#]|&&|2>|<[^a-z]).*$/u, ''),
  );
}

/** What is wrong with a line; undefined where nothing is. */
function faultOf(line: string): string | undefined {
  // A text in quotes is one word.
  const words = line.match(/"[^"]*"|'[^']*'|\S+/gu)?.slice(1) ?? [];
  let command = program;
  let isPath = true;
  for (const [index, word] of words.entries()) {
    // One of several: `queue retry|hold`.
    if (word.includes('|')) return undefined;
    if (word.startsWith('-') && word !== '-' && word !== '--') {
      isPath = false;
      const [name = ''] = word.split(/[=\])]/u);
      // The options of `sendmail` are those of others, and stick to their values.
      if (command.name === 'sendmail' || command.name === 'demo') continue;
      const known = command.groups.flatMap(({ options }) => options.flatMap(({ names }) => names));
      if (!known.includes(name.replace(/[.,:]$/u, ''))) return `${command.path} has no ${name}`;
      continue;
    }
    const next = isPath ? command.commands.find(({ name }) => name === word) : undefined;
    if (next !== undefined) command = next;
    else if (index === 0) return `there is no danelaw ${word}`;
    else if (isPath && command.commands.length > 0 && /^[a-z-]{2,}$/u.test(word)) {
      return `${command.path} has no ${word}`;
    } else isPath = false;
  }
  return undefined;
}

describe('the documents', () => {
  it('name no command and no option that is not there', () => {
    // Of prose: "danelaw is ...", "danelaw takes ...".
    const isCommand = (line: string): boolean =>
      program.commands.some(({ name }) => name === line.split(' ')[1]) || /^danelaw [a-z-]+$/u.test(line);
    const lines = documents().flatMap(({ path, text }) =>
      commandLines(text)
        .filter(isCommand)
        .map((line) => ({ path, line, fault: faultOf(line) })),
    );
    expect(lines.length).toBeGreaterThan(100);
    expect(lines.filter(({ fault }) => fault !== undefined)).toEqual([]);
  });

  it.each([
    ['danelaw queue lsit', 'danelaw queue has no lsit'],
    ['danelaw check example.org --jsno', 'danelaw check has no --jsno'],
    ['danelaw chekc', 'there is no danelaw chekc'],
    ['danelaw tlsa rollover step --state DIR --dry-run', undefined],
  ])('and "%s" is found out', (line, fault) => {
    expect(faultOf(line)).toBe(fault);
  });
});
