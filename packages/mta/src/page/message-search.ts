/** Messages that somebody looks for: in the queue, and among those that were heard of lately. */
import type { Queue, QueueEntry, QueueFilter } from '../queue/queue.js';
import type { Story, StoryBook } from './story-book.js';

/** Messages in each of the two lists. */
export const MAX_FOUND = 50;

export interface FoundMessages {
  /** Oldest first. */
  readonly entries: readonly QueueEntry[];
  readonly hasMore: boolean;
  /** Latest first. */
  readonly stories: readonly Story[];
}

/** @param query an address, `@domain` or a domain; the empty string for all */
export async function findMessages(
  queue: Pick<Queue, 'list'>,
  stories: StoryBook,
  query: string,
  isHeldOnly: boolean,
): Promise<FoundMessages> {
  const state = isHeldOnly ? { state: 'held' as const } : {};
  const address = query.includes('@') ? query : `@${query}`;
  const filters: readonly QueueFilter[] =
    query === ''
      ? [state]
      : [
          { ...state, to: address },
          { ...state, from: address },
        ];
  const entries = new Map<string, QueueEntry>();
  let hasMore = false;
  for (const filter of filters) {
    for await (const entry of queue.list(filter)) {
      if (entries.size >= MAX_FOUND && !entries.has(entry.id)) {
        hasMore = true;
        break;
      }
      entries.set(entry.id, entry);
    }
  }
  const sorted = [...entries.values()].sort((one, other) => one.envelope.arrived - other.envelope.arrived);
  return { entries: sorted, hasMore, stories: isHeldOnly ? [] : latestOf(stories, query) };
}

function latestOf(stories: StoryBook, query: string): Story[] {
  const found: Story[] = [];
  const wanted = query.toLowerCase();
  for (const story of stories.latest()) {
    if (found.length >= MAX_FOUND) break;
    const isMeant = story.events.some(({ fields }) =>
      [fields['from'], fields['to']].some(
        (each) => typeof each === 'string' && each.toLowerCase().includes(wanted),
      ),
    );
    if (wanted === '' || isMeant) found.push(story);
  }
  return found;
}
