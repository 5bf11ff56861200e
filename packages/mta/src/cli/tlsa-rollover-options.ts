/** `danelaw tlsa rollover`: its commands, options and help. */
import { type Command, Option } from 'commander';
import type { UpdateServer } from '../tlsa/publish-by-update.js';
import { KEY_TYPES, type KeyType, type Rollover } from '../tlsa/rollover.js';
import type { ExitCode } from './exit.js';
import { addDnsOptions, addOutputOptions } from './network-options.js';
import { oneOf } from './option-values.js';
import { prose } from './prose.js';
import type { Io } from './terminal.js';
import type { StepKind } from './tlsa-rollover.js';
import { addServerOptions, type ServerOptions } from './tlsa-server-options.js';
import { updateServerValue } from './tlsa-update-server.js';

export interface RolloverOptions extends ServerOptions {
  readonly state: string;
  readonly next?: readonly string[];
  readonly keyType?: KeyType;
  readonly order?: Rollover['order'];
  readonly standby?: true;
  readonly hook?: string;
  /** A file with a TSIG key. */
  readonly update?: string;
  readonly updateServer?: UpdateServer;
  readonly dryRun?: true;
}

const ROLLOVER = `Changes the key of a server, or the authority that issues for it, without a moment in which senders could refuse it
(RFC 7671 section 8.1): publish the records of both; wait until every authoritative name server has had both for twice the TTL; switch;
see that every address shows the new one; remove the old record. What is next is decided from what DNS and the server show now, so
that it may be killed at any time, and "step" may be run from cron. It never goes early.`;

const ROLLOVER_EXAMPLES = `
Records: with "3 1 1" of the key in use and of the next one, or with "3 1 1" and "2 1 1", the key in
use and its issuer. Either may change, one at a time; the other kind has to match before and after.
With --order after the other kind carries the switch, and the new record follows: nothing has to be
known of the next key before its certificate is there.

A hook is called with one argument - publish, retire or switch - and these variables: DANELAW_HOST,
DANELAW_NAME (the owner of the records), DANELAW_RECORDS (one a line), DANELAW_NSUPDATE (the same as
a script for nsupdate), DANELAW_DIRECTION (forward, back), DANELAW_CHANGES (key, issuer),
DANELAW_STATE (the folder), DANELAW_KEY (the file of the key that the server is to have, where it
was made here). Without a hook each step says what is to be done. Every command takes --dry-run: it
says what would be done, and writes and calls nothing.

With --update the records are published and retired without a hook: the primary server of the zone
is sent signed updates. The file is what tsig-keygen (BIND) or keymgr -t (Knot) writes, or a line
algorithm:name:secret.

In the folder: next.key and next.csr, made by "start" without --next; next.pem, the certificate for
it, which you put there (needed where "2 1 1" is published); current.key; keys/, all keys that were
made; history/, the roll-overs that are done.

Examples:
  $ danelaw tlsa rollover start mx.example.org --state /var/lib/danelaw/rollover
  $ danelaw tlsa rollover start mx.example.org --state DIR --next new-issuer.pem   # other authority
  $ danelaw tlsa rollover start mx.example.org --state DIR --standby               # a next key, always
  $ danelaw tlsa rollover step --state /var/lib/danelaw/rollover --hook /etc/danelaw/rollover-hook
  $ danelaw tlsa rollover step --state /var/lib/danelaw/rollover --update /etc/danelaw/update.key \\
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
    addServerOptions(each.option('--dry-run', 'say what would be done; write nothing and call nothing'));
    addDnsOptions(each);
    return addOutputOptions(each);
  };
  withServer(addStartOptions(common('start', 'begin one, for a server whose records are right now'))).action(
    async (host: string, options: RolloverOptions) => {
      const module = await import('./tlsa-rollover.js');
      finish(await module.startRollover(host, options, io));
    },
  );
  for (const [name, summary] of STEPS) {
    const each = common(name, summary);
    if (name !== 'status') addHands(each);
    withServer(each).action(async (options: RolloverOptions) => {
      const module = await import('./tlsa-rollover.js');
      finish(await module.stepRollover(options, io, name));
    });
  }
  const back = common('back', 'call it off, and go back to the old key').option(
    '--dry-run',
    'say what would be done; write nothing',
  );
  addOutputOptions(back).action(async (options: RolloverOptions) => {
    const module = await import('./tlsa-rollover.js');
    finish(await module.backRollover(options, io));
  });
}

const STEPS: readonly [StepKind, summary: string][] = [
  ['step', 'look, and do what may be done now'],
  ['status', 'look, and say what comes next'],
  ['switch', 'let a key that stands by in, as soon as it may be; then as "step"'],
];

/** Who does what a step finds may be done. */
function addHands(step: Command): Command {
  return step
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
    );
}

function addStartOptions(start: Command): Command {
  return start
    .argument('<host>', 'the mail host, as its MX record names it')
    .addOption(
      new Option(
        '--next <file>',
        'the next certificate with its chain, request or key; may be several (default: makes a key, next.key, and a ' +
          'request for it, next.csr, in the folder)',
      ).argParser((file: string, others: readonly string[] = []) => [...others, file]),
    )
    .addOption(
      new Option(
        '--key-type <type>',
        'of the key that is made: p256, rsa2048 or rsa3072; of several certificates the one of its kind is replaced (default: p256)',
      ).argParser(oneOf(KEY_TYPES)),
    )
    .addOption(
      new Option(
        '--order <order>',
        'before: the new record is published before the switch (RFC 7671 section 8.1); after: it follows, and records of the ' +
          'other kind carry the switch (default: before)',
      ).argParser(oneOf(['before', 'after'] as const)),
    )
    .option(
      '--standby',
      'the next key waits until "switch"; when it is in use, another one is made and published at once',
    );
}
