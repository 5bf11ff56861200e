/** `danelaw serve`: the relay. */
import { setFlagsFromString } from 'node:v8';
import type { Command } from 'commander';
import { CONFIG_FILE, configurationFile } from '../config/config-file.js';
import { type Config, ConfigError, defaultConfig, readConfig } from '../config.js';
import { jsonLog } from '../log/json-log.js';
import { lineFile } from '../log/line-writer.js';
import type { RelayLog } from '../log/relay-log.js';
import { textLog } from '../log/text-log.js';
import { QueueUnusableError } from '../queue/queue.js';
import { checkSetup } from '../relay/check-setup.js';
import { type Relay, RelayStartError, startRelay } from '../relay/relay.js';
import { CommandError, EXIT, type ExitCode } from './exit.js';
import { printableJson } from './printable.js';
import { prose } from './prose.js';
import { hanging, type Io, paletteFor, widthOf } from './terminal.js';

/**
 * Percent by which V8's heaps may grow over what is in use, before that is collected. Left alone it sets the next bound so close
 * above that under load a tenth of the CPU goes into marking the same 15 MiB again and again (docs/benchmarks.md).
 */
const HEAP_GROWTH = 100;

interface ServeOptions {
  readonly config?: string;
  readonly state?: string;
  readonly check?: true;
  readonly json?: true;
}

const DESCRIPTION = `
Runs the relay: takes mail from programs and mail servers, keeps it in a queue on disk, and delivers each
message under the policy that its destination deserves - DANE, MTA-STS, or what the policy table says. What can't
be delivered is tried again for five days, and then returned with the reason in words.

Without a configuration it takes mail at 127.0.0.1:2525 from programs on this machine, and keeps its queue in
/var/lib/danelaw.
`.trim();

const EXAMPLES = `
Examples:
  $ danelaw serve --check                         what is wrong, before it runs
  $ danelaw serve --config danelaw.toml
  $ danelaw serve --state ./queue                 without a configuration, to try it out

SIGHUP reads the configuration again. SIGTERM stops: what has been handed over is waited for, up to
30 seconds; a second one stops at once, and nothing is lost by it.

Exit codes: 0 stopped by a signal    64 usage    69 it can't listen there
            75 the queue was found damaged; the next start mends it
            78 unusable configuration, certificate or queue`;

export function define(command: Command, io: Io, finish: (code: ExitCode) => void): void {
  command
    .description(prose(DESCRIPTION))
    .option('--config <file>', `the configuration, in TOML (default: ${CONFIG_FILE}, if it is there)`)
    .option('--state <folder>', "where the queue is, in place of the configuration's")
    .option('--check', 'say what is wrong with the configuration and with this machine, and run nothing')
    .optionsGroup('Output:')
    .option('--json', 'with --check: one JSON object; else the log in JSON lines even on a terminal')
    .helpOption('-h, --help', 'show this help')
    .addHelpText('after', EXAMPLES)
    .action(async (options: ServeOptions) => finish(await serve(options, io)));
}

async function serve(options: ServeOptions, io: Io): Promise<ExitCode> {
  const config = await readAll(options);
  if (options.check) return await check(config, options, io);
  const { log: settings } = config.relay;
  const asText = settings.format === 'text' || (settings.format === 'auto' && io.stdout.isTTY === true);
  const log =
    asText && !options.json
      ? textLog(io.stdout, io.env, settings.level, Date.now, lineFile(1))
      : jsonLog(1, settings.level);
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH}`); // before there are threads: it is for theirs, too
  let relay: Relay;
  try {
    relay = await startRelay(config, log);
  } catch (error) {
    log.flush();
    if (error instanceof QueueUnusableError || error instanceof ConfigError) {
      throw new CommandError(EXIT.CONFIG, error.message);
    }
    if (error instanceof RelayStartError) throw new CommandError(EXIT.UNAVAILABLE, error.message);
    throw error;
  }
  const onHup = (): void => void reload(relay, options, log);
  process.on('SIGHUP', onHup);
  const broken = await Promise.race([aborted(io.signal), relay.broken]);
  // Whoever says it twice means it.
  const atOnce = (): void => {
    log.flush();
    process.exit(EXIT.OK);
  };
  process.on('SIGTERM', atOnce).on('SIGINT', atOnce);
  await relay.stop(config.relay.delivery.stopWithin);
  process.off('SIGHUP', onHup).off('SIGTERM', atOnce).off('SIGINT', atOnce);
  log.flush();
  // Whoever watches over the process starts it again, and the queue is mended then.
  if (broken !== undefined) throw new CommandError(EXIT.TEMPORARY, broken.message);
  return EXIT.OK;
}

/** The configuration's file; undefined where there is none. */
const fileOf = ({ config }: ServeOptions): string | undefined => configurationFile(config);

async function readAll(options: ServeOptions): Promise<Config> {
  const { state } = options;
  const named = fileOf(options);
  try {
    const config = named === undefined ? defaultConfig() : await readConfig(named);
    return state === undefined ? config : { ...config, relay: { ...config.relay, state } };
  } catch (error) {
    if (error instanceof ConfigError) throw new CommandError(EXIT.CONFIG, error.message);
    throw error;
  }
}

/** A configuration that is wrong leaves the old one in force. */
async function reload(relay: Relay, options: ServeOptions, log: Pick<RelayLog, 'error'>): Promise<void> {
  try {
    await relay.reload(await readAll(options));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    log.error('reload', { reason: `the configuration is as it was: ${reason}` });
  }
}

async function check(config: Config, options: ServeOptions, io: Io): Promise<ExitCode> {
  const { json } = options;
  const findings = await checkSetup(config, fileOf(options), io.signal);
  const isWrong = findings.some(({ level }) => level === 'error');
  if (json) {
    io.stdout.write(`${printableJson({ ok: !isWrong, findings })}\n`);
    return isWrong ? EXIT.CONFIG : EXIT.OK;
  }
  const palette = paletteFor(io.stdout, io.env);
  for (const { level, about, words } of findings) {
    const paint = { error: palette.bad, warning: palette.warn, ok: palette.good }[level];
    const [first = '', ...others] = hanging(`${level.padEnd(8)} ${about}: `, words, widthOf(io.stdout));
    io.stdout.write(`${[first.replace(level, paint(level)), ...others].join('\n')}\n`);
  }
  return isWrong ? EXIT.CONFIG : EXIT.OK;
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
