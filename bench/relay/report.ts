/** Tables of what was measured: one for each case, and how far the bars are. */
import type { Measured } from './measure.js';

export interface Row extends Measured {
  readonly side: string;
  /** Postfix. */
  readonly isReference: boolean;
  /** Of the case. */
  readonly name: string;
}

/** What was promised: times Postfix's rate, part of its CPU. */
const BARS: Readonly<Record<string, { readonly rate: number; readonly cpu: number }>> = {
  a: { rate: 2, cpu: 1 / 2 },
  b: { rate: 3, cpu: 1 / 3 },
  c: { rate: 1.5, cpu: 1 },
  d: { rate: 1.5, cpu: 1 },
};

const HEADER = [
  '',
  'messages/s',
  'CPU s/1000',
  'MiB',
  'p50, p99 ms',
  'connections',
  'resumed',
  'servers, DNS: CPU s/1000',
];

/** The median of all rounds, number by number. */
export function report(rows: readonly Row[]): string {
  const names = [...new Set(rows.map(({ name }) => name))];
  return names
    .map((name) =>
      table(
        name,
        rows.filter((row) => row.name === name),
      ),
    )
    .join('\n\n');
}

function table(name: string, rows: readonly Row[]): string {
  const sides = [...new Set(rows.map(({ side }) => side))].map((side) =>
    median(rows.filter((row) => row.side === side)),
  );
  const lines = sides.map((row) => [
    row.side,
    row.rate.toFixed(0),
    row.cpu.toFixed(2),
    row.memory.toFixed(0),
    `${row.p50.toFixed(0)}, ${row.p99.toFixed(0)}`,
    row.connections.toFixed(0),
    row.resumed.toFixed(0),
    `${row.sinkCpu.toFixed(2)}, ${row.dnsCpu.toFixed(2)}`,
  ]);
  const text = [HEADER, HEADER.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`);
  return [`(${name})`, '', ...text, '', ...verdicts(name, sides)].join('\n');
}

/** Against the best rate and the least CPU that Postfix had, whichever setting that was. */
function verdicts(name: string, sides: readonly Row[]): readonly string[] {
  const references = sides.filter(({ isReference }) => isReference);
  const bar = BARS[name];
  if (references.length === 0 || bar === undefined) return [];
  const rate = Math.max(...references.map((row) => row.rate));
  const cpu = Math.min(...references.map((row) => row.cpu));
  return sides
    .filter(({ isReference }) => !isReference)
    .map((row) => {
      const times = row.rate / rate;
      const part = row.cpu / cpu;
      const isMet = times >= bar.rate && part <= bar.cpu;
      const numbers = `${times.toFixed(2)} times the rate at ${part.toFixed(2)} of the CPU`;
      return `${row.side}: ${numbers}; bar ${bar.rate} at ${bar.cpu.toFixed(2)}: ${isMet ? 'met' : 'MISSED'}`;
    });
}

function median(rows: readonly Row[]): Row {
  const [first] = rows;
  if (first === undefined) throw new Error('no rows');
  const of = (
    key: 'rate' | 'cpu' | 'sinkCpu' | 'dnsCpu' | 'memory' | 'p50' | 'p99' | 'connections' | 'resumed',
  ) => {
    const sorted = rows.map((row) => row[key]).sort((a, b) => a - b);
    const middle = (sorted.length - 1) / 2;
    return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
  };
  return {
    ...first,
    rate: of('rate'),
    cpu: of('cpu'),
    sinkCpu: of('sinkCpu'),
    dnsCpu: of('dnsCpu'),
    memory: of('memory'),
    p50: of('p50'),
    p99: of('p99'),
    connections: of('connections'),
    resumed: of('resumed'),
  };
}
