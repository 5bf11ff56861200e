/**
 * `danelaw demo`: a private Internet in this process, a relay in another one in front of it, one message to each of
 * its domains through that relay, and a table that is checked.
 */
import { type Internet, LabError, SCENARIOS, STS_SCENARIOS, startInternet } from '@danelaw/lab';
import type { Command } from 'commander';
import { type LabFiles, removeLabFiles, writeLabFiles } from './demo-files.js';
import { HOME } from './demo-message.js';
import { demoJson, describeDemo, describeLab } from './demo-report.js';
import { runDemo } from './demo-run.js';
import { CommandError, EXIT, type ExitCode } from './exit.js';
import { printableJson } from './printable.js';
import { withProgress } from './progress.js';
import { prose } from './prose.js';
import { type Io, paletteFor, widthOf } from './terminal.js';

interface DemoOptions {
  readonly json?: true;
  readonly keep?: true;
  readonly verbose?: true;
}

const DESCRIPTION = `Starts a private Internet on this machine's loopback addresses - a signed root, top-level
domains, name servers and mail servers, good ones, broken ones and attacked ones - and a relay ("danelaw serve")
with a queue of its own in front of it. Hands one message for each domain to the relay over SMTP, and shows what
came of its first try: what was proved, or which rule stopped it. Each outcome is compared with the one that RFC
7672 asks for, with the reason that should have led to it, and with what the mail servers received. Nothing leaves
this machine, and no privileges are needed.`;

const EXAMPLES = `
Examples:
  $ danelaw demo
  $ danelaw demo --keep
  ...
  The relay and the private Internet go on until you press Ctrl-C.

    page         http://127.0.0.1:40127/
    metrics      http://127.0.0.1:40127/metrics
    SMTP         127.0.0.1:40126

Exit codes: 0 every outcome is as it should be
            69 one is not, or the private Internet or its relay could not be started`;

export function define(command: Command, io: Io, finish: (code: ExitCode) => void): void {
  command
    .description(prose(DESCRIPTION))
    .optionsGroup('Demonstration:')
    .option('--keep', 'let the relay and the private Internet go on, and tell how to use them')
    .option('-v, --verbose', "show danelaw's own words on each domain too")
    .option('--json', 'one JSON object on standard output, for machines')
    .helpOption('-h, --help', 'show this help')
    .addHelpText('after', EXAMPLES);
  command.action(async (options: DemoOptions) => finish(await demo(options, io)));
}

async function demo(options: DemoOptions, io: Io): Promise<ExitCode> {
  const begun = performance.now();
  const internet = await start();
  try {
    const files = await writeLabFiles(internet, LEVEL);
    try {
      return await demoOn(internet, files, begun, options, io);
    } finally {
      await removeLabFiles(files);
    }
  } finally {
    await internet.close();
  }
}

/** The relay's policy, where no rule of its administrator says another one. */
const LEVEL = 'dane';

async function demoOn(
  internet: Internet,
  files: LabFiles,
  begun: number,
  options: DemoOptions,
  io: Io,
): Promise<ExitCode> {
  const { relay, rows } = await withProgress(io, 'starting the relay ...', (tell) =>
    runDemo(internet, files, { level: LEVEL, signal: io.signal, tell }),
  );
  try {
    const seconds = (performance.now() - begun) / 1000;
    if (options.json) {
      const kept = options.keep ? { relay, files } : undefined;
      io.stdout.write(`${printableJson(demoJson(rows, internet, kept))}\n`);
    } else {
      const paint = paletteFor(io.stdout, io.env);
      const table = { rows, seconds, verbose: options.verbose ?? false };
      const last = options.keep
        ? ['', ...describeLab(internet, relay, files)]
        : [paint.faint('With --keep the relay goes on, and its page shows all of it in a browser.')];
      io.stdout.write(`${[...describeDemo(table, paint, widthOf(io.stdout)), ...last].join('\n')}\n`);
    }
    if (options.keep) await Promise.race([interrupted(io.signal), relay.ended]);
    return rows.every(({ faults }) => faults.length === 0) ? EXIT.OK : EXIT.UNAVAILABLE;
  } finally {
    await relay.stop();
  }
}

async function start(): Promise<Internet> {
  try {
    return await startInternet([...SCENARIOS, ...STS_SCENARIOS, HOME]);
  } catch (error) {
    if (error instanceof LabError) throw new CommandError(EXIT.UNAVAILABLE, error.message);
    throw error;
  }
}

function interrupted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
