/** The events of the log and their fields, as the table in docs/relay.md has them. */
import { readFileSync } from 'node:fs';

/** What "the same place" stands for: where an attempt stands. */
const PLACE = ['id', 'domain', 'host', 'address', 'port', 'mx', 'policy'];

const namesIn = (text: string): string[] =>
  [...text.matchAll(/`([a-zA-Z-]+)`/gu)].map(([, name = '']) => name);

/** Fields by event, `level` and `time` left out. */
export function documentedEvents(): ReadonlyMap<string, ReadonlySet<string>> {
  const text = readFileSync(new URL('../../../../docs/relay.md', import.meta.url), 'utf8');
  const section = /\n## The log\n(.*?)\n## /su.exec(text)?.[1] ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('| `'));
  return new Map(
    rows.flatMap((row) => {
      const [, events = '', , fields = ''] = row.split('|');
      const plain = fields.replaceAll(/\([^)]*\)/gu, '');
      const names = new Set([...namesIn(plain), ...(fields.includes('the same place') ? PLACE : [])]);
      return namesIn(events).map((event) => [event, names] as const);
    }),
  );
}
