/**
 * What was said in the log of each message, for as long as there is room: so that the whole story of a message can be
 * told, of one that has left the queue too.
 *
 * The oldest messages are forgotten first. Of one message the beginning is kept, and the end; what is between them, a
 * week of vain tries, is left out.
 */

export type StoryValue = string | number | boolean | null;

export interface StoryEvent {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly level: 'info' | 'warn' | 'error';
  /** As in the log. */
  readonly event: string;
  readonly fields: Readonly<Record<string, StoryValue>>;
}

export interface Story {
  readonly id: string;
  readonly events: readonly StoryEvent[];
  /** Events between the beginning and the end that are kept no longer. */
  readonly leftOut: number;
}

/** Events of all messages: about five megabytes. */
export const MAX_EVENTS = 10_000;
/** Events of one message that are kept from its beginning, and from its end. */
export const MAX_BEGINNING = 20;
export const MAX_END = 40;
/** Characters of one value: a reply of several lines is longer, and its beginning says enough. */
const MAX_VALUE = 600;
/** Items of a list that are named. */
const MAX_LISTED = 10;

interface Kept {
  readonly events: StoryEvent[];
  leftOut: number;
}

export class StoryBook {
  /** The one that was heard of last at the end. */
  readonly #stories = new Map<string, Kept>();
  readonly #max: number;
  #events = 0;

  constructor(max = MAX_EVENTS) {
    this.#max = max;
  }

  get size(): number {
    return this.#stories.size;
  }

  add(id: string, event: StoryEvent): void {
    const story = this.#stories.get(id) ?? { events: [], leftOut: 0 };
    this.#stories.delete(id);
    this.#stories.set(id, story);
    story.events.push(event);
    this.#events += 1;
    if (story.events.length > MAX_BEGINNING + MAX_END) {
      story.events.splice(MAX_BEGINNING, 1);
      story.leftOut += 1;
      this.#events -= 1;
    }
    while (this.#events > this.#max && this.#stories.size > 1) this.#forget();
  }

  story(id: string): Story | undefined {
    const story = this.#stories.get(id);
    return story === undefined ? undefined : { id, events: [...story.events], leftOut: story.leftOut };
  }

  /** The one that was heard of last comes first. */
  *latest(): Generator<Story> {
    for (const [id, { events, leftOut }] of [...this.#stories].reverse()) yield { id, events, leftOut };
  }

  toJSON(): unknown {
    return [...this.#stories].map(([id, { events, leftOut }]) => ({ id, events, leftOut }));
  }

  /** Takes what `toJSON` gave; what is not of that form is passed over. */
  load(value: unknown): void {
    if (!Array.isArray(value)) return;
    for (const each of value as readonly unknown[]) {
      if (!isObject(each) || typeof each['id'] !== 'string' || !Array.isArray(each['events'])) continue;
      for (const event of each['events'] as readonly unknown[]) {
        const read = eventOf(event);
        if (read !== undefined) this.add(each['id'], read);
      }
      const story = this.#stories.get(each['id']);
      if (story !== undefined && typeof each['leftOut'] === 'number') story.leftOut += each['leftOut'];
    }
  }

  #forget(): void {
    for (const [id, { events }] of this.#stories) {
      this.#stories.delete(id);
      this.#events -= events.length;
      return;
    }
  }
}

/** The fields of a log line as they are kept: plain values, none longer than is read. */
export function storyFields(fields: Readonly<Record<string, unknown>>): Record<string, StoryValue> {
  const kept: Record<string, StoryValue> = {};
  for (const [key, value] of Object.entries(fields)) {
    if (key !== 'id' && value !== undefined) kept[key] = plainValue(value);
  }
  return kept;
}

function plainValue(value: unknown): StoryValue {
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) {
    const more = value.length > MAX_LISTED ? `, and ${value.length - MAX_LISTED} more` : '';
    return cut(value.slice(0, MAX_LISTED).map(String).join(', ')) + more;
  }
  return cut(typeof value === 'string' ? value : JSON.stringify(value));
}

const cut = (text: string): string => (text.length <= MAX_VALUE ? text : `${text.slice(0, MAX_VALUE)}…`);

function eventOf(value: unknown): StoryEvent | undefined {
  if (!isObject(value)) return undefined;
  const { time, level, event, fields } = value;
  if (typeof time !== 'number' || typeof event !== 'string' || !isObject(fields)) return undefined;
  if (level !== 'info' && level !== 'warn' && level !== 'error') return undefined;
  return { time, level, event, fields: storyFields(fields) };
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
