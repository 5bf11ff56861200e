import { parse } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { verifyPassword } from '../listener/password.js';
import { main } from './main.js';

interface Typist {
  /** Standard input, piece by piece. */
  readonly input: readonly string[];
  readonly terminal?: boolean;
}

async function run({ input, terminal = false }: Typist, ...argv: string[]) {
  let out = '';
  let err = '';
  const modes: boolean[] = [];
  async function* pieces() {
    for (const piece of input) yield Buffer.from(piece);
  }
  const stdin = Object.assign(pieces(), { isTTY: terminal, setRawMode: (on: boolean) => modes.push(on) });
  const code = await main(['user', 'hash', ...argv], {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    stdin,
    env: {},
    signal: new AbortController().signal,
  });
  return { code, out, err, modes };
}

describe('danelaw user hash', () => {
  it.each<[string, string, string[], string]>([
    ['a line', 'alice', ['secret\n'], 'secret'],
    ['a line that ends as on Windows', 'alice', ['secret\r\n'], 'secret'],
    ['a line without an end, in pieces', 'alice', ['sec', 'ret'], 'secret'],
    ['the first of two lines', 'alice', ['secret\nother\n'], 'secret'],
    ['blanks, which count', 'alice', [' se cret \n'], ' se cret '],
    ['a name that TOML wants quoted', 'alice@"example".org', ['grüße\n'], 'grüße'],
  ])('reads %s from a pipe, and prints a line of TOML', async (_, name, input, password) => {
    const { code, out, err } = await run({ input }, name);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const stored = parse(out)[name];
    expect(await verifyPassword(password, String(stored))).toBe(true);
    expect(out).not.toContain(password.trim());
  });

  it('prints the hash alone without a name, and JSON where it is asked for', async () => {
    expect((await run({ input: ['x\n'] })).out).toMatch(/^\$scrypt\$ln=15,r=8,p=1\$[^$\n]+\$[^$\n]+\n$/);
    const { out } = await run({ input: ['x\n'] }, '--json', 'alice');
    expect(JSON.parse(out)).toEqual({ name: 'alice', hash: expect.stringMatching(/^\$scrypt\$/) });
  });

  it('asks twice at a terminal, shows nothing, and knows backspace and ^U', async () => {
    const input = ['x\u0015sekr', '\u007f\u007f', 'cret\r', 'secret\r'];
    const { code, out, err, modes } = await run({ input, terminal: true });
    expect({ code, err, modes }).toEqual({ code: 0, err: 'Password: \nAgain: \n', modes: [true, false] });
    expect(await verifyPassword('secret', out.trim())).toBe(true);
  });

  it.each<[string, Typist, string[], number, RegExp]>([
    ['nothing', { input: [] }, ['alice'], 65, /password is empty/],
    ['an empty line', { input: ['\n'] }, ['alice'], 65, /password is empty/],
    ['a NUL', { input: ['a\0b\n'] }, ['alice'], 65, /control character/],
    ['a book', { input: ['x'.repeat(2000)] }, ['alice'], 65, /longer than 1024/],
    ['two that differ', { input: ['a\r', 'b\r'], terminal: true }, ['alice'], 65, /not the same/],
    ['^C', { input: ['a\u0003'], terminal: true }, ['alice'], 130, /interrupted/],
    ['a name with a line end', { input: ['x\n'] }, ['a\nb'], 64, /control characters/],
    ['an empty name', { input: ['x\n'] }, [''], 64, /not empty/],
  ])('refuses %s', async (_, typist, argv, code, message) => {
    const result = await run(typist, ...argv);
    expect(result).toMatchObject({ code, out: '' });
    expect(result.err).toMatch(message);
    if (typist.terminal) expect(result.modes.at(-1)).toBe(false);
  });
});
