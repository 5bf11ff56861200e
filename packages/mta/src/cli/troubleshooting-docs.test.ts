/** The page that is searched for what a program has just said must say it in the same words, and leave nothing out. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import * as answers from '../listener/answers.js';
import { TROUBLE_EVENTS } from '../log/trouble-events.js';
import { DEFERRAL_TITLES } from '../page/deferral-advice.js';
import { ADVICE_CODES } from '../tlsa/advice.js';
import { EXIT } from './exit.js';
import { FINDING_CODES, WATCH_CODES } from './finding-codes.js';

const PACKAGES = fileURLToPath(new URL('../../..', import.meta.url));
const PAGE = readFileSync(new URL('../../../../docs/troubleshooting.md', import.meta.url), 'utf8');

const sources = new Map(
  readdirSync(PACKAGES, { recursive: true, encoding: 'utf8' })
    .filter((file) => /^[a-z-]+\/src\/.*\.ts$/u.test(file) && !file.endsWith('.test.ts'))
    .map((file) => [file, readFileSync(`${PACKAGES}/${file}`, 'utf8')]),
);
/** Strings that were broken for the length of a line are whole; what is filled in is a gap. */
const said = [...sources.values()]
  .map((text) => text.replaceAll(/['`"]\s*\+\s*['`"]/gu, '').replaceAll("\\'", "'"))
  .join('\n');

/** The rows of the table in one section: the texts in code of each one's first cell. */
function keysOf(section: string): string[] {
  const start = PAGE.indexOf(`\n## ${section}\n`);
  const end = PAGE.indexOf('\n## ', start + 1);
  expect(start, section).toBeGreaterThan(0);
  const rows = PAGE.slice(start, end < 0 ? undefined : end).matchAll(/^\| (`.*?|\d[\d, ]*) \|/gmu);
  return [...rows].flatMap(([, cell = '']) => [...cell.matchAll(/`([^`]+)`/gu)].map(([, key = '']) => key));
}

/** All that stands in code in a section. */
const codesIn = (section: string): Set<string> => {
  const start = PAGE.indexOf(`\n## ${section}\n`);
  const end = PAGE.indexOf('\n## ', start + 1);
  const text = PAGE.slice(start, end < 0 ? undefined : end);
  return new Set([...text.matchAll(/`([^`\n]+)`/gu)].map(([, key = '']) => key));
};

/** Of the system, which says them itself. */
const NOT_OURS = new Set(['EADDRINUSE', 'EACCES']);

describe('docs/troubleshooting.md', () => {
  it.each([
    'Mail is deferred or bounced',
    'The relay does not start',
    'DNS',
    'Roll-over, deployment, updates',
  ])('"%s" quotes what the program says', (section) => {
    const keys = keysOf(section).filter((key) => !NOT_OURS.has(key));
    expect(keys.length).toBeGreaterThan(8);
    const pieces = keys.flatMap((key) => key.split(/\.\.\./u).map((piece) => ({ key, piece })));
    const unsaid = pieces.filter(({ piece }) => piece.trim().length > 3 && !isSaid(piece));
    expect(unsaid).toEqual([]);
  });

  it('has the replies to clients as they are', () => {
    const replies = Object.values(answers).flatMap((each) =>
      typeof each === 'object' && 'code' in each ? [each] : [],
    );
    expect(replies.length).toBeGreaterThan(20);
    const texts = new Set(replies.map(({ code, enhanced, text }) => `${code} ${enhanced} ${text}`));
    const own = keysOf('Clients are refused').filter((key) => /^\d{3} \S+ [A-Z]/u.test(key));
    expect(own.filter((key) => !texts.has(key) && !key.includes('...'))).toEqual([]);
    // Those that end a session, or are about trust, room and time.
    const weighty = [...texts].filter((text) => /^(?:421|45|530|535|550)/u.test(text));
    expect(weighty.filter((text) => !own.includes(text) && !text.includes('HTTP'))).toEqual([]);
  });

  it('has every event of level warn and error, and no other', () => {
    // Those of a table's first cells; the others are fields and texts.
    expect(keysOf('Events of the log').sort()).toEqual([...TROUBLE_EVENTS].sort());
  });

  it('has every code of a finding, and no other', () => {
    const named = [
      ...keysOf('Findings of check, watch and survey'),
      ...keysOf('Findings of tlsa verify and tlsa create'),
    ];
    expect(named.sort()).toEqual([...FINDING_CODES, ...ADVICE_CODES, ...WATCH_CODES].sort());
  });

  it('has every title under which the page shows what waits, in its words', () => {
    expect(keysOf('What waits, by cause').sort()).toEqual([...DEFERRAL_TITLES].sort());
  });

  it('has every type of failure', () => {
    const [, union = ''] =
      /export type FailureType =([^;]+);/u.exec(sources.get('smtp/src/fault.ts') ?? '') ?? [];
    const types = [...union.matchAll(/'([a-z-]+)'/gu)].map(([, type = '']) => type);
    expect(types.length).toBeGreaterThan(8);
    const named = codesIn('Mail is deferred or bounced');
    expect(types.filter((type) => !named.has(type))).toEqual([]);
  });

  it('has every exit code', () => {
    const text = PAGE.slice(PAGE.indexOf('\n## Exit codes\n'));
    const named = [...text.matchAll(/^\| ([\d, ]+) \|/gmu)].flatMap(([, cell = '']) =>
      cell.split(', ').map(Number),
    );
    expect([...named].sort()).toEqual([...Object.values(EXIT)].sort());
  });
});

/** In one literal; where a gap is filled in, on both sides of it. */
function isSaid(piece: string): boolean {
  const core = piece.replace(/^[\s:;,(]+/u, '').replace(/[\s:;,(]+$/u, '');
  return said.includes(core);
}
