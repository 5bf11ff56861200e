/** `danelaw survey --queue`: one list, worked off by several machines that share a database. */
import { setMaxListeners } from 'node:events';
import { rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, extname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { QueueFullError, QueueUnavailableError, QueueUnusableError } from '../queue/queue.js';
import { LEASE, runShared } from '../survey/shared/run-shared.js';
import { SharedSurvey, sharedResults } from '../survey/shared/shared-survey.js';
import { SharedSurveyError, SharedSurveys, type SurveyRecord } from '../survey/shared/shared-surveys.js';
import { SummaryCounter, type SurveySummary } from '../survey/survey-summary.js';
import { CommandError, EXIT, type ExitCode } from './exit.js';
import { ProgressBar } from './progress-bar.js';
import { openResults, readDomains, type SurveyCommandOptions, writingFailed } from './survey-files.js';
import { openSurveyor } from './surveyor.js';
import type { Io } from './terminal.js';

/** Milliseconds: how long a mail server is another machine's at most when that has died, and how often it is asked for. */
const SLOT_LEASE = 30_000;
const SLOT_AGAIN = 500;

export interface SharedOptions extends SurveyCommandOptions {
  readonly queue: string;
}

/** @param tell prints the summary */
export async function surveyShared(
  file: string | undefined,
  options: SharedOptions,
  io: Io,
  tell: (summary: SurveySummary) => Promise<void>,
): Promise<ExitCode> {
  try {
    // Said before hours of work, not after.
    if (options.output !== undefined) await (await openResults(options.output, () => {})).close();
    const address = { url: options.queue, passwordFile: options.queuePasswordFile };
    const surveys = await SharedSurveys.open(address, io.signal);
    try {
      return await withSurveys(surveys, file, options, io, tell);
    } finally {
      await surveys.close();
    }
  } catch (error) {
    if (io.signal.aborted) return EXIT.INTERRUPTED;
    throw inWords(error);
  }
}

async function withSurveys(
  surveys: SharedSurveys,
  file: string | undefined,
  options: SharedOptions,
  io: Io,
  tell: (summary: SurveySummary) => Promise<void>,
): Promise<ExitCode> {
  if (options.delete === true) {
    const { name } = options;
    if (name === undefined) throw new CommandError(EXIT.USAGE, '--delete: say which with --name');
    await surveys.remove(await surveys.find(name));
    return EXIT.OK;
  }
  const name = file === undefined ? options.name : await putIn(surveys, file, options, io);
  const record = await surveys.find(name, options.connect);
  if (options.summary !== true) {
    await work(surveys, record, options, io);
    if (io.signal.aborted) {
      io.stderr.write(
        `danelaw: what was found is kept; danelaw survey --queue ... --name ${record.name} goes on\n`,
      );
      return EXIT.INTERRUPTED;
    }
  }
  await tell(await gather(surveys, record, options.output));
  return EXIT.OK;
}

/** Resolves to the name of the survey: that of the file, where no other is given. */
async function putIn(
  surveys: SharedSurveys,
  file: string,
  { name = file === '-' ? 'survey' : basename(file, extname(file)), connect }: SharedOptions,
  io: Io,
): Promise<string> {
  const domains = await readDomains(file, io);
  const added = await surveys.add({ name, connects: connect, domains });
  const count = (domain: number): string => domain.toLocaleString('en');
  const known = domains.length - added;
  const rest = known > 0 ? `, ${count(known)} are in it already` : '';
  io.stderr.write(`danelaw: survey "${name}": ${count(added)} domains put in${rest}\n`);
  return name;
}

async function work(
  surveys: SharedSurveys,
  record: SurveyRecord,
  options: SharedOptions,
  io: Io,
): Promise<void> {
  setMaxListeners(0, io.signal);
  const { database } = surveys;
  const survey = await SharedSurvey.join(database, record, hostname(), LEASE);
  const before = await survey.progress();
  const bar = new ProgressBar(io, before.domains, 'domains', undefined, before.done);
  let ours = 0;
  const take = (server: string): Promise<() => void> => turnOfAll(surveys, server, io.signal);
  const surveyor = await openSurveyor(options, record.connects, io, take);
  try {
    await runShared({
      work: survey,
      atOnce: options.concurrency,
      survey: (domain, signal) => surveyor.survey(domain, signal),
      onProgress: (progress) => {
        ours = progress.ours;
        bar.advanceTo(progress.done, progress.machines === 1 ? '' : `, ${progress.machines} machines`);
      },
      signal: io.signal,
    });
  } finally {
    io.stderr.write(`danelaw: ${bar.end()}, ${ours.toLocaleString('en')} of them by this machine\n`);
    await surveyor.close();
  }
}

async function turnOfAll({ slots }: SharedSurveys, server: string, signal: AbortSignal): Promise<() => void> {
  for (;;) {
    const slot = await slots.take(server, 1, SLOT_LEASE);
    if (slot !== undefined) return () => slot.release();
    await sleep(SLOT_AGAIN, undefined, { signal });
  }
}

/** Sums up what the database has, and writes it into the file, where one is wanted. */
async function gather(
  { database }: SharedSurveys,
  record: SurveyRecord,
  output: string | undefined,
): Promise<SurveySummary> {
  const counter = new SummaryCounter();
  if (output === undefined) {
    for await (const result of sharedResults(database, record)) counter.add(result);
    return counter.summary;
  }
  // It is what it was, or has all of them.
  const unfinished = `${output}.${process.pid}.new`;
  const results = await openResults(unfinished, () => {});
  try {
    for await (const result of sharedResults(database, record)) {
      counter.add(result);
      await results.add(result);
    }
    await results.close();
    await rename(unfinished, output);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw writingFailed(output, error);
  }
  return counter.summary;
}

function inWords(error: unknown): unknown {
  if (error instanceof QueueUnusableError) return new CommandError(EXIT.CONFIG, `--queue: ${error.message}`);
  if (error instanceof QueueUnavailableError || error instanceof QueueFullError) {
    return new CommandError(
      EXIT.TEMPORARY,
      `--queue: ${error.message}; what was found is kept, and the same command goes on`,
    );
  }
  if (error instanceof SharedSurveyError) return new CommandError(EXIT.DATA, error.message);
  return error;
}
