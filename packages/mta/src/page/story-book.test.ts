import { describe, expect, it } from 'vitest';
import { MAX_BEGINNING, MAX_END, StoryBook, type StoryEvent, storyFields } from './story-book.js';

const event = (time: number): StoryEvent => ({
  time,
  level: 'info',
  event: 'deferred',
  fields: { to: 'a@b.example' },
});

describe('the stories of messages', () => {
  it('come latest first', () => {
    const book = new StoryBook();
    book.add('one', event(1));
    book.add('two', event(2));
    book.add('one', event(3));
    expect([...book.latest()].map(({ id }) => id)).toEqual(['one', 'two']);
  });

  it('keep the beginning and the end of a message that is tried for days', () => {
    const book = new StoryBook();
    for (let i = 0; i < 100; i++) book.add('one', event(i));
    const story = book.story('one');
    expect(story?.leftOut).toBe(100 - MAX_BEGINNING - MAX_END);
    expect(story?.events.map(({ time }) => time)).toEqual([
      ...Array.from({ length: MAX_BEGINNING }, (_, i) => i),
      ...Array.from({ length: MAX_END }, (_, i) => 100 - MAX_END + i),
    ]);
  });

  it('are forgotten, those that were heard of longest ago first', () => {
    const book = new StoryBook(3);
    for (const id of ['one', 'two', 'one', 'three', 'four']) book.add(id, event(0));
    expect([...book.latest()].map(({ id }) => id)).toEqual(['four', 'three']);
  });

  it('outlive a restart', () => {
    const before = new StoryBook();
    for (let i = 0; i < 70; i++) before.add('one', event(i));
    before.add('two', event(1));
    const after = new StoryBook();
    after.load(JSON.parse(JSON.stringify(before)));
    expect(JSON.stringify(after)).toBe(JSON.stringify(before));
  });

  it.each([
    ['nothing', null],
    ['no list', { id: 'one' }],
    ['no id', [{ events: [event(1)] }]],
    ['no events', [{ id: 'one', events: [null, 7, { time: 'x' }, { ...event(1), level: 'loud' }] }]],
  ])('pass over what was not written here: %s', (_, value) => {
    const book = new StoryBook();
    book.load(value);
    expect(book.size).toBe(0);
  });

  it('keep values that are plain, and not longer than anybody reads', () => {
    const fields = storyFields({
      id: 'one',
      reply: 'x'.repeat(10_000),
      to: Array.from({ length: 12 }, (_, i) => `${i}@b.example`),
      authenticated: { by: 'dane' },
      user: undefined,
      mx: null,
    });
    expect(fields['reply']).toHaveLength(601);
    expect(fields).toMatchObject({ authenticated: '{"by":"dane"}', mx: null });
    expect(fields['to']).toMatch(/^0@b.example, .*9@b.example, and 2 more$/u);
    expect(Object.keys(fields).sort()).toEqual(['authenticated', 'mx', 'reply', 'to']);
  });
});
