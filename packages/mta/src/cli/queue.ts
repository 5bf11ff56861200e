/** `danelaw queue`: what is in the queue, and what an operator does about it. */
import { createReadStream } from 'node:fs';
import { parseDomain } from '@danelaw/smtp';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { CONFIG_FILE } from '../config/config-file.js';
import { parseDuration } from '../config/quantity.js';
import { exportQueue, ImportError, importQueue } from '../queue/export.js';
import { exportLines } from '../queue/export-lines.js';
import { openQueue } from '../queue/open-queue.js';
import { type Queue, type QueueAction, type QueueFilter, QueueUnusableError } from '../queue/queue.js';
import { isQueueId } from '../queue/queue-id.js';
import { refuseCutEnd, refuseCutOutput } from './cut-output.js';
import { CommandError, EXIT, type ExitCode } from './exit.js';
import { fileErrorText, readRelayConfiguration } from './network-options.js';
import { printable, printableJson, printableLine } from './printable.js';
import { prose } from './prose.js';
import { describeEntry, describeLine, pausesAt, withPauses } from './queue-report.js';
import { type Io, paletteFor, widthOf } from './terminal.js';

interface StoreOptions {
  readonly config?: string;
  readonly state?: string;
  readonly json?: true;
}

interface FilterOptions extends StoreOptions {
  readonly from?: string;
  readonly to?: string;
  readonly domain?: string;
  readonly olderThan?: number;
  readonly newerThan?: number;
  readonly reason?: string;
  readonly held?: true;
  readonly all?: true;
}

const DESCRIPTION = `
Shows what waits to be delivered, and changes it. The relay may run meanwhile, or not.

Most commands take the ids of messages, or filters, or both; what is named must fulfil all of them.
`.trim();

const EXAMPLES = `
Examples:
  $ danelaw queue list --domain example.org
  $ danelaw queue show 01kbq3w8nd7k2m9xq4
  $ danelaw queue retry --reason 'TLSA'          now, instead of when they are due
  $ danelaw queue hold --from @example.net       not tried until they are released
  $ danelaw queue delete --to nobody@example.org --older-than 2d
  $ danelaw queue export > queue.backup          a copy of everything
  $ danelaw queue import queue.backup            into this queue, which is made if need be

Exit codes: 0 done    64 usage    65 damaged export    66 unreadable file    69 no such message
            74 whoever read the export went away before its end
            75 the database is not there now    78 unusable queue or configuration`;

export function define(command: Command, io: Io, finish: (code: ExitCode) => void): void {
  command.description(prose(DESCRIPTION)).addHelpText('after', EXAMPLES);
  const sub = (name: string, summary: string): Command => {
    const made = command.command(name).summary(summary).description(summary);
    made.exitOverride().configureOutput(command.configureOutput());
    return made;
  };

  const list = sub('list', 'show messages, oldest first: one line for each recipient').argument('[id...]');
  addFilters(list);
  addStore(list);
  list.action(async (ids: string[], options: FilterOptions) =>
    finish(await withQueue(options, io, (queue) => showList(queue, ids, options, io))),
  );

  const show = sub('show', 'show all that is known of messages').argument('<id...>');
  show.option('--body', 'print the message itself, and nothing else');
  addStore(show);
  show.action(async (ids: string[], options: StoreOptions & { readonly body?: true }) =>
    finish(await withQueue(options, io, (queue) => showOne(queue, ids, options, io))),
  );

  for (const [action, summary] of ACTIONS) {
    const change = sub(action, summary).argument('[id...]');
    change.option('--all', 'every message');
    addFilters(change);
    addStore(change);
    change.action(async (ids: string[], options: FilterOptions) =>
      finish(await withQueue(options, io, (queue) => changeAll(queue, action, ids, options, io))),
    );
  }

  const out = sub('export', 'write messages to standard output, as a backup or for another queue');
  addFilters(out);
  addStore(out);
  out.action(async (options: FilterOptions) =>
    finish(await withQueue(options, io, (queue) => writeExport(queue, options, io))),
  );

  const into = sub('import', 'put what "export" wrote into the queue; what is there already stays').argument(
    '[file]',
    'standard input where it is "-" or left out',
  );
  addStore(into);
  into.action(async (file: string | undefined, options: StoreOptions) =>
    finish(await withQueue(options, io, (queue) => readImport(queue, file, options, io), 'maker')),
  );
}

const ACTIONS: readonly (readonly [QueueAction, string])[] = [
  ['retry', 'try messages now, and forget what is known of their destinations'],
  ['hold', 'do not try messages until they are released'],
  ['release', 'try messages again that were held'],
  ['delete', 'remove messages without a word to their senders'],
];

function addStore(command: Command): void {
  command
    .optionsGroup('Queue:')
    .option('--config <file>', `the relay's configuration (default: ${CONFIG_FILE}, if it is there)`)
    .option('--state <folder>', "the relay's folder, in place of the configuration's")
    .optionsGroup('Output:')
    .option('--json', 'JSON, an object for each message')
    .helpOption('-h, --help', 'show this help');
}

function addFilters(command: Command): void {
  command
    .optionsGroup('Filters:')
    .option('--from <address>', 'the sender: an address, @domain, or <> for bounces')
    .option('--to <address>', 'the recipient: an address or @domain')
    .option('--domain <domain>', 'the destination')
    .addOption(
      new Option('--older-than <time>', 'arrived longer ago: 90s, 5m, 4h, 5d').argParser(durationValue),
    )
    .addOption(new Option('--newer-than <time>', 'arrived since').argParser(durationValue))
    .option('--reason <text>', 'part of the reason why they wait')
    .option('--held', 'those that are held');
}

function durationValue(text: string): number {
  const value = parseDuration(text);
  if (value === undefined) throw new InvalidArgumentError('A time is as in 90s, 5m, 4h or 5d.');
  return value;
}

async function withQueue(
  options: StoreOptions,
  io: Io,
  work: (queue: Queue) => Promise<ExitCode>,
  mode: 'visitor' | 'maker' = 'visitor',
): Promise<ExitCode> {
  const { relay } = await readRelayConfiguration(options.config);
  const state = options.state ?? relay.state;
  let queue: Queue;
  try {
    queue = await openQueue({ ...relay, state }, mode);
  } catch (error) {
    if (error instanceof QueueUnusableError) throw new CommandError(EXIT.CONFIG, error.message);
    throw error;
  }
  try {
    return await work(queue);
  } finally {
    await queue.close();
    io.signal.throwIfAborted();
  }
}

async function filterOf(queue: Queue, options: FilterOptions, now: number): Promise<QueueFilter> {
  const { from, to, domain, olderThan, newerThan, reason, held } = options;
  return {
    downFor: reason === undefined ? undefined : await downFor(queue, reason, now),
    from: asQueued(from),
    to: asQueued(to),
    destination: domain === undefined ? undefined : (parseDomain(domain) ?? domain),
    arrivedBefore: olderThan === undefined ? undefined : now - olderThan,
    arrivedAfter: newerThan === undefined ? undefined : now - newerThan,
    reason,
    state: held === true ? 'held' : undefined,
  };
}

/** What waits for its destination waits for that reason, as `list` says. */
async function downFor(queue: Queue, reason: string, now: number): Promise<string[]> {
  const pauses = await pausesAt(now, queue.destinations());
  const part = reason.toLowerCase();
  return [...pauses.values()].flatMap((each) =>
    each.reason.toLowerCase().includes(part) ? each.destination : [],
  );
}

/** An address or `@domain` as the queue has it: its domain in A-labels. */
function asQueued(pattern: string | undefined): string | undefined {
  const at = pattern?.lastIndexOf('@') ?? -1;
  const domain = pattern === undefined || at === -1 ? undefined : parseDomain(pattern.slice(at + 1));
  return domain === undefined ? pattern : `${pattern?.slice(0, at + 1)}${domain}`;
}

/** One filter for each id, or the one without. */
async function filtersOf(
  queue: Queue,
  ids: readonly string[],
  options: FilterOptions,
  now: number,
): Promise<QueueFilter[]> {
  const filter = await filterOf(queue, options, now);
  for (const id of ids) {
    if (!isQueueId(id)) throw new CommandError(EXIT.USAGE, `"${id}" is no id of a message`);
  }
  return ids.length === 0 ? [filter] : ids.map((id) => ({ ...filter, id }));
}

async function showList(
  queue: Queue,
  ids: readonly string[],
  options: FilterOptions,
  io: Io,
): Promise<ExitCode> {
  const now = Date.now();
  const palette = paletteFor(io.stdout, io.env);
  const pauses = await pausesAt(now, queue.destinations());
  let messages = 0;
  let recipients = 0;
  for (const filter of await filtersOf(queue, ids, options, now)) {
    for await (const entry of queue.list(filter)) {
      io.signal.throwIfAborted();
      if (io.readerGone?.aborted) return EXIT.OK;
      messages += 1;
      recipients += entry.recipients.length;
      if (options.json) io.stdout.write(`${printableLine(withPauses(entry, pauses))}\n`);
      else for (const line of describeLine(entry, pauses, palette, now)) io.stdout.write(`${line}\n`);
    }
  }
  if (!options.json) {
    const words =
      messages === 0 ? 'nothing' : `${count(recipients, 'recipient')} of ${count(messages, 'message')}`;
    io.stdout.write(`${palette.faint(words)}\n`);
  }
  return EXIT.OK;
}

async function showOne(
  queue: Queue,
  ids: readonly string[],
  options: StoreOptions & { readonly body?: true },
  io: Io,
): Promise<ExitCode> {
  const now = Date.now();
  const pauses = await pausesAt(now, queue.destinations());
  for (const { id = '' } of await filtersOf(queue, ids, {}, now)) {
    const entry = await queue.read(id);
    if (entry === undefined) {
      throw new CommandError(
        EXIT.UNAVAILABLE,
        `there is no message ${id} in the queue; it may have been delivered`,
      );
    }
    if (options.body) io.stdout.write(await queue.body(id));
    else if (options.json) io.stdout.write(`${printableJson(withPauses(entry, pauses))}\n`);
    else {
      const palette = paletteFor(io.stdout, io.env);
      const lines = describeEntry(entry, pauses, palette, widthOf(io.stdout), now);
      io.stdout.write(`${lines.join('\n')}\n`);
    }
  }
  return EXIT.OK;
}

async function changeAll(
  queue: Queue,
  action: QueueAction,
  ids: readonly string[],
  options: FilterOptions,
  io: Io,
): Promise<ExitCode> {
  const { all, json, config, state, ...filters } = options;
  if (ids.length === 0 && all !== true && Object.keys(filters).length === 0) {
    throw new CommandError(EXIT.USAGE, `which messages? Name ids or filters, or say --all`);
  }
  const now = Date.now();
  let changed = 0;
  const named = await filtersOf(queue, ids, filters, now);
  for (const filter of named) changed += await queue.change(filter, action, now);
  const palette = paletteFor(io.stdout, io.env);
  if (json) io.stdout.write(`${printableJson({ action, recipients: changed })}\n`);
  else io.stdout.write(`${palette.strong(PAST[action])} ${count(changed, 'recipient')}\n`);
  return ids.length > 0 && changed === 0 ? EXIT.UNAVAILABLE : EXIT.OK;
}

const PAST: Readonly<Record<QueueAction, string>> = {
  hold: 'held',
  release: 'released',
  delete: 'deleted',
  retry: 'made due',
};

const CUT_EXPORT = 'the export is not whole: whoever read it went away before its end';

async function writeExport(queue: Queue, options: FilterOptions, io: Io): Promise<ExitCode> {
  const filter = await filterOf(queue, options, Date.now());
  const { messages, lost } = await exportQueue(queue, filter, (line) => {
    io.signal.throwIfAborted();
    refuseCutOutput(io, CUT_EXPORT);
    io.stdout.write(`${line}\n`);
  });
  await refuseCutEnd(io, CUT_EXPORT);
  io.stderr.write(`danelaw: ${count(messages, 'message')} written\n`);
  for (const id of lost) io.stderr.write(`danelaw: ${id} was left out: its body is lost\n`);
  return lost.length > 0 ? EXIT.DATA : EXIT.OK;
}

async function readImport(
  queue: Queue,
  file: string | undefined,
  options: StoreOptions,
  io: Io,
): Promise<ExitCode> {
  try {
    const { added, present } = await importQueue(queue, linesOf(file, io));
    if (options.json) io.stdout.write(`${printableJson({ added, present })}\n`);
    else io.stdout.write(`${count(added, 'message')} added, ${present} were there already\n`);
    return EXIT.OK;
  } catch (error) {
    if (error instanceof ImportError) throw new CommandError(EXIT.DATA, error.message);
    if (error instanceof Error && 'syscall' in error && file !== undefined) {
      throw new CommandError(EXIT.NO_INPUT, `can't read ${file}: ${fileErrorText(error)}`);
    }
    throw error;
  }
}

function linesOf(file: string | undefined, io: Io): AsyncIterable<string> {
  return exportLines(file === undefined || file === '-' ? io.stdin : createReadStream(file));
}

const count = (number: number, what: string): string =>
  `${printable(String(number))} ${what}${number === 1 ? '' : 's'}`;
