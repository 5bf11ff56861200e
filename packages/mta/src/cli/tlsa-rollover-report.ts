/** A roll-over for people and for machines: what comes next and why, and the code that it ends with. */
import { type Decision, type Rollover, ways } from '../tlsa/rollover.js';
import { EXIT, type ExitCode } from './exit.js';
import { printable, printableJson } from './printable.js';
import { hanging, type Io, widthOf } from './terminal.js';
import type { RolloverOptions } from './tlsa-rollover-options.js';
import type { ShownUpdate } from './tlsa-rollover-update.js';

export function report(
  rollover: Rollover,
  decision: Decision,
  options: RolloverOptions,
  io: Io,
  isDryRun: boolean,
  update?: ShownUpdate,
): ExitCode {
  const by = isDryRun ? undefined : doneBy(decision, options);
  if (options.json === true) {
    const until =
      'until' in decision && decision.until !== null ? new Date(decision.until).toISOString() : null;
    io.stdout.write(
      `${printableJson({ ...rollover, decision: { ...decision, until }, ...(update === undefined ? {} : { update }) })}\n`,
    );
  } else {
    const lines = wordsOf(rollover, decision, by).flatMap(([label, text]) =>
      text.includes('update ') || text.includes(' IN TLSA ')
        ? [`${label}${text}`]
        : hanging(label, printable(text), widthOf(io.stdout)),
    );
    io.stdout.write(`${lines.join('\n')}\n`);
    if (update !== undefined) io.stdout.write(`an update to ${printable(update.to)}:\n${update.script}`);
  }
  switch (decision.action) {
    case 'wait':
      return EXIT.TEMPORARY;
    case 'stop':
      return EXIT.UNAVAILABLE;
    case 'publish':
    case 'retire':
    case 'switch':
    case 'done':
      return EXIT.OK;
    default: {
      const never: never = decision;
      return never;
    }
  }
}

/** Who did what was decided; nobody where a person is to do it. */
function doneBy({ action }: Decision, { update, hook }: RolloverOptions): 'update' | 'hook' | undefined {
  if (update !== undefined && (action === 'publish' || action === 'retire')) return 'update';
  return hook === undefined ? undefined : 'hook';
}

function wordsOf(
  rollover: Rollover,
  decision: Decision,
  by: 'update' | 'hook' | undefined,
): [label: string, text: string][] {
  const { host, name, direction } = rollover;
  const why: [string, string] = ['  ', decision.reason];
  const key = direction === 'forward' ? 'next' : 'old';
  switch (decision.action) {
    case 'publish':
    case 'retire': {
      const verb = decision.action === 'publish' ? 'publish' : 'remove';
      const what = {
        update: `${verb === 'publish' ? 'published' : 'removed'} by an update of the zone`,
        hook: `the hook was told to ${verb}`,
        nobody: `${verb} in the zone, then ask again`,
      }[by ?? 'nobody'];
      const lines = decision.records.map((record): [string, string] => ['  ', `${name}. IN TLSA ${record}`]);
      return [[`${host}: `, what], why, ...lines];
    }
    case 'switch':
      return [
        [
          `${host}: `,
          by === 'hook'
            ? `the hook was told to switch to the ${key} key`
            : `switch the server to the ${key} key now`,
        ],
        why,
      ];
    case 'wait': {
      const until =
        decision.until === null ? 'ask again later' : `not before ${new Date(decision.until).toISOString()}`;
      return [[`${host}: `, `wait: ${until}`], why];
    }
    case 'stop':
      return [[`${host}: `, 'stopped: a person has to look'], why];
    case 'done': {
      const records = ways(rollover).to.join(', ');
      return [[`${host}: `, `done: the ${key} key is in use (${records})`], why];
    }
    default: {
      const never: never = decision;
      return never;
    }
  }
}
