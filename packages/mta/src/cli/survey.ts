/** `danelaw survey FILE`: how the mail of many domains is protected. */
import { setMaxListeners } from 'node:events';
import { createReadStream } from 'node:fs';
import { createResolver, type Resolver } from '@danelaw/dns';
import type { Command } from 'commander';
import { politeTransport } from '../survey/polite-transport.js';
import { ResultFile, ResultFileError, readResults } from '../survey/result-file.js';
import { runSurvey } from '../survey/run-survey.js';
import { ServersTurn } from '../survey/servers-turn.js';
import { summaryHtml } from '../survey/summary-html.js';
import { describeSummary } from '../survey/summary-text.js';
import { surveyDomain } from '../survey/survey-domain.js';
import type { SurveyResult } from '../survey/survey-result.js';
import { SummaryCounter, type SurveySummary } from '../survey/survey-summary.js';
import { readWorkList, type WorkList } from '../survey/work-list.js';
import { ehloName } from './ehlo-name.js';
import { CommandError, EXIT, type ExitCode } from './exit.js';
import {
  addDnsOptions,
  addOutputOptions,
  addServerOptions,
  clientSettings,
  fileErrorText,
  type MailOptions,
  resolverSettings,
} from './network-options.js';
import { openResolver } from './open-resolver.js';
import { countValue } from './option-values.js';
import { printable, printableJson, printableLine } from './printable.js';
import { ProgressBar } from './progress-bar.js';
import { prose } from './prose.js';
import { type Io, paletteFor, widthOf } from './terminal.js';
import { clockFrom } from './time.js';
import { writeErrorText, writeWhole } from './write-whole.js';

/** Domains at a time: most of their time is waiting for name servers. */
const AT_ONCE = 200;
/** Questions to one name server at a time, when it is we who iterate. */
const QUESTIONS_AT_ONCE = 20;
/** Sessions with one mail server at a time, and milliseconds between two. */
const SESSIONS_AT_ONCE = 1;
const SESSION_PAUSE = 1000;
/** Seconds for each step of a mail server: thousands are waited for. */
const TIMEOUT_SECONDS = 20;

const DESCRIPTION = `Looks up many domains, one a line in FILE ("-" for standard input), and says how mail to each
is protected by DANE: MX records, whether they are signed, the hosts' TLSA records; MTA-STS and TLS reports.
Only DNS is asked, unless --connect is given.

Results are lines of JSON, written as they come. With -o they go to a file, and a survey that was stopped goes on
where it was when the same command is given again.`;

const EXAMPLES = `
Examples:
  $ danelaw survey -o results.jsonl domains.txt
  $ danelaw survey -o results.jsonl --html survey.html domains.txt
  $ danelaw survey --summary results.jsonl                              the summary of results that are there
  $ danelaw survey domains.txt | jq -r 'select(.status == "broken").domain'

Exit codes: 0 all domains were asked about    64 usage    65 the file of results is something else
            66 a file can't be read    73 a file can't be written
            130 interrupted: the same command goes on with the rest`;

interface SurveyCommandOptions extends Omit<MailOptions, 'policy'> {
  readonly output?: string;
  readonly concurrency: number;
  readonly connect?: true;
  readonly summary?: true;
  readonly html?: string;
}

export function define(command: Command, io: Io, finish: (code: ExitCode) => void): void {
  command
    .description(prose(DESCRIPTION))
    .argument('<file>', 'domains, or with --summary results')
    .addHelpText('after', EXAMPLES)
    .optionsGroup('Survey:')
    .option(
      '-o, --output <file>',
      'where results go; what it has is not asked again (default: standard output)',
    )
    .option('--concurrency <n>', 'domains at a time', countValue, AT_ONCE)
    .option(
      '--connect',
      'talk to the mail servers as well, each a little at a time, and compare their certificates',
    )
    .option('--summary', 'FILE has results: sum them up, and ask nobody')
    .option('--html <file>', 'write the summary as a page with charts, too');

  addServerOptions(command, String(TIMEOUT_SECONDS));
  addDnsOptions(command);
  addOutputOptions(command);
  command.action(async (file: string, options: SurveyCommandOptions) =>
    finish(options.summary === true ? await sumUp(file, options, io) : await survey(file, options, io)),
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
  const list = await readable(file, () => readWorkList(file === '-' ? io.stdin : createReadStream(file)));
  sayMalformed(list, io);
  const counter = new SummaryCounter();
  const done = new Set<string>();
  const results = await openResults(options.output, (result) => {
    done.add(result.domain);
    counter.add(result);
  });
  const domains = list.domains.filter((domain) => !done.has(domain));
  if (done.size > 0) {
    io.stderr.write(`danelaw: ${done.size.toLocaleString('en')} domains are in ${options.output} already\n`);
  }
  const bar = new ProgressBar(io, domains.length, 'domains');
  const onResult = async (result: SurveyResult): Promise<void> => {
    counter.add(result);
    bar.advance();
    if (results === undefined) io.stdout.write(`${printableLine(result)}\n`);
    else await results.add(result);
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
  await tell(counter.summary, options, io, results === undefined ? io.stderr : io.stdout);
  return EXIT.OK;
}

async function ask(
  domains: readonly string[],
  onResult: (result: SurveyResult) => Promise<void>,
  options: SurveyCommandOptions,
  io: Io,
): Promise<void> {
  const clock = clockFrom(options.at);
  const settings = await clientSettings(
    { timeout: TIMEOUT_SECONDS * 1000, ...options, policy: 'dane', sts: false },
    clock,
    io.signal,
  );
  setMaxListeners(0, io.signal); // each domain that is under way listens to it
  const turns = new ServersTurn({ atOnce: SESSIONS_AT_ONCE, pause: SESSION_PAUSE });
  const resolver = openPoliteResolver(options, clock, io);
  const context = {
    ...settings,
    resolver,
    heloName: ehloName(options.helo),
    dnsOnly: options.connect !== true,
    turn: turns.turn,
  };
  try {
    await runSurvey({
      domains,
      atOnce: options.concurrency,
      survey: (domain) => surveyDomain(domain, context),
      onResult,
      signal: io.signal,
    });
  } finally {
    await resolver.close();
  }
}

/** Whoever has a resolver that works for him may keep it busy; strangers' name servers are spared. */
function openPoliteResolver(options: SurveyCommandOptions, clock: () => number, io: Io): Resolver {
  if (options.resolver !== 'iterate') return openResolver(options, clock, io);
  const transport = politeTransport(QUESTIONS_AT_ONCE);
  const resolver = createResolver({ ...resolverSettings(options, clock), transport });
  return {
    resolve: (...question) => resolver.resolve(...question),
    close: async () => {
      await resolver.close();
      await transport.close();
    },
  };
}

async function readable<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ResultFileError) throw new CommandError(EXIT.DATA, error.message);
    if (!(error instanceof Error && 'code' in error)) throw error;
    throw new CommandError(EXIT.NO_INPUT, `can't read ${file}: ${fileErrorText(error)}`);
  }
}

async function openResults(
  file: string | undefined,
  known: (result: SurveyResult) => void,
): Promise<ResultFile | undefined> {
  if (file === undefined) return undefined;
  try {
    return await ResultFile.open(file, known);
  } catch (error) {
    if (error instanceof ResultFileError) {
      throw new CommandError(EXIT.DATA, `${error.message}; name another file with -o`);
    }
    if (!(error instanceof Error && 'code' in error)) throw error;
    throw new CommandError(EXIT.CANT_CREATE, `can't write ${file}: ${writeErrorText(error)}`);
  }
}

function sayMalformed({ malformed, malformedCount, domains }: WorkList, { stderr }: Io): void {
  if (domains.length === 0) throw new CommandError(EXIT.DATA, 'there is no domain in the file');
  if (malformedCount === 0) return;
  const some = malformed.map((line) => `"${printable(line)}"`).join(', ');
  const more = malformedCount > malformed.length ? ', ...' : '';
  stderr.write(`danelaw: ${malformedCount} lines have no domain and are left out: ${some}${more}\n`);
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
