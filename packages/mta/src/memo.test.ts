import { describe, expect, it } from 'vitest';
import { Memo } from './memo.js';

describe('a memo', () => {
  it('finds out once for each text', () => {
    const asked: string[] = [];
    const memo = new Memo((text) => {
      asked.push(text);
      return text.length;
    });
    expect(['a', 'bb', 'a', 'bb', 'a'].map((text) => memo.of(text))).toEqual([1, 2, 1, 2, 1]);
    expect(asked).toEqual(['a', 'bb']);
  });

  it('forgets all of them where they are too many', () => {
    let asked = 0;
    const memo = new Memo(() => ++asked);
    for (let i = 0; i < 1000; i++) memo.of(`${i}`);
    expect(memo.of('0')).toBe(1);
    memo.of('1000');
    expect(memo.of('0')).toBe(1002);
  });

  it('does not keep what is longer than any address', () => {
    let asked = 0;
    const memo = new Memo(() => ++asked);
    const long = 'a'.repeat(257);
    expect([memo.of(long), memo.of(long)]).toEqual([1, 2]);
  });
});
