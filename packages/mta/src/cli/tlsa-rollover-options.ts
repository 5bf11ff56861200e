/** `danelaw tlsa rollover`: its commands, options and help. */
import { type Command, Option } from 'commander';
import type { UpdateServer } from '../tlsa/publish-by-update.js';
import type { ExitCode } from './exit.js';
import { addDnsOptions, addOutputOptions } from './network-options.js';
import { prose } from './prose.js';
import type { Io } from './terminal.js';
import { addServerOptions, type ServerOptions } from './tlsa-server-options.js';
import { updateServerValue } from './tlsa-update-server.js';

export interface RolloverOptions extends ServerOptions {
  readonly state: string;
  readonly next?: readonly string[];
  readonly hook?: string;
  /** A file with a TSIG key. */
  readonly update?: string;
  readonly updateServer?: UpdateServer;
  readonly dryRun?: true;
}

const ROLLOVER = `Changes the key of a server without a moment in which senders could refuse it (RFC 7671 section 8.1):
publish the records of both keys; wait until every authoritative name server has had both for twice the TTL; switch; see that every
address shows the new key; remove the old record. What is next is decided from what DNS and the server show now, so that it may
be killed at any time, and "step" may be run from cron. It never goes early.`;

const ROLLOVER_EXAMPLES = `
A hook is called with one argument - publish, retire or switch - and these variables: DANELAW_HOST, DANELAW_NAME (the owner of the
records), DANELAW_RECORDS (one a line), DANELAW_NSUPDATE (the same as a script for nsupdate), DANELAW_DIRECTION (forward, back),
DANELAW_STATE (the folder). Without a hook each step says what is to be done.

With --update the records are published and retired without a hook: the primary server of the zone is sent signed updates. The file is
what tsig-keygen (BIND) or keymgr -t (Knot) writes, or a line algorithm:name:secret.

Examples:
  $ danelaw tlsa rollover start mx.example.org --state /var/lib/danelaw/rollover
  $ danelaw tlsa rollover step --state /var/lib/danelaw/rollover --hook /etc/danelaw/rollover-hook
  $ danelaw tlsa rollover step --state /var/lib/danelaw/rollover --update /etc/danelaw/update.key \
      --hook /etc/danelaw/switch-hook
  $ danelaw tlsa rollover status --state /var/lib/danelaw/rollover
  $ danelaw tlsa rollover back --state /var/lib/danelaw/rollover

Exit codes: 0 done, or the next thing was done or told    64 usage    65 unusable state or files
            66 no roll-over in the folder    69 something is broken: a person has to look
            75 too early, or not all could be asked    77 the update is not permitted
            78 unusable folder, anchors or hints`;

export function defineRollover(command: Command, io: Io, finish: (code: ExitCode) => void): void {
  const rollover = command
    .command('rollover')
    .summary('change the key of a server, step by step and never too early')
    .description(prose(ROLLOVER))
    .helpOption('-h, --help', 'show this help')
    .addHelpText('after', ROLLOVER_EXAMPLES);
  const common = (name: string, summary: string): Command =>
    rollover
      .command(name)
      .summary(summary)
      .description(summary)
      .requiredOption('--state <dir>', 'the folder that holds the roll-over');
  const withServer = (each: Command): Command => {
    addServerOptions(each);
    addDnsOptions(each);
    return addOutputOptions(each);
  };
  const start = common('start', 'begin one, for a server whose records are right now')
    .argument('<host>', 'the mail host, as its MX record names it')
    .addOption(
      new Option(
        '--next <file>',
        'the next certificate, request or key; may be several (default: makes a P-256 key, next.key, in the folder)',
      ).argParser((file: string, others: readonly string[] = []) => [...others, file]),
    );
  withServer(start).action(async (host: string, options: RolloverOptions) => {
    const module = await import('./tlsa-rollover.js');
    finish(await module.startRollover(host, options, io));
  });
  const step = common('step', 'look, and do what may be done now')
    .option('--hook <program>', 'publishes, retires and switches')
    .option(
      '--update <file>',
      'publish and retire by updates of the zone (RFC 2136), with the TSIG key in this file; the hook then switches',
    )
    .addOption(
      new Option(
        '--update-server <server>',
        "the zone's primary server: NAME[#PORT], ADDR[#PORT] or tls://ADDR[#PORT] (default: as its SOA record says)",
      ).argParser(updateServerValue),
    )
    .option('--dry-run', 'say what would be done, and sent; do and send nothing');
  withServer(step).action(async (options: RolloverOptions) => {
    const module = await import('./tlsa-rollover.js');
    finish(await module.stepRollover(options, io, false));
  });
  withServer(common('status', 'look, and say what comes next')).action(async (options: RolloverOptions) => {
    const module = await import('./tlsa-rollover.js');
    finish(await module.stepRollover(options, io, true));
  });
  const back = common('back', 'call it off, and go back to the old key').option(
    '--dry-run',
    'change nothing',
  );
  addOutputOptions(back).action(async (options: RolloverOptions) => {
    const module = await import('./tlsa-rollover.js');
    finish(await module.backRollover(options, io));
  });
}
