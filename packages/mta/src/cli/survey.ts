/** `danelaw survey FILE`: how the mail of many domains is protected. */
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { QUESTIONS_AT_ONCE } from '../survey/polite-resolver.js';
import { readResults } from '../survey/result-file.js';
import { runSurvey } from '../survey/run-survey.js';
import { SILENT_FOR_MS } from '../survey/server-line.js';
import { summaryHtml } from '../survey/summary-html.js';
import { describeSummary } from '../survey/summary-text.js';
import type { SurveyResult } from '../survey/survey-result.js';
import { SummaryCounter, type SurveySummary } from '../survey/survey-summary.js';
import { refuseCutEnd, refuseCutOutput } from './cut-output.js';
import { CommandError, EXIT, type ExitCode } from './exit.js';
import { addDnsOptions, addOutputOptions, addServerOptions } from './network-options.js';
import { countUpTo, countValue } from './option-values.js';
import { printableJson, printableLine } from './printable.js';
import { ProgressBar } from './progress-bar.js';
import { prose } from './prose.js';
import { openResults, readable, readDomains, type SurveyCommandOptions } from './survey-files.js';
import { openSurveyor, TIMEOUT_SECONDS } from './surveyor.js';
import { type Io, paletteFor, widthOf } from './terminal.js';
import { clockFrom } from './time.js';
import { writeWhole } from './write-whole.js';

/** Domains at a time: most of their time is waiting for name servers. */
const AT_ONCE = 200;

const DESCRIPTION = `Looks up many domains, one a line in FILE ("-" for standard input), and says how mail to each
is protected by DANE: MX records, whether they are signed, the hosts' TLSA records; MTA-STS and TLS reports.
Only DNS is asked, unless --connect is given.

Results are lines of JSON, written as they come. With -o they go to a file, and a survey that was stopped goes on
where it was when the same command is given again.

With --queue, several machines share the work. The first puts the list into a PostgreSQL database, and the others
are given the same --queue and no FILE. Results are kept there; each machine waits for all, writes them into the
file of -o, and prints the summary. A machine that dies gives back what it had.`;

const EXAMPLES = `
Examples:
  $ danelaw survey -o results.jsonl domains.txt
  $ danelaw survey -o results.jsonl --html survey.html domains.txt
  $ danelaw survey --summary results.jsonl                              the summary of results that are there
  $ danelaw survey domains.txt | jq -r 'select(.status == "broken").domain'
  $ danelaw survey --queue postgresql://survey@db.example/survey --name may domains.txt
  $ danelaw survey --queue postgresql://survey@db.example/survey        on another machine
  $ danelaw survey --queue postgresql://survey@db.example/survey --name may --summary -o results.jsonl

Exit codes: 0 all domains were asked about    64 usage    65 the file of results is something else, or there is
            no such survey    66 a file can't be read    73 a file can't be written
            74 whoever read the results went away before their end
            75 the database can't be reached    78 the database can't be used
            130 interrupted: the same command goes on with the rest`;

export function define(command: Command, io: Io, finish: (code: ExitCode) => void): void {
  command
    .description(prose(DESCRIPTION))
    .argument('[file]', 'domains, or with --summary results; none to join a survey of --queue')
    .addHelpText('after', EXAMPLES)
    .optionsGroup('Survey:')
    .option(
      '-o, --output <file>',
      'where results go; what it has is not asked again (default: standard output)',
    )
    .option('--concurrency <n>', 'domains at a time', countValue, AT_ONCE)
    .option(
      '--threads <n>',
      'processors to use, where DNS alone is asked (default: all, 4 at most)',
      countUpTo(QUESTIONS_AT_ONCE),
    )
    .option(
      '--connect',
      'talk to the mail servers as well, each a little at a time, and compare their certificates',
    )
    .option('--summary', 'FILE has results: sum them up, and ask nobody')
    .option('--html <file>', 'write the summary as a page with charts, too')
    .optionsGroup('Several machines:')
    .option(
      '--queue <url>',
      'share the work in this database: postgresql://USER@HOST/DATABASE; the password is best in a file or PGPASSWORD',
    )
    .option('--queue-password-file <file>', 'where the password is')
    .option(
      '--name <name>',
      'of the survey (default: the name of FILE; without FILE, the one that is under way)',
    )
    .option('--delete', 'take the survey out of the database');

  addServerOptions(command, String(TIMEOUT_SECONDS));
  addDnsOptions(command);
  addOutputOptions(command);
  command.action(async (file: string | undefined, options: SurveyCommandOptions) =>
    finish(await act(file, options, io)),
  );
}

const ONLY_WITH_QUEUE: Readonly<Record<string, (options: SurveyCommandOptions) => boolean>> = {
  '--queue-password-file': ({ queuePasswordFile }) => queuePasswordFile !== undefined,
  '--name': ({ name }) => name !== undefined,
  '--delete': (options) => options.delete === true,
};

async function act(file: string | undefined, options: SurveyCommandOptions, io: Io): Promise<ExitCode> {
  const { queue, summary } = options;
  if (queue === undefined) {
    const idle = Object.entries(ONLY_WITH_QUEUE).find(([, given]) => given(options));
    if (idle !== undefined) throw new CommandError(EXIT.USAGE, `${idle[0]} goes with --queue`);
    if (file === undefined) throw new CommandError(EXIT.USAGE, 'name the file with the domains');
    return summary === true ? await sumUp(file, options, io) : await survey(file, options, io);
  }
  if (file !== undefined && (summary === true || options.delete === true)) {
    throw new CommandError(
      EXIT.USAGE,
      'with --queue, --summary and --delete are for what the database has: name no file',
    );
  }
  const { surveyShared } = await import('./survey-shared.js');
  return await surveyShared(file, { ...options, queue }, io, (counts) =>
    tell(counts, options, io, io.stdout),
  );
}

async function sumUp(file: string, options: SurveyCommandOptions, io: Io): Promise<ExitCode> {
  const counter = new SummaryCounter();
  await readable(file, async () => {
    for await (const result of readResults(file)) counter.add(result);
  });
  await tell(counter.summary, options, io, io.stdout);
  return EXIT.OK;
}

async function survey(file: string, options: SurveyCommandOptions, io: Io): Promise<ExitCode> {
  const list = await readDomains(file, io);
  const counter = new SummaryCounter();
  const done = new Set<string>();
  const known = (result: SurveyResult): void => {
    done.add(result.domain);
    counter.add(result);
  };
  const results = options.output === undefined ? undefined : await openResults(options.output, known);
  const domains = list.filter((domain) => !done.has(domain));
  if (done.size > 0) {
    io.stderr.write(`danelaw: ${done.size.toLocaleString('en')} domains are in ${options.output} already\n`);
  }
  const bar = new ProgressBar(io, domains.length, 'domains');
  const onResult = async (result: SurveyResult): Promise<void> => {
    counter.add(result);
    bar.advance();
    if (results !== undefined) return await results.add(result);
    refuseCutOutput(io, CUT_RESULTS);
    io.stdout.write(`${printableLine(result)}\n`);
  };
  try {
    await ask(domains, onResult, options, io);
  } finally {
    io.stderr.write(`danelaw: ${bar.end()}\n`);
    await results?.close();
  }
  if (io.signal.aborted) {
    if (results !== undefined) io.stderr.write('danelaw: the same command goes on with the rest\n');
    return EXIT.INTERRUPTED;
  }
  if (results === undefined) await refuseCutEnd(io, CUT_RESULTS);
  await tell(counter.summary, options, io, results === undefined ? io.stderr : io.stdout);
  return EXIT.OK;
}

const CUT_RESULTS = 'the survey ended early: whoever read the results went away';

async function ask(
  domains: readonly string[],
  onResult: (result: SurveyResult) => Promise<void>,
  options: SurveyCommandOptions,
  io: Io,
): Promise<void> {
  const { signal } = io;
  setMaxListeners(0, signal); // each domain that is under way listens to it
  const surveyor = await openSurveyor(options, options.connect === true, io);
  const rest = (): Promise<void> => sleep(SILENT_FOR_MS, undefined, { signal }).catch(() => {});
  try {
    await runSurvey({
      domains,
      atOnce: options.concurrency,
      survey: (domain) => surveyor.survey(domain, signal),
      onResult,
      signal,
      // Silent name servers are asked nothing for a while: the second time around is to find them asked again.
      ...(options.resolver === 'iterate' ? { rest } : {}),
    });
  } finally {
    await surveyor.close();
  }
}

async function tell(
  summary: SurveySummary,
  { json, html, at }: SurveyCommandOptions,
  io: Io,
  to: Io['stdout'],
): Promise<void> {
  if (html !== undefined) await writeWhole(html, await summaryHtml(summary, clockFrom(at)()));
  const text = json
    ? printableJson(summary)
    : describeSummary(summary, paletteFor(to, io.env), widthOf(to)).join('\n');
  to.write(`${text}\n`);
}
