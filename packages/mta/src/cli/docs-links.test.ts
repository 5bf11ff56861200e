/** A link in a document leads to a file that is there, and to a heading of it. */
import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { documents, ROOT } from '../testing/documents.js';

/** As GitHub makes them. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/gu, '$1')
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .trim()
    .replaceAll(' ', '-');

const all = documents();
/** Of headings, and those that stand in the text. */
function anchorsOf(text: string): Set<string> {
  const prose = text.replaceAll(/^```[\s\S]*?^```/gmu, '');
  const headings = [...prose.matchAll(/^#{1,6} (.*)$/gmu)].map(([, heading = '']) => anchorOf(heading));
  const placed = [...prose.matchAll(/<a id="([^"]+)">/gu)].map(([, id = '']) => id);
  return new Set([...headings, ...placed]);
}

const anchors = new Map(all.map(({ path, text }) => [path, anchorsOf(text)]));

describe('links', () => {
  it('lead somewhere', () => {
    const links = all.flatMap(({ path, text }) =>
      [...text.matchAll(/\]\(([^)\s]+)\)/gu)]
        .map(([, target = '']) => target)
        .filter((target) => !/^[a-z]+:/iu.test(target))
        .map((target) => ({ path, target })),
    );
    expect(links.length).toBeGreaterThan(60);
    const broken = links.filter(({ path, target }) => {
      const [file = '', anchor] = target.split('#');
      const to = file === '' ? path : normalize(join(dirname(path), file)).replace(/\/$/u, '');
      if (!existsSync(join(ROOT, to))) return true;
      return anchor !== undefined && anchors.has(to) && !anchors.get(to)?.has(anchor);
    });
    expect(broken).toEqual([]);
  });
});
