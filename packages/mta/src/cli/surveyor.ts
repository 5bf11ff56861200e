/** Who asks about the domains of a survey: a resolver that is kept busy with care, and servers that are taken in turn. */
import { setFlagsFromString } from 'node:v8';
import { createResolver, type Resolver } from '@danelaw/dns';
import { politeTransport } from '../survey/polite-transport.js';
import { ServersTurn, type TurnOptions } from '../survey/servers-turn.js';
import { surveyDomain } from '../survey/survey-domain.js';
import type { SurveyResult } from '../survey/survey-result.js';
import { ehloName } from './ehlo-name.js';
import { clientSettings, type MailOptions, resolverSettings } from './network-options.js';
import { openResolver } from './open-resolver.js';
import type { Io } from './terminal.js';
import { clockFrom } from './time.js';

/** Questions to one name server at a time, when it is we who iterate. */
const QUESTIONS_AT_ONCE = 20;
/** Sessions with one mail server at a time, and milliseconds between two. */
const SESSIONS_AT_ONCE = 1;
const SESSION_PAUSE = 1000;
/**
 * Octets of answers that are kept. Each domain is asked about once; what many have in common, their providers' hosts and the
 * zones above them, is in use and stays.
 */
const CACHE_OCTETS = 8 * 1024 * 1024;
/**
 * Percent by which V8's heap may grow over what is in use, before that is collected. Left alone it lets a survey grow to
 * several times what it needs, as much of what it makes lives for a moment longer than V8 counts as young.
 */
const HEAP_GROWTH = 60;
/** Seconds for each step of a mail server: thousands are waited for. */
export const TIMEOUT_SECONDS = 20;

export type SurveyorOptions = Omit<MailOptions, 'policy'>;

export interface Surveyor {
  /** Rejects only when `signal` aborts. */
  survey(domain: string, signal: AbortSignal): Promise<SurveyResult>;
  close(): Promise<void>;
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
  const clock = clockFrom(options.at);
  const settings = await clientSettings(
    { timeout: TIMEOUT_SECONDS * 1000, ...options, policy: 'dane', sts: false },
    clock,
    io.signal,
  );
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH}`);
  const shared = take === undefined ? {} : { take };
  const { turn } = new ServersTurn({ atOnce: SESSIONS_AT_ONCE, pause: SESSION_PAUSE, ...shared });
  const heloName = ehloName(options.helo);
  const resolver = openPoliteResolver(options, clock, io);
  return {
    survey: (domain, signal) =>
      surveyDomain(domain, { ...settings, resolver, heloName, dnsOnly: !connects, turn, signal }),
    close: () => resolver.close(),
  };
}

/** Whoever has a resolver that works for him may keep it busy; strangers' name servers are spared. */
function openPoliteResolver(options: SurveyorOptions, clock: () => number, io: Io): Resolver {
  const cache = { maxCacheOctets: CACHE_OCTETS };
  if (options.resolver !== 'iterate') return openResolver(options, clock, io, cache);
  const transport = politeTransport(QUESTIONS_AT_ONCE);
  const resolver = createResolver({ ...resolverSettings(options, clock), ...cache, transport });
  return {
    resolve: (...question) => resolver.resolve(...question),
    close: async () => {
      await resolver.close();
      await transport.close();
    },
  };
}
