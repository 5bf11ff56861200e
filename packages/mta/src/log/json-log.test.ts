import { describe, expect, it } from 'vitest';
import { jsonLog } from './json-log.js';
import { type LineFile, LineWriter, MOST_WAITING } from './line-writer.js';
import { textLog } from './text-log.js';

const failure = (code: string): Error => Object.assign(new Error(code), { code });

/** A file that takes so many octets at a time, or fails as long as `failing` says so. */
function testFile({ most = 1_000_000 } = {}) {
  const state = {
    text: '',
    failing: undefined as string | undefined,
    calls: 0,
    held: undefined as (() => void) | undefined,
  };
  const put = (octets: Uint8Array): number => {
    state.calls += 1;
    if (state.failing !== undefined) throw failure(state.failing);
    const taken = octets.subarray(0, most);
    state.text += Buffer.from(taken).toString();
    return taken.length;
  };
  const file: LineFile = {
    writeSync: put,
    write: (octets, done) => {
      try {
        done(null, put(octets));
      } catch (error) {
        done(error instanceof Error ? error : failure('?'), 0);
      }
    },
  };
  return { state, file };
}

const lostLine = (count: number): string => `lost ${count}\n`;

describe('lines of the log', () => {
  it('are whole where the system takes a few octets at a time', () => {
    const { state, file } = testFile({ most: 3 });
    const lines = new LineWriter(file, lostLine);
    lines.write('one two three\n');
    lines.write('four\n');
    lines.hurry();
    expect(state.text).toBe('one two three\nfour\n');
  });

  it.each(['ENOSPC', 'EIO', 'EAGAIN'])('stay where they are on %s, and are written afterwards', (code) => {
    const { state, file } = testFile();
    const lines = new LineWriter(file, lostLine);
    state.failing = code;
    lines.write('one\n');
    lines.hurry();
    state.failing = undefined;
    lines.write('two\n');
    lines.hurry();
    lines.hurry();
    expect(state.text).toBe('one\ntwo\n');
  });

  it('are counted where they find no room, and the count is told', () => {
    const { state, file } = testFile();
    const lines = new LineWriter(file, lostLine);
    state.failing = 'ENOSPC';
    const line = `${'x'.repeat(1023)}\n`;
    const room = MOST_WAITING / line.length;
    // The first block is in the system's hands, and no longer counted.
    for (let i = 0; i < 8 + room + 5; i++) lines.write(line);
    state.failing = undefined;
    lines.flush();
    expect(state.text.split('\n').filter((each) => each.startsWith('x'))).toHaveLength(8 + room);
    expect(state.text.endsWith('lost 5\n')).toBe(true);
  });

  it('go nowhere when the reader has gone, and nothing comes of it', () => {
    const { state, file } = testFile();
    const lines = new LineWriter(file, lostLine);
    state.failing = 'EPIPE';
    lines.write('one\n');
    lines.hurry();
    const { calls } = state;
    lines.write('two\n');
    lines.hurry();
    lines.flush();
    expect(state.calls).toBe(calls);
  });

  it.each(['ENOSPC', 'EIO', 'EAGAIN'])('do not keep a program from ending on %s', (code) => {
    const { state, file } = testFile();
    const lines = new LineWriter(file, lostLine);
    lines.write('one\n');
    state.failing = code;
    lines.flush();
    expect(state.text).toBe('');
  });
});

describe('the log for a person', () => {
  it('goes on where its terminal is closed, and shows no control character of others', () => {
    const { state, file } = testFile();
    const output = { write: () => expect.fail('the stream would throw') };
    const log = textLog(output, {}, 'info', () => 0, file);
    log.info('delivered', { id: 'a', reason: 'x\u001b[2Jy' });
    log.flush();
    expect(state.text).toMatch(/^00:00:00 delivered {2}a {2}x\P{Cc}*y\n$/u);
    state.failing = 'EIO';
    log.error('queue', { reason: 'full' });
    log.flush();
  });
});

describe('the log in JSON', () => {
  it('says level and time first, then the fields that are there, then the event', () => {
    const { state, file } = testFile();
    const log = jsonLog(file, 'info');
    log.info('delivered', { id: 'a', user: undefined, host: null, delay: 0.5, to: ['x', 'y'] });
    log.info('stopped', {});
    log.flush();
    const [first = '', second = ''] = state.text.split('\n');
    const { level, time } = JSON.parse(first);
    expect(new Date(time).toISOString()).toBe(time);
    const rest = '"id":"a","host":null,"delay":0.5,"to":["x","y"],"event":"delivered"}';
    expect(first).toBe(`{"level":"${level}","time":"${time}",${rest}`);
    expect(Object.keys(JSON.parse(second))).toEqual(['level', 'time', 'event']);
  });

  it.each([
    ['info', ['info', 'warn', 'error']],
    ['warn', ['warn', 'error']],
    ['error', ['error']],
  ] as const)('from %s on', (least, levels) => {
    const { state, file } = testFile();
    const log = jsonLog(file, least);
    log.info('stopped', {});
    log.warn('queue', {});
    log.error('queue', {});
    log.flush();
    const lines = state.text.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).level)).toEqual(levels);
  });

  it('has no control character that a server or a client could have put there', () => {
    const { state, file } = testFile();
    const log = jsonLog(file, 'info');
    const reply = '\u001b[2J \u009b31m \u007f \u2028 \u0085 "quoted" \u00fc\n';
    log.warn('deferred', { reply });
    log.flush();
    expect(state.text.slice(0, -1)).not.toMatch(/[\p{Cc}\u2028]/u);
    expect(JSON.parse(state.text)).toMatchObject({ level: 'warn', event: 'deferred', reply });
  });
});
