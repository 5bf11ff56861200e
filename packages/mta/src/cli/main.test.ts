import { describe, expect, it } from 'vitest';
import { main } from './main.js';

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await main(argv, {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    stdin: (async function* () {})(),
    env: {},
    signal: new AbortController().signal,
  });
  return { code, out, err };
}

describe('danelaw', () => {
  it('teaches with --help, on standard output', async () => {
    const { code, out, err } = await run('--help');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    for (const word of [
      'send',
      'check',
      'resolve',
      'demo',
      'serve',
      'queue',
      'relay',
      'Examples:',
      'Exit codes:',
    ])
      expect(out).toContain(word);
  });

  it.each(['send', 'check', 'resolve', 'demo', 'serve', 'queue'])(
    'explains %s, the same in both ways, in 100 columns',
    async (command) => {
      const { code, out, err } = await run(command, '--help');
      expect({ code, err }).toEqual({ code: 0, err: '' });
      expect(out).toMatch(new RegExp(`^Usage: danelaw ${command} `));
      expect(out).toContain('Examples:');
      expect(out).toContain('Exit codes:');
      expect(out.split('\n').filter((line) => line.length > 100)).toEqual([]);
      expect((await run('help', command)).out).toBe(out);
    },
  );

  it('prints its version', async () => {
    const { code, out } = await run('--version');
    expect({ code, out }).toEqual({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });

  const wrong: [what: string, argv: string[], message: RegExp][] = [
    ['no command', [], /Usage: danelaw/],
    ['an unknown command', ['sned'], /danelaw: unknown command 'sned'\n\(Did you mean send\?\)/],
    ['an unknown option', ['resolve', '--resolvr', 'system', 'a.example', 'A'], /Did you mean --resolver\?/],
    [
      'a misspelt option before a missing one',
      ['send', '--polcy', 'dane'],
      /unknown option '--polcy'\n\(Did you mean --policy\?\)/,
    ],
    ['a missing argument', ['resolve', 'a.example'], /missing required argument 'type'/],
    ['too many arguments', ['resolve', 'a.example', 'A', 'b'], /too many arguments/],
    ['an option without its value', ['resolve', 'a.example', 'A', '--at'], /argument missing/],
    ['a wrong port', ['resolve', '--dns-port', '99999', 'a', 'A'], /A port is a number from 1 to 65535/],
    ['a wrong time', ['resolve', '--at', 'noon', 'a', 'A'], /ISO 8601/],
    ['a wrong trust', ['resolve', '--trust', 'validat', 'a', 'A'], /Did you mean validate\?/],
    [
      'an unknown policy',
      ['check', '--policy', 'danee', 'a.example'],
      /Did you mean dane\? Supported: none, may/,
    ],
    [
      'a policy that needs more than its name',
      ['check', '--policy', 'fingerprint', 'a.example'],
      /Supported: none/,
    ],
    ['no sender', ['send', '-t', 'a@b.example', '-'], /-f is missing/],
    ['no recipient', ['send', '-f', '', '-'], /-t is missing/],
    ['a malformed sender', ['send', '-f', 'ann', '-t', 'a@b.example'], /-f ann: it has no domain/],
    ['a malformed recipient', ['send', '-f', '', '-t', 'a b@c.example'], /-t a b@c.example: its local part/],
    ['a null recipient', ['send', '-f', '', '-t', '<>'], /-t <>: it is empty/],
    ['a domain that is none', ['check', 'a b.example'], /a b\.example: its domain has the label/],
    ['an EHLO name that is none', ['check', '--helo', 'a b', 'b.example'], /--helo a b/],
  ];
  it.each(wrong)('refuses %s with 64', async (_, argv, message) => {
    const { code, out, err } = await run(...argv);
    expect(err).toMatch(message);
    expect({ code, out }).toEqual({ code: 64, out: '' });
  });

  const misconfigured: [what: string, argv: string[], message: RegExp][] = [
    [
      'an anchor file that is not there',
      ['--trust-anchor', '/nonexistent/root.key'],
      /there is no such file/,
    ],
    ['an anchor file without anchors', ['--trust-anchor', '/dev/null'], /no trust anchor in the text/],
    [
      'a hints file without addresses',
      ['--resolver', 'iterate', '--root-hints', '/dev/null'],
      /root hints hold no address/,
    ],
  ];
  it.each(misconfigured)('refuses %s with 78', async (_, argv, message) => {
    const { code, out, err } = await run('resolve', ...argv, 'a.example', 'A');
    expect(err).toMatch(message);
    expect({ code, out }).toEqual({ code: 78, out: '' });
  });

  it('does not let its arguments drive the terminal', async () => {
    const { err } = await run('send', '-f', '\u001b[31m@', '-t', 'a@b.example');
    expect(err).not.toContain('\u001b');
  });
});
