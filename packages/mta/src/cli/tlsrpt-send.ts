/** `danelaw tlsrpt send`: the reports that are due, without a relay. */
import type { Resolver } from '@danelaw/dns';
import { parseAddress } from '../address.js';
import { Dkim } from '../dkim/dkim.js';
import { DkimConfigError, type DkimRule, loadDkimKeys } from '../dkim/dkim-rules.js';
import { type ReportEvent, Reporter } from '../tlsrpt/reporter.js';
import { State, StateError } from '../tlsrpt/state.js';
import { submitNow } from '../tlsrpt/submit-now.js';
import { ehloName } from './ehlo-name.js';
import { CommandError, EXIT, type ExitCode } from './exit.js';
import { everyStage, readConfiguration, readWebRoots } from './network-options.js';
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
  const clock = clockFrom(options.at);
  const state = new State(options.state, (text) => void io.stderr.write(`danelaw: ${printable(text)}\n`));
  const events: ReportEvent[] = [];
  const unlock = await usable(async () => {
    await state.prepare();
    return await state.lock();
  });
  if (unlock === undefined) {
    const words = `another process sends the reports of ${options.state} (its number is in sending.*.lock there)`;
    throw new CommandError(EXIT.TEMPORARY, words);
  }
  try {
    await withResolver(options, clock, io, async (resolver) => {
      const network = await networkOf(options, resolver, clock, io);
      const reporter = new Reporter({
        state,
        ...identity,
        from,
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

async function networkOf(options: SendReportsOptions, resolver: Resolver, clock: () => number, io: Io) {
  const { timeout, smtpPort, webRoots } = options;
  const { policyTable, credentials, dkim: rules } = await readConfiguration(options.config);
  const dkim = await dkimOf(rules, io);
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
  return { submit, dkim, post: { ...roots, timeout } };
}

async function dkimOf(rules: readonly DkimRule[], io: Io): Promise<Dkim> {
  try {
    const { keys, warnings } = await loadDkimKeys(rules);
    for (const warning of warnings) io.stderr.write(`danelaw: ${printable(warning)}\n`);
    return new Dkim(keys);
  } catch (error) {
    if (error instanceof DkimConfigError) throw new CommandError(EXIT.CONFIG, `--config: ${error.message}`);
    throw error;
  }
}

function address(option: string, text: string): string {
  const parsed = parseAddress(text);
  if (!parsed.ok) throw new CommandError(EXIT.USAGE, `${option} ${text}: ${parsed.reason}`);
  return parsed.mailbox.address;
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
