/**
 * docs/conformance.md names code and tests. Whatever it names has to be there, or the table would rot unseen.
 * Of docs/conformance-postfix.md only so much is looked at as can be without Postfix:
 * `interop/postfix-scenarios.test.ts` compares all of it with what it measured.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expectedUnder, SCENARIOS, STS_SCENARIOS } from '@danelaw/lab';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const text = readFileSync(`${root}/docs/conformance.md`, 'utf8');

interface Row {
  readonly part: string;
  readonly label: string;
  readonly code: readonly string[];
  readonly tests: readonly string[];
  readonly status: string;
}

/** `a › b` in backticks. One pair of them, or two where what they hold has one of its own. */
const citations = (cell: string): string[] =>
  [...cell.matchAll(/``\s(.+?)\s``|`([^`]+)`/g)].map(([, double, single]) => double ?? single ?? '');

function readRows(): Row[] {
  const rows: Row[] = [];
  let part = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('## ')) part = line.slice(3);
    if (!line.startsWith('| ') || /^\| (?:Section)? ?\|/.test(line) || line.startsWith('| Section')) continue;
    const cells = line
      .slice(2, -1)
      .split('|')
      .map((cell) => cell.trim());
    const [first = '', second = '', third = '', fourth = '', status = ''] = cells;
    if (cells.length !== 5) throw new Error(`not five cells: ${line}`);
    // The second kind of table has answers where the first has code.
    const code = part.startsWith('RFC') ? citations(third) : [];
    rows.push({ part, label: `${part} ${first}: ${second}`, code, tests: citations(fourth), status });
  }
  return rows;
}

const rows = readRows();
const sources = new Map<string, string>();

function source(file: string): string {
  const path = `${root}/packages/${file}`;
  const known = sources.get(file);
  if (known !== undefined) return known;
  const content = existsSync(path) ? readFileSync(path, 'utf8') : '';
  sources.set(file, content);
  return content;
}

const vectors = new Set(
  JSON.parse(source('dane/vectors/vectors.json')).vectors.map(({ name }: { name: string }) => name),
);
const domains = new Set(SCENARIOS.map(({ domain }) => domain));
const stsDomains = new Set(STS_SCENARIOS.map(({ domain }) => domain));

/** Titles stand in the sources as strings of their own. */
const hasTitle = (file: string, title: string): boolean =>
  ["'", '"', '`'].some((quote) => source(file).includes(`${quote}${title}${quote}`));

function testExists(citation: string): boolean {
  const [where = '', title = ''] = citation.split(' › ');
  if (where === 'vector') return vectors.has(title);
  if (where === 'demo') return domains.has(title);
  if (where === 'lab') return stsDomains.has(title);
  return where.endsWith('.test.ts') && hasTitle(where, title);
}

function codeExists(citation: string): boolean {
  const [file = '', name = ''] = citation.split(' › ');
  return new RegExp(`(?<![\\w$])${name.replace(/[#$]/g, '\\$&')}(?![\\w$])`).test(source(file));
}

describe('docs/conformance.md', () => {
  it('has the parts it should have, and rows in each', () => {
    const counts = new Map<string, number>();
    for (const { part } of rows) counts.set(part, (counts.get(part) ?? 0) + 1);
    expect([...counts.keys()].map((part) => part.split(':')[0])).toEqual([
      'RFC 7672',
      'RFC 7671',
      'Mistakes others made',
    ]);
    expect(Math.min(...counts.values())).toBeGreaterThanOrEqual(30);
  });

  it('names only tests that are there', () => {
    const missing = rows.flatMap(({ label, tests }) =>
      tests.filter((test) => !testExists(test)).map((test) => `${label} -> ${test}`),
    );
    expect(missing).toEqual([]);
  });

  it('names only code that is there', () => {
    const missing = rows.flatMap(({ label, code }) =>
      code.filter((each) => !codeExists(each)).map((each) => `${label} -> ${each}`),
    );
    expect(missing).toEqual([]);
  });

  it('says "done" and "decided" only with a test, and always says something', () => {
    const wrong = rows.filter(({ status, tests }) => {
      if (/^(?:done|decided)\b/.test(status)) return tests.length === 0;
      return !/^(?:not yet: .|not tested|not our task: .|nothing to do)/.test(status);
    });
    expect(wrong.map(({ label, status }) => `${label}: ${status}`)).toEqual([]);
  });

  it('has a scenario for every rule of RFC 7672 sections 2, 3, 5, 6, 8, 9.1, 10, none open', () => {
    const binding = rows.filter(({ label }) => /^RFC 7672:.* (?:[23568](?:\.\d)*|9\.1|10): /u.test(label));
    expect(binding.length).toBeGreaterThanOrEqual(75);
    const open = binding.filter(
      ({ status, tests }) =>
        !/^(?:done|decided)\b/u.test(status) || !tests.some((test) => test.startsWith('demo › ')),
    );
    expect(open.map(({ label }) => label)).toEqual([]);
    expect(SCENARIOS.length).toBeGreaterThanOrEqual(80);
  });

  it('numbers the mistakes one by one', () => {
    const mistakes = rows.filter(({ part }) => part.startsWith('Mistakes'));
    const numbers = mistakes.map(({ label }) => Number(/(\d+): /.exec(label)?.[1]));
    expect(numbers).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
  });
});

interface Compared {
  readonly domain: string;
  readonly shows: string;
  readonly rule: string;
  /** danelaw and Postfix under `dane`, then under `dane-only`. */
  readonly outcomes: readonly [string, string, string, string];
}

const postfixText = readFileSync(`${root}/docs/conformance-postfix.md`, 'utf8');

function readCompared(): Compared[] {
  const lines = postfixText.split('\n').filter((line) => line.startsWith('| `'));
  return lines.map((line) => {
    const [domain = '', shows = '', rule = '', a = '', b = '', c = '', d = ''] = line
      .slice(2, -2)
      .split(' | ');
    return { domain: domain.replaceAll('`', ''), shows, rule, outcomes: [a, b, c, d] };
  });
}

const statusOf = (words: string): string => (/^(?:deferred|failed)\b/u.test(words) ? words : 'delivered');

describe('docs/conformance-postfix.md', () => {
  const compared = readCompared();

  it('has a row for every scenario, with what it shows (written by "npm run test:interop -- -u")', () => {
    expect(compared.map(({ domain, shows, rule }) => [domain, shows, rule])).toEqual(
      SCENARIOS.map(({ domain, shows, rule }) => [domain, shows, rule]),
    );
  });

  it('says of danelaw what the scenarios ask for', () => {
    expect(
      compared.map(({ domain, outcomes: [dane, , daneOnly] }) => [
        domain,
        statusOf(dane),
        statusOf(daneOnly),
      ]),
    ).toEqual(
      SCENARIOS.map((scenario) => [
        scenario.domain,
        expectedUnder(scenario, 'dane').status,
        expectedUnder(scenario, 'dane-only').status,
      ]),
    );
  });

  it('explains every difference, with the words of an RFC', () => {
    const notes = postfixText
      .slice(postfixText.indexOf('## Where they differ'))
      .split('<a id="difference-')
      .slice(1);
    for (const note of notes) expect(note).toMatch(/\. RFC \d+ section [\d.]+:\n\n> .+\.\n\n.+\.\n/u);
    const unexplained = compared.filter(({ domain, outcomes: [a, b, c, d] }) =>
      [
        [a, b],
        [c, d],
      ].some(([ours, postfix = '']) => {
        const number = / \[\((\d+)\)\]/u.exec(postfix)?.[1];
        return number === undefined
          ? ours !== postfix
          : !notes[Number(number) - 1]?.includes(`\`${domain}\``);
      }),
    );
    expect(unexplained).toEqual([]);
    expect(notes.length).toBeGreaterThan(0);
  });
});
