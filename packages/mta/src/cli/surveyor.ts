/** Who asks about the domains of a survey: threads, where DNS alone is asked; this thread, where mail servers are, one at a time. */
import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { openPoliteResolver } from '../survey/polite-resolver.js';
import { ServersTurn, type TurnOptions } from '../survey/servers-turn.js';
import { surveyDomain } from '../survey/survey-domain.js';
import { SurveyThreads } from '../survey/survey-threads.js';
import type { Surveyor } from '../survey/surveyor.js';
import { ehloName } from './ehlo-name.js';
import { clientSettings, type MailOptions, resolverSettings } from './network-options.js';
import { resolverMade, showNotice } from './open-resolver.js';
import type { Io } from './terminal.js';
import { clockFrom } from './time.js';

/** Sessions with one mail server at a time, and milliseconds between two. */
const SESSIONS_AT_ONCE = 1;
const SESSION_PAUSE = 1000;
/** Threads that ask, where the machine has more processors: they share what one name server is asked at a time. */
const MOST_THREADS = 4;
/**
 * Percent by which V8's heap may grow over what is in use, before that is collected. Left alone it lets a survey grow to
 * several times what it needs, as much of what it makes lives for a moment longer than V8 counts as young.
 */
const HEAP_GROWTH = 60;
/** Seconds for each step of a mail server: thousands are waited for. */
export const TIMEOUT_SECONDS = 20;

export interface SurveyorOptions extends Omit<MailOptions, 'policy'> {
  readonly threads?: number;
}

/**
 * @param connects talks to mail servers, too
 * @param take a server's turn over several machines
 */
export async function openSurveyor(
  options: SurveyorOptions,
  connects: boolean,
  io: Io,
  take?: TurnOptions['take'],
): Promise<Surveyor> {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH}`);
  return connects ? await openConnecting(options, io, take) : openAsking(options, io);
}

async function openConnecting(
  options: SurveyorOptions,
  io: Io,
  take: TurnOptions['take'],
): Promise<Surveyor> {
  const clock = clockFrom(options.at);
  const settings = await clientSettings(
    { timeout: TIMEOUT_SECONDS * 1000, ...options, policy: 'dane', sts: false },
    clock,
    io.signal,
  );
  const shared = take === undefined ? {} : { take };
  const { turn } = new ServersTurn({ atOnce: SESSIONS_AT_ONCE, pause: SESSION_PAUSE, ...shared });
  const heloName = ehloName(options.helo);
  const dns = { ...resolverSettings(options, clock), onNotice: showNotice(io) };
  const resolver = resolverMade(dns, openPoliteResolver);
  return {
    survey: (domain, signal) => surveyDomain(domain, { ...settings, resolver, heloName, turn, signal }),
    close: () => resolver.close(),
  };
}

function openAsking(options: SurveyorOptions, io: Io): Surveyor {
  const { at, smtpPort: port, helo, threads = Math.min(availableParallelism(), MOST_THREADS) } = options;
  const { clock, ...dns } = resolverSettings(options, clockFrom(at));
  // What can't be used is said here, and now.
  void resolverMade({ ...dns, clock }, openPoliteResolver).close();
  const probe = { heloName: ehloName(helo), ...(port === undefined ? {} : { port }) };
  const say = showNotice(io);
  return new SurveyThreads({ threads, resolver: dns, at, probe }, (text) => say({ text }));
}
