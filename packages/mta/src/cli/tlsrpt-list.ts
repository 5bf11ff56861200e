/** `danelaw tlsrpt list`: what was counted, day by day, and what became of the reports. */
import { Outbox, type OutboxEntry } from '../tlsrpt/outbox.js';
import { State, StateError } from '../tlsrpt/state.js';
import { CommandError, EXIT, type ExitCode } from './exit.js';
import { printable, printableJson } from './printable.js';
import { hanging, type Io, paletteFor, widthOf } from './terminal.js';

interface ListedDay {
  readonly day: string;
  readonly domains: readonly ListedDomain[];
}

interface ListedDomain {
  readonly domain: string;
  /** Null where the counts are gone with the day's last report. */
  readonly successful: number | null;
  readonly failed: number | null;
  /** Null where the day is not over, or nobody has sent reports yet. */
  readonly report: OutboxEntry | null;
}

export async function list(
  options: { readonly state: string; readonly json?: true },
  io: Io,
): Promise<ExitCode> {
  const days = await read(options.state, io);
  if (options.json) {
    io.stdout.write(`${printableJson({ days })}\n`);
    return EXIT.OK;
  }
  const paint = paletteFor(io.stdout, io.env);
  const width = widthOf(io.stdout);
  const lines = days.flatMap(({ day, domains }) => [
    paint.strong(day),
    ...domains.flatMap((each) => hanging(`  ${printable(each.domain)}  `, words(each), width)),
  ]);
  io.stdout.write(lines.length === 0 ? 'Nothing was counted yet.\n' : `${lines.join('\n')}\n`);
  return EXIT.OK;
}

async function read(folder: string, io: Io): Promise<ListedDay[]> {
  const state = new State(folder, (text) => void io.stderr.write(`danelaw: ${printable(text)}\n`));
  try {
    await state.prepare();
    const [counted, reported] = [await state.days(), await state.outboxDays()];
    const days = [...new Set([...counted, ...reported])].sort();
    const listed: ListedDay[] = [];
    for (const day of days) {
      const entries = new Map(
        reported.includes(day)
          ? (await Outbox.open(state, day)).entries.map((each) => [each.domain, each])
          : [],
      );
      const counters = await state.read(day);
      const names = [...new Set([...counters.domains, ...entries.keys()])].sort();
      const domains = names.map((domain): ListedDomain => {
        const cells = counters.cells(domain);
        const total = (of: 'successful' | 'failed') =>
          cells.length === 0 ? null : cells.reduce((sum, cell) => sum + cell[of], 0);
        const [successful, failed] = [total('successful'), total('failed')];
        return { domain, successful, failed, report: entries.get(domain) ?? null };
      });
      listed.push({ day, domains });
    }
    return listed;
  } catch (error) {
    if (error instanceof StateError) throw new CommandError(EXIT.CONFIG, `--state: ${error.message}`);
    throw error;
  }
}

function words({ successful, failed, report }: ListedDomain): string {
  const counts = successful === null ? [] : [`${successful} in order, ${failed} failed`];
  return [...counts, report === null ? 'no report begun' : reportWords(report)].map(printable).join('; ');
}

function reportWords({ status, due, tries, words: what }: OutboxEntry): string {
  switch (status) {
    case 'waiting':
      return [
        `report due ${new Date(due).toISOString()}`,
        ...(tries === 0 ? [] : [`tried ${tries} times: ${what}`]),
      ].join(', ');
    case 'sending':
      return 'report being sent';
    case 'sent':
      return `report sent: ${what}`;
    case 'no-record':
      return `no report wanted: ${what}`;
    case 'dropped':
      return `report dropped: ${what}`;
    case 'in-doubt':
      return `report in doubt: ${what}`;
    default: {
      const never: never = status;
      return never;
    }
  }
}
