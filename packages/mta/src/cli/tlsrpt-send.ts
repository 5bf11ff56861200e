/** `danelaw tlsrpt send`: the reports that are due, without a relay. */
import { readFile } from 'node:fs/promises';
import type { Resolver } from '@danelaw/dns';
import { parseAddress } from '../address.js';
import { type DkimKey, readDkimKey } from '../tlsrpt/dkim.js';
import { type ReportEvent, Reporter } from '../tlsrpt/reporter.js';
import { State, StateError } from '../tlsrpt/state.js';
import { submitNow } from '../tlsrpt/submit-now.js';
import { ehloName } from './ehlo-name.js';
import { CommandError, EXIT, type ExitCode } from './exit.js';
import { everyStage, fileErrorText, readConfiguration, readWebRoots } from './network-options.js';
import { withResolver } from './open-resolver.js';
import { printable, printableJson } from './printable.js';
import { hanging, type Io, widthOf } from './terminal.js';
import { clockFrom } from './time.js';
import type { SendReportsOptions } from './tlsrpt.js';

export async function sendReports(options: SendReportsOptions, io: Io): Promise<ExitCode> {
  const { organization, contact } = options;
  if (organization === undefined)
    throw new CommandError(EXIT.USAGE, '--organization is missing: who reports');
  if (contact === undefined)
    throw new CommandError(EXIT.USAGE, '--contact is missing: whom to ask about reports');
  const identity = { organization, contact: address('--contact', contact) };
  const from = options.from === undefined ? identity.contact : address('--from', options.from);
  const dkim = await dkimKeys(options, from);
  const clock = clockFrom(options.at);
  const state = new State(options.state, (text) => void io.stderr.write(`danelaw: ${printable(text)}\n`));
  const events: ReportEvent[] = [];
  const unlock = await usable(async () => {
    await state.prepare();
    return await state.lock();
  });
  if (unlock === undefined) {
    const words = `another process sends the reports of ${options.state} (see sending.lock there)`;
    throw new CommandError(EXIT.TEMPORARY, words);
  }
  try {
    await withResolver(options, clock, io, async (resolver) => {
      const network = await networkOf(options, resolver, clock);
      const reporter = new Reporter({
        state,
        ...identity,
        from,
        dkim,
        ...network,
        resolver,
        clock,
        random: Math.random,
        log: (event) => events.push(event),
        immediately: options.now ?? false,
      });
      await usable(() => reporter.step(io.signal));
    });
  } finally {
    await unlock();
  }
  tell(events, options, io);
  return events.some(({ event }) => event === 'retry') ? EXIT.TEMPORARY : EXIT.OK;
}

async function networkOf(options: SendReportsOptions, resolver: Resolver, clock: () => number) {
  const { timeout, smtpPort, webRoots } = options;
  const { policyTable, credentials } = await readConfiguration(options.config);
  const roots = webRoots === undefined ? {} : { roots: readWebRoots(webRoots) };
  const submit = submitNow({
    resolver,
    heloName: ehloName(options.helo),
    policyTable,
    credentials: (name) => credentials.get(name),
    clock,
    ...roots,
    ...(smtpPort === undefined ? {} : { port: smtpPort }),
    ...(timeout === undefined ? {} : { timeouts: everyStage(timeout) }),
  });
  return { submit, post: { ...roots, timeout } };
}

function address(option: string, text: string): string {
  const parsed = parseAddress(text);
  if (!parsed.ok) throw new CommandError(EXIT.USAGE, `${option} ${text}: ${parsed.reason}`);
  return parsed.mailbox.address;
}

/** "by the reporting domain" (RFC 8460 section 3): the author's, or one above it. */
async function dkimKeys(options: SendReportsOptions, from: string): Promise<DkimKey[]> {
  const { dkimKey = [], dkimSelector: selector } = options;
  if (dkimKey.length === 0) return [];
  if (selector === undefined) throw new CommandError(EXIT.USAGE, '--dkim-key needs --dkim-selector as well');
  const author = from.slice(from.lastIndexOf('@') + 1);
  const domain = options.dkimDomain?.toLowerCase() ?? author;
  if (author !== domain && !author.endsWith(`.${domain}`)) {
    throw new CommandError(EXIT.USAGE, `--dkim-domain ${domain}: the reporting domain is ${author}`);
  }
  const keys: DkimKey[] = [];
  for (const file of dkimKey) {
    try {
      keys.push(readDkimKey(domain, selector, await readFile(file, 'utf8')));
    } catch (error) {
      throw new CommandError(EXIT.CONFIG, `--dkim-key: ${file}: ${fileErrorText(error)}`);
    }
  }
  return keys;
}

async function usable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StateError) throw new CommandError(EXIT.CONFIG, `--state: ${error.message}`);
    throw error;
  }
}

function tell(events: readonly ReportEvent[], options: SendReportsOptions, io: Io): void {
  if (options.json) {
    io.stdout.write(`${printableJson({ events })}\n`);
    return;
  }
  const lines = events.flatMap(({ event, day, domain, words }) => {
    const what = domain === null ? day : `${day} ${domain}`;
    return hanging(`${printable(what)}  `, printable(`${EVENT_WORDS[event]}: ${words}`), widthOf(io.stdout));
  });
  io.stdout.write(lines.length === 0 ? 'Nothing is due.\n' : `${lines.join('\n')}\n`);
}

const EVENT_WORDS: Readonly<Record<ReportEvent['event'], string>> = {
  sent: 'sent',
  'no-record': 'no report wanted',
  retry: 'to be tried again',
  dropped: 'dropped',
  'in-doubt': 'in doubt',
  'day-dropped': 'dropped',
};
