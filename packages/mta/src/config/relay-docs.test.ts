import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readRelayConfig } from './relay-config.js';
import { Table } from './table.js';

/** Keys that `config.ts` reads, or whose names the administrator chooses. */
const ELSEWHERE = ['dkim', 'policy', 'credentials.NAME', 'users.NAME', 'aliases.NAME'];

describe('docs/relay.md', () => {
  it('has every key of the configuration, and none that is not there', () => {
    const text = readFileSync(new URL('../../../../docs/relay.md', import.meta.url), 'utf8');
    const section = /\n## Configuration\n(.*?)\n## /su.exec(text)?.[1] ?? '';
    const rows = section.split('\n').filter((line) => line.startsWith('| `'));
    const cells = rows.map((row) => row.split('|')[1] ?? '');
    const documented = cells.flatMap((cell) =>
      [...cell.matchAll(/`([^`]+)`/gu)].map((match) => match[1] ?? ''),
    );
    const stages = /`delivery\.timeouts\.STAGE`.*$/mu.exec(section)?.[0] ?? '';
    const timeouts = [...stages.matchAll(/`([a-z_]+)`/gu)].map((match) => `delivery.timeouts.${match[1]}`);
    const all = [...documented.filter((key) => !key.endsWith('.STAGE')), ...timeouts];
    expect(all.sort()).toEqual([...keysOf(), ...ELSEWHERE].sort());
  });
});

/** What the reader asks for, found out by reading a file in which every table is empty. */
function keysOf(): string[] {
  const asked: string[] = [];
  const values = { listen: [{ address: '127.0.0.1:25' }], tls: { certificate: 'a', key: 'b' } };
  readRelayConfig(new Table({ file: '', text: '' }, values, '', (key) => asked.push(key)));
  const isTable = (key: string): boolean => asked.some((other) => other.startsWith(`${key}.`));
  const named = asked.map((key) => key.replace(/\[\d+\]/u, ''));
  return [...new Set(named)].filter((key) => !isTable(key) && !['users', 'aliases', 'listen'].includes(key));
}
