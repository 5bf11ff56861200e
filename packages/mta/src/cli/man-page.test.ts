import { execFileSync } from 'node:child_process';
import { Command } from 'commander';
import { beforeAll, describe, expect, it } from 'vitest';
import { programModel } from '../testing/program-model.js';
import { type CommandModel, modelOf } from './command-model.js';
import { manPages } from './man-page.js';
import { completionScript } from './shell-completion.js';

let program: CommandModel;

beforeAll(async () => {
  program = await programModel();
});

describe('manual pages', () => {
  it('are there for the program and each of its commands, each with its sections', () => {
    const pages = manPages(program, '1.2.3');
    const names = program.commands.map(({ name }) => `danelaw-${name}.1`);
    expect(pages.map(({ file }) => file)).toEqual(['danelaw.1', ...names]);
    for (const { file, text } of pages) {
      for (const section of ['NAME', 'SYNOPSIS', 'DESCRIPTION', 'OPTIONS', 'EXIT STATUS', 'SEE ALSO']) {
        expect(text, file).toMatch(new RegExp(`\n\\.S[HS] ${section}\n`, 'u'));
      }
      const requests = text.split('\n').filter((line) => /^[.']/u.test(line));
      expect(requests.filter((line) => !/^\.(?:TH|SH|SS|TP|PP|B|BR|I|nf|fi)\b/u.test(line))).toEqual([]);
    }
  });

  it('have every option of every command of a command', () => {
    const queue = manPages(program, '1.2.3').find(({ file }) => file === 'danelaw-queue.1')?.text;
    for (const words of ['DANELAW QUEUE EXPORT', '\\-\\-older\\-than <time>', '\\-\\-body']) {
      expect(queue).toContain(words);
    }
  });

  it('take nothing of the help for a request or an escape', () => {
    const odd = new Command('odd')
      .description(".TH of its own\n\n  'indented\\n")
      .addHelpText(
        'after',
        '\nExamples:\n    .so /etc/passwd\n      deeper\n\nExit codes: 0 fine\n            1 not',
      );
    const text = manPages(modelOf(odd), '1')[0]?.text ?? '';
    expect(text).toContain("\n\\&.TH of its own\n.PP\n.nf\n  'indented\\en\n.fi");
    expect(text).toContain(
      '.SH EXAMPLES\n.nf\n\\&.so /etc/passwd\n  deeper\n.fi\n.SH EXIT STATUS\n.nf\n0 fine\n1 not\n.fi',
    );
  });
});

describe('completion in bash', () => {
  it.each<[line: string, words: string]>([
    ['que', 'queue'],
    ['queue hol', 'hold'],
    ['queue list --older', '--older-than'],
    ['check --js', '--json'],
    ['tlsa ver', 'verify'],
    ['help --js', ''],
    ['check --config ', ''],
  ])('of "danelaw %s"', (line, words) => {
    const script = `${completionScript(program, 'bash')}
COMP_WORDS=(danelaw "$@"); COMP_CWORD=$#; compopt() { :; }; _danelaw; echo "\${COMPREPLY[*]}"`;
    const typed = line.split(' ');
    expect(execFileSync('bash', ['-c', script, 'bash', ...typed], { encoding: 'utf8' }).trim()).toBe(words);
  });
});
