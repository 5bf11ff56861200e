import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RecipientOutcome } from '@danelaw/smtp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SILENT } from '../log/relay-log.js';
import { EMPTY, HOUR } from './protection-history.js';
import { openHistory, RelayHistory } from './relay-history.js';

const NOW = 1_700_000_000_000;
const clock = (): number => NOW;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'danelaw-history-'));
});
afterEach(() => rm(folder, { recursive: true }));

const outcome = (status: RecipientOutcome['status']): RecipientOutcome => ({
  recipient: 'a@b.example',
  status,
  stage: null,
  reply: null,
  code: null,
  enhancedStatus: null,
  reason: '',
  host: null,
  address: null,
  tls: null,
  mx: null,
  exceptions: [],
});

describe('the history of a relay', () => {
  it('hears what the log is told of messages, and passes all of it on', () => {
    const history = new RelayHistory(clock);
    const passed: string[] = [];
    const note = (event: string): void => void passed.push(event);
    const log = history.hearing({ info: note, warn: note, error: note });
    log.info('received', { id: 'one', from: 'me@a.example', recipients: 1 });
    log.warn('bounced', { id: 'one', to: 'you@b.example', expired: false });
    log.info('queued', { id: 'two', about: 'one', to: ['me@a.example'] });
    log.error('queue', { reason: 'of no message' });
    expect(passed).toEqual(['received', 'bounced', 'queued', 'queue']);
    expect(history.stories.story('one')?.events.map(({ event }) => event)).toEqual([
      'received',
      'bounced',
      'reported',
    ]);
    expect(history.stories.story('one')?.events[2]?.fields).toMatchObject({
      report: 'two',
      to: 'me@a.example',
    });
    expect(history.stories.story('two')?.events.map(({ event }) => event)).toEqual(['queued']);
  });

  it('counts what became of recipients, and one whose time is over as returned', () => {
    const history = new RelayHistory(clock);
    const recipients = [outcome('delivered'), outcome('deferred'), outcome('failed')];
    history.count({ destination: 'b.example' }, { recipients, attempts: [], unrouted: [] });
    history.hearing(SILENT).warn('bounced', { id: 'one', to: 'you@B.example', expired: true });
    expect(history.protection.series('b.example', HOUR, 1, NOW)).toEqual([
      { ...EMPTY, clear: 1, deferred: 1, failed: 2 },
    ]);
  });

  it('is there again after a restart, for its owner alone', async () => {
    const file = join(folder, 'page-history');
    const before = await openHistory(file, clock, () => {});
    before.history.hearing(SILENT).info('received', { id: 'one' });
    before.history.count(
      { destination: 'b.example' },
      { recipients: [outcome('delivered')], attempts: [], unrouted: [] },
    );
    await before.close();
    expect(await readdir(folder)).toEqual(['page-history']);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const after = await openHistory(file, clock, (reason) => expect.fail(reason));
    expect(JSON.stringify(after.history)).toBe(JSON.stringify(before.history));
    await after.close();
  });

  it('is not written where nothing has been heard', async () => {
    const file = join(folder, 'page-history');
    await (await openHistory(file, clock, () => {})).close();
    expect(await readdir(folder)).toEqual([]);
  });

  it.each([
    ['is cut off', '{"format":'],
    ['is of another format', '{"format":"danelaw-history-9"}'],
    ['is no object', '7'],
  ])('begins anew where its file %s, and says so', async (_, text) => {
    const file = join(folder, 'page-history');
    await writeFile(file, text);
    const told: string[] = [];
    const { history, close } = await openHistory(file, clock, (reason) => told.push(reason));
    expect(told).toEqual([expect.stringContaining("can't be read")]);
    history.hearing(SILENT).info('received', { id: 'one' });
    await close();
    expect(await readFile(file, 'utf8')).toContain('danelaw-history-1');
  });

  it('does without a file that can not be written, and says so', async () => {
    const told: string[] = [];
    const { history, close } = await openHistory(join(folder, 'nowhere', 'x'), clock, (reason) =>
      told.push(reason),
    );
    history.hearing(SILENT).info('received', { id: 'one' });
    await close();
    expect(told).toEqual([expect.stringContaining('could not be written')]);
  });
});
