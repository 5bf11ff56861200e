import { describe, expect, it } from 'vitest';
import { CommandStream } from './command-stream.js';
import { MessageCollector } from './message-collector.js';
import { OctetBudget } from './octet-budget.js';

const MEGA = 1024 * 1024;

/** A stream that writes down what it hears, and goes on at once, or in its own time. */
function listen(options: { later?: boolean; max?: number } = {}) {
  const heard: string[] = [];
  const stream = new CommandStream({
    maxLineOctets: () => options.max ?? 512,
    line: ({ octets, fault }, done) => {
      const text = fault ?? octets.toString('latin1');
      heard.push(text);
      if (text === 'DATA') {
        const collector = new MessageCollector(new OctetBudget(MEGA), MEGA);
        stream.receive(
          collector,
          () => AbortSignal.abort(),
          (ended) => {
            heard.push(`<${Buffer.from(collector.message()).toString('latin1')}>`);
            if (options.later) setImmediate(ended);
            else ended();
          },
        );
      }
      if (options.later) setImmediate(done);
      else done();
    },
  });
  const write = (text: string): Promise<void> =>
    new Promise((resolve) => stream.write(Buffer.from(text, 'latin1'), () => resolve()));
  return { heard, stream, write };
}

describe('what a client sends', () => {
  it.each<[string, string, string[]]>([
    ['one command', 'NOOP\r\n', ['NOOP']],
    ['several commands', 'EHLO a\r\nNOOP\r\nQUIT\r\n', ['EHLO a', 'NOOP', 'QUIT']],
    ['an empty line', '\r\nNOOP\r\n', ['', 'NOOP']],
    ['a bare LF, which ends no command that is run', 'NOOP\nQUIT\r\n', ['line-end', 'QUIT']],
    ['a bare CR within', 'NO\rOP\r\nQUIT\r\n', ['line-end', 'QUIT']],
    ['CR CR LF', 'NOOP\r\r\n', ['line-end']],
    ['LF alone', '\n', ['line-end']],
    ['a message, and a command behind it', 'DATA\r\na\r\n.\r\nNOOP\r\n', ['DATA', '<a\r\n>', 'NOOP']],
    ['a message with a bare LF', 'DATA\r\na\n.\nNOOP\r\n.\r\nQUIT\r\n', ['DATA', '<a\n.\nNOOP\r\n>', 'QUIT']],
    ['two messages', 'DATA\r\na\r\n.\r\nDATA\r\n.\r\n', ['DATA', '<a\r\n>', 'DATA', '<>']],
    ['a line without an end', 'NOOP\r\nQUI', ['NOOP']],
  ])('%s', async (_, text, expected) => {
    for (const later of [false, true]) {
      const whole = listen({ later });
      await whole.write(text);
      expect(whole.heard).toEqual(expected);
      const pieces = listen({ later });
      for (const char of text) await pieces.write(char);
      expect(pieces.heard).toEqual(expected);
    }
  });

  it('tells a line that is too long once, however it comes, and reads the next one', async () => {
    const text = `${'x'.repeat(2000)}\r\nNOOP\r\n`;
    const whole = listen({ max: 100 });
    await whole.write(text);
    expect(whole.heard).toEqual(['too-long', 'NOOP']);
    const pieces = listen({ max: 100 });
    for (const char of text) await pieces.write(char);
    expect(pieces.heard).toEqual(['too-long', 'NOOP']);
  });

  it('may have a line of exactly the bound, line end included', async () => {
    const { heard, write } = listen({ max: 6 });
    await write('NOOP\r\nNOOPS\r\n');
    expect(heard).toEqual(['NOOP', 'too-long']);
  });

  it('lets others have a turn: thousands of commands are not run in a row', async () => {
    const { heard, write } = listen();
    const done = write('NOOP\r\n'.repeat(1000));
    expect(heard.length).toBeLessThan(1000);
    await done;
    expect(heard).toHaveLength(1000);
  });

  it('is not run when the stream was closed in between (RFC 3207 section 5)', async () => {
    const heard: string[] = [];
    const stream = new CommandStream({
      maxLineOctets: () => 512,
      line: ({ octets }, done) => {
        heard.push(octets.toString());
        stream.isClosed = true;
        setImmediate(done);
      },
    });
    await new Promise<void>((resolve) =>
      stream.write(Buffer.from('STARTTLS\r\nMAIL FROM:<>\r\n'), () => resolve()),
    );
    expect(heard).toEqual(['STARTTLS']);
  });

  it('is not run without its line end when the client leaves', async () => {
    const { heard, stream, write } = listen();
    await write('DATA');
    await new Promise<void>((resolve) => stream.end(() => resolve()));
    expect(heard).toEqual([]);
  });
});
