import { describe, expect, it } from 'vitest';
import { linesOf, type TreeNode, treePicture } from './tree-picture.js';

const node = (title: string, children: readonly TreeNode[] = []): TreeNode => ({
  title,
  details: ['a detail'],
  tone: 'good',
  shape: 'box',
  children,
});

describe('the picture of a tree', () => {
  it('draws each node below and to the right of its parent, with a line between', () => {
    const svg = String(treePicture([node('root', [node('child'), node('sibling')])], 'a tree', 312));
    const boxes = [...svg.matchAll(/class="box" x="(\d+)" y="(\d+)" width="(\d+)"/gu)].map((match) =>
      match.slice(1).map(Number),
    );
    const [root = [], child = [], sibling = []] = boxes;
    expect(child[0]).toBeGreaterThan(root[0] ?? 0);
    expect(sibling[0]).toBe(child[0]);
    expect(sibling[1]).toBeGreaterThan(child[1] ?? 0);
    for (const [x = 0, , width = 0] of boxes) expect(x + width).toBeLessThanOrEqual(312);
    expect(svg.match(/class="branch"/gu)).toHaveLength(2);
  });

  it('takes what it is told as text', () => {
    const svg = String(treePicture([node('</text><script>alert(1)</script>')], '"><b>', 312));
    expect(svg).not.toContain('<script');
    expect(svg).not.toContain('"><b>');
  });

  it('stays in the picture however deep it goes', () => {
    const deep = Array.from({ length: 40 }).reduce<TreeNode>((below) => node('zone', [below]), node('end'));
    const svg = String(treePicture([deep], '', 312));
    const right = [...svg.matchAll(/class="box" x="(\d+)"/gu)].map((match) => Number(match[1]));
    expect(Math.max(...right)).toBeLessThan(200);
  });
});

describe('lines of text', () => {
  it.each([
    ['are broken at blanks', 'the server is not there', 12, ['the server', 'is not there']],
    ['are broken behind dots where there is no blank', 'mx.mail.example', 10, ['mx.mail.', 'example']],
    ['are broken anywhere where there is neither', 'abcdefghijklmnop', 10, ['abcdefghij', 'klmnop']],
    ['are one where there is room', 'short', 10, ['short']],
    ['are one where there is nothing', '', 10, ['']],
  ])('%s', (_, text, room, expected) => {
    expect(linesOf(text, room)).toEqual(expected);
  });

  it('end where nobody reads on', () => {
    const lines = linesOf('word '.repeat(1000), 20);
    expect(lines).toHaveLength(8);
    expect(lines.at(-1)).toMatch(/…$/u);
  });
});
