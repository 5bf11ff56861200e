/** A roll-over for people and for machines: what comes next and why, and the code that it ends with. */
import { type Decision, type KeyType, type Rollover, ways } from '../tlsa/rollover.js';
import { EXIT, type ExitCode } from './exit.js';
import { printable, printableJson } from './printable.js';
import { hanging, type Io, widthOf } from './terminal.js';
import type { RolloverOptions } from './tlsa-rollover-options.js';
import type { ShownUpdate } from './tlsa-rollover-update.js';

/** What became of the decision: people were told, it was done by whoever was there for it, or it was only asked for. */
export type Carried = 'told' | 'carried out' | 'dry run';

export function report(
  rollover: Rollover,
  decision: Decision,
  options: RolloverOptions,
  io: Io,
  carried: Carried,
  update?: ShownUpdate,
): ExitCode {
  if (options.json === true) {
    const until =
      'until' in decision && decision.until !== null ? new Date(decision.until).toISOString() : null;
    const dryRun = carried === 'dry run';
    const { chains: _, ...kept } = rollover;
    const shown = update === undefined ? {} : { update };
    io.stdout.write(`${printableJson({ ...kept, dryRun, decision: { ...decision, until }, ...shown })}\n`);
  } else {
    write(wordsOf(rollover, decision, doing(carried, decision, options)), io);
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
    case 'ready':
    case 'done':
      return EXIT.OK;
    default: {
      const never: never = decision;
      return never;
    }
  }
}

/** What a start would begin with, where it begins nothing. `keyType`: it would make a key. */
export function reportPlan(
  rollover: Rollover,
  keyType: KeyType | undefined,
  options: RolloverOptions,
  io: Io,
): ExitCode {
  const { host, name, old, next } = rollover;
  // Nobody knows yet what the digest of a key will be that is still to be made.
  const shown = keyType === undefined ? next : next.map((record) => record.split(' ', 3).join(' '));
  if (options.json === true) {
    const { chains: _, keys: __, ...kept } = rollover;
    io.stdout.write(`${printableJson({ ...kept, next: shown, dryRun: true, makes: keyType ?? null })}\n`);
    return EXIT.OK;
  }
  const makes =
    keyType === undefined
      ? []
      : [line(`a key would be made (${keyType}): next.key in the folder, with a request for it, next.csr`)];
  const rest = keyType === undefined ? '' : ' (of that key)';
  write(
    [
      [`${host}: `, 'dry run, nothing is written and nothing is called'],
      ...makes,
      line(`the ${rollover.changes} would change; published first, beside what is there:`),
      ...shown.map((record) => line(`${name}. IN TLSA ${record}${rest}`)),
      line('removed at the end:'),
      ...old.map((record) => line(`${name}. IN TLSA ${record}`)),
    ],
    io,
  );
  return EXIT.OK;
}

type Line = readonly [label: string, text: string];
const line = (text: string): Line => ['  ', text];

function write(lines: readonly Line[], io: Io): void {
  const all = lines.flatMap(([label, text]) =>
    text.includes(' IN TLSA ') ? [`${label}${text}`] : hanging(label, printable(text), widthOf(io.stdout)),
  );
  io.stdout.write(`${all.join('\n')}\n`);
}

interface Telling {
  /** As an order, to a person or of the hook. */
  readonly verb: string;
  /** As done. */
  readonly past: string;
  /** What is added for a person. */
  readonly person: string;
}

/** How a thing to do is told: who did it, who would do it, or that a person has to. */
function doing(
  carried: Carried,
  { action }: Decision,
  { hook, update }: RolloverOptions,
): (what: Telling) => string {
  const byUpdate = update !== undefined && (action === 'publish' || action === 'retire');
  const isDry = carried === 'dry run';
  const dry = isDry ? 'dry run, nothing is done: ' : '';
  return ({ verb, past, person }) => {
    if (carried !== 'told' && byUpdate)
      return `${dry}${isDry ? 'would be ' : ''}${past} by an update of the zone`;
    if (carried !== 'told' && hook !== undefined)
      return `${dry}the hook ${isDry ? 'would be' : 'was'} told to ${verb}`;
    return `${dry}${verb} ${person}`;
  };
}

function wordsOf(rollover: Rollover, decision: Decision, tell: (what: Telling) => string): readonly Line[] {
  const { host, name, direction, changes } = rollover;
  const why = line(decision.reason);
  const target = `the ${direction === 'forward' ? 'next' : 'old'} ${changes}`;
  const head = (text: string): Line => [`${host}: `, text];
  switch (decision.action) {
    case 'publish':
    case 'retire': {
      const person = 'in the zone, then ask again';
      const what =
        decision.action === 'publish'
          ? { verb: 'publish', past: 'published', person }
          : { verb: 'remove', past: 'removed', person };
      const lines = decision.records.map((record) => line(`${name}. IN TLSA ${record}`));
      return [head(tell(what)), why, ...lines];
    }
    case 'switch': {
      const what = `the server to ${target}`;
      return [head(tell({ verb: `switch ${what}`, past: `switched ${what}`, person: 'now' })), why];
    }
    case 'ready':
      return [head(`ready: ${target} stands by, and "danelaw tlsa rollover switch" lets it in`), why];
    case 'wait': {
      const until =
        decision.until === null ? 'ask again later' : `not before ${new Date(decision.until).toISOString()}`;
      return [head(`wait: ${until}`), why];
    }
    case 'stop':
      return [head('stopped: a person has to look'), why];
    case 'done':
      return [head(`done: ${target} is in use (${ways(rollover).to.join(', ')})`), why];
    default: {
      const never: never = decision;
      return never;
    }
  }
}
