import { describe, expect, it } from 'vitest';
import { distinctViews, type SenderView } from './check-senders.js';

const view = (sender: SenderView['sender'], verdict: string): SenderView => ({
  sender,
  status: 'unclear',
  verdict,
});

describe('what other senders do, for people', () => {
  it('is said once where all do the same', () => {
    const views = [view('mta-sts', 'All wait.'), view('opportunistic', 'All wait.')];
    expect(distinctViews(views)).toEqual([views[0]]);
  });

  it('is said of each where they differ', () => {
    const views = [view('mta-sts', 'They wait.'), view('opportunistic', 'They deliver.')];
    expect(distinctViews(views)).toEqual(views);
  });
});
