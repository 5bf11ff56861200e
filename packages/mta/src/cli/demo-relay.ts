/**
 * The relay of the demonstration: `danelaw serve`, as anybody would start it, in a process of its own. What it
 * does is heard from its log.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CommandError, EXIT } from './exit.js';

/** One line of the log. */
export interface LogEvent extends Readonly<Record<string, unknown>> {
  readonly event: string;
}

export interface DemoRelay {
  /** Where it takes mail. */
  readonly smtp: Place;
  /** Where it can be watched. */
  readonly http: Place;
  /** Resolves with why, when it has ended. */
  readonly ended: Promise<string>;
  stop(): Promise<void>;
}

export interface Place {
  readonly host: string;
  readonly port: number;
}

const PROGRAM = fileURLToPath(new URL('../../bin/danelaw.js', import.meta.url));
/** Milliseconds until a relay that does not stop is killed: more than its configuration gives it. */
const STOP_WITHIN = 5000;
/** Characters of what it said on standard error, for the one who hears that it did not start. */
const MOST_WORDS = 2000;

/**
 * @param hear is called with each event from the start on
 * @throws (rejects) CommandError where it does not start
 */
export async function startDemoRelay(config: string, hear: (event: LogEvent) => void): Promise<DemoRelay> {
  const child = spawn(process.execPath, [PROGRAM, 'serve', '--json', '--config', config], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = endOf(child);
  const started = new Promise<LogEvent>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const event = eventOf(line);
      if (event === undefined) return;
      if (event.event === 'started') resolve(event);
      hear(event);
    });
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN);
    await ended;
    clearTimeout(late);
  };
  const first = await Promise.race([started, ended]);
  const [smtp, http] = typeof first === 'string' ? [] : [placeOf(first['listen']), placeOf(first['http'])];
  if (smtp === undefined || http === undefined) {
    await stop();
    throw new CommandError(EXIT.UNAVAILABLE, `the relay of the demonstration did not start: ${await ended}`);
  }
  return { smtp, http, ended, stop };
}

function endOf(child: ChildProcess): Promise<string> {
  let words = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    words = `${words}${text}`.slice(-MOST_WORDS);
  });
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(`it ended with ${code ?? signal}; ${words.trim()}`));
  });
}

function eventOf(line: string): LogEvent | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined; // a line that was cut off as the relay ended
  }
  return isEvent(value) ? value : undefined;
}

const isEvent = (value: unknown): value is LogEvent =>
  typeof value === 'object' && value !== null && 'event' in value && typeof value.event === 'string';

/** Of a list the first. */
function placeOf(value: unknown): Place | undefined {
  const [place]: unknown[] = Array.isArray(value) ? value : [value];
  if (typeof place !== 'object' || place === null || !('host' in place) || !('port' in place))
    return undefined;
  const { host, port } = place;
  return typeof host === 'string' && typeof port === 'number' ? { host, port } : undefined;
}
