/**
 * `danelaw demo`: a private Internet in this process, one message to each of its domains, and a table that is
 * checked.
 */
import { type Internet, LabError, SCENARIOS, startInternet } from '@danelaw/lab';
import type { Command } from 'commander';
import { type LabFiles, removeLabFiles, writeLabFiles } from './demo-files.js';
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

const DESCRIPTION = `Starts a private Internet on this machine's loopback addresses: a signed root, top-level
domains, name servers and
mail servers, good ones, broken ones and attacked ones. Sends one message to each domain as "danelaw send"
does, and
shows what came of it: what was proved, or which rule stopped it. Each outcome is compared with the one that
RFC 7672
asks for, and with what the mail servers received. Nothing leaves this machine, and no privileges are
needed.`;

const EXAMPLES = `
Examples:
  $ danelaw demo
  $ danelaw demo --keep
  ...
  The private Internet goes on until you press Ctrl-C. Try in another terminal:

    LAB="--resolver 127.0.0.1#40123 --trust-anchor /tmp/danelaw-Xy1/root.ds"
    danelaw check $LAB --smtp-port 40125 good-3-1-1.example

Exit codes: 0 every outcome is as it should be
            69 one is not, or the private Internet could not be started`;

export function define(command: Command, io: Io, finish: (code: ExitCode) => void): void {
  command
    .description(prose(DESCRIPTION))
    .optionsGroup('Demonstration:')
    .option('--keep', 'let the private Internet go on, and tell how to use it')
    .option('-v, --verbose', "show danelaw's own words on each domain too")
    .option('--json', 'one JSON object on standard output, for machines')
    .helpOption('-h, --help', 'show this help')
    .addHelpText('after', EXAMPLES);
  command.action(async (options: DemoOptions) => finish(await demo(options, io)));
}

async function demo(options: DemoOptions, io: Io): Promise<ExitCode> {
  const begun = performance.now();
  const internet = await start();
  let files: LabFiles | undefined;
  try {
    const rows = await withProgress(io, `sending to ${SCENARIOS.length} domains ...`, () =>
      runDemo(internet, io.signal),
    );
    const seconds = (performance.now() - begun) / 1000;
    files = options.keep ? await writeLabFiles(internet) : undefined;
    if (options.json) {
      io.stdout.write(`${printableJson(demoJson(rows, internet, files))}\n`);
    } else {
      const paint = paletteFor(io.stdout, io.env);
      const table = { rows, seconds, verbose: options.verbose ?? false };
      io.stdout.write(`${describeDemo(table, paint, widthOf(io.stdout)).join('\n')}\n`);
      if (files !== undefined) io.stdout.write(`\n${describeLab(internet, files).join('\n')}\n`);
    }
    if (files !== undefined) await interrupted(io.signal);
    return rows.every(({ faults }) => faults.length === 0) ? EXIT.OK : EXIT.UNAVAILABLE;
  } finally {
    if (files !== undefined) await removeLabFiles(files);
    await internet.close();
  }
}

async function start(): Promise<Internet> {
  try {
    return await startInternet(SCENARIOS);
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
