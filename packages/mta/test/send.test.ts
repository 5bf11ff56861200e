import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Internet, SCENARIOS, type Scenario, startInternet } from '@danelaw/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dnsOptions, type Ended, run, start } from './program.js';

const HOSTILE: Scenario = {
  domain: 'hostile.example',
  shows: 'A server whose reply would drive a terminal.',
  rule: 'RFC 5321 section 4.2.1',
  zones: { 'hostile.example': { records: ['@ MX 10 mx'] } },
  hosts: {
    'mx.hostile.example': {
      habits: { on: { rcpt: { verbatim: '550 5.1.1 \u001b[2J\u001b]0;owned\u0007no\u009b31m\r\n' } } },
    },
  },
  expected: { status: 'failed', because: 'the server answered RCPT with 550' },
};

const MESSAGE = 'From: me@home.example\r\nSubject: hello\r\n\r\n.\r\nA line.\r\n';

let internet: Internet;
let directory: string;
let options: string[];

beforeAll(async () => {
  internet = await startInternet([...SCENARIOS, HOSTILE]);
  directory = await mkdtemp(join(tmpdir(), 'danelaw-test-'));
  const anchor = join(directory, 'root.ds');
  await writeFile(anchor, internet.trustAnchors.join('\n'));
  options = [...dnsOptions(internet, anchor), '--smtp-port', String(internet.smtpPort), '--timeout', '5'];
});

afterAll(async () => {
  await internet.close();
  await rm(directory, { recursive: true });
});

function send(
  to: readonly string[],
  more: readonly string[] = [],
  input: string | Uint8Array = MESSAGE,
): Promise<Ended> {
  return run(
    ['send', ...options, '-f', 'me@home.example', ...to.flatMap((each) => ['-t', each]), ...more],
    input,
  );
}

async function sendJson(to: readonly string[], more: readonly string[] = []) {
  const { code, out, err } = await send(to, ['--json', ...more]);
  expect(err).toBe('');
  return { code, result: JSON.parse(out) };
}

function received(host: string, recipient: string) {
  const messages = internet.mailServers.get(host)?.received.messages ?? [];
  return messages.filter((message) => message.recipients.some(({ address }) => address === recipient));
}

describe('danelaw send', () => {
  it('delivers what came on standard input, and says in words what was proved', async () => {
    const { code, out, err } = await send(['words@good-3-1-1.example']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(
      /^good-3-1-1\.example\n {2}mx\.good-3-1-1\.example port \d+ {2}secure MX, preference \d+\n/,
    );
    expect(out).toMatch(/\n {4}TLSA {2}secure {2}3 1 1 [0-9a-f]{16}\.\.\.\n/);
    expect(out).toMatch(/TLSv1\.3 TLS_\w+, authenticated by TLSA 3 1 1 [0-9a-f]{16}\.\.\.\s+\(DANE-EE\)/);
    expect(out).toMatch(/> 250 /);
    expect(out.replace(/\s+/g, ' ')).toContain(
      'delivered words@good-3-1-1.example: handed over under TLS to mx.good-3-1-1.example, ' +
        'which DANE proved to be a server for good-3-1-1.example.',
    );
    const [message, ...others] = received('mx.good-3-1-1.example', 'words@good-3-1-1.example');
    expect(others).toEqual([]);
    expect(Buffer.from(message?.content ?? []).toString()).toBe(MESSAGE);
    expect(message).toMatchObject({ from: 'me@home.example', accepted: true });
  });

  it('prints one object with --json, of exactly this shape', async () => {
    const { code, result } = await sendJson(['json@good-3-1-1.example']);
    expect(code).toBe(0);
    const reply = expect.stringMatching(/^250 /);
    const enhancedStatus = expect.stringMatching(/^2\.\d\.\d$/);
    const reason = expect.any(String);
    const record = expect.stringMatching(/^3 1 1 [0-9a-f]{64}$/);
    const address = expect.stringMatching(/^127\./);
    const host = 'mx.good-3-1-1.example';
    const tls = {
      protocol: 'TLSv1.3',
      cipher: expect.stringMatching(/^TLS_/),
      serverName: host,
      authenticated: { by: 'dane', usage: 3, record, baseDomain: host, name: null },
      reason,
    };
    const outcome = {
      recipient: 'json@good-3-1-1.example',
      status: 'delivered',
      reply,
      code: 250,
      stage: 'data-end',
      enhancedStatus,
      reason,
    };
    expect(result).toEqual({
      from: 'me@home.example',
      recipients: [{ ...outcome, host, address, tls, mx: 'secure', exceptions: [] }],
      attempts: [
        {
          status: 'completed',
          domain: 'good-3-1-1.example',
          host,
          port: internet.smtpPort,
          preference: expect.any(Number),
          mx: 'secure',
          address,
          tlsa: { status: 'usable', baseDomain: host, records: [{ record, setAside: null }], reason: null },
          policy: { level: 'dane', source: expect.any(String) },
          connection: 'new',
          tls,
          handshake: expect.any(Number),
          // What a server says about recipients stands with these.
          reply: null,
          stage: null,
          enhancedStatus: null,
          reason,
          failureType: null,
          sts: null,
          overlooked: [],
          exceptions: [],
          report: {
            stsPolicy: null,
            failures: [],
            sourceAddress: expect.stringMatching(/^127\./),
            ehloName: host,
          },
          recipients: [outcome],
        },
      ],
      unrouted: [],
    });
  });

  const exits: [what: string, to: string[], code: number, statuses: string[]][] = [
    [
      '0 where all are delivered',
      ['a@good-3-1-1.example', 'b@good-2-0-1.example'],
      0,
      ['delivered', 'delivered'],
    ],
    [
      '75 where one is deferred',
      ['a@good-3-1-1.example', 'b@stripped-starttls.example'],
      75,
      ['delivered', 'deferred'],
    ],
    [
      '69 where one has failed, whatever the others',
      ['a@stripped-starttls.example', 'b@permanent-refusal.example', 'c@good-3-1-1.example'],
      69,
      ['deferred', 'failed', 'delivered'],
    ],
    ['69 for a domain that is not there', ['a@nonexistent.example'], 69, ['failed']],
    ['75 for a bogus zone', ['a@expired.example'], 75, ['deferred']],
  ];
  it.each(exits)('ends with %s', async (_, to, code, statuses) => {
    const sent = await sendJson(to);
    expect(sent.code).toBe(code);
    expect(sent.result.recipients.map((each: { status: string }) => each.status)).toEqual(statuses);
    expect(sent.result.recipients.map((each: { recipient: string }) => each.recipient)).toEqual(to);
  });

  const policies: [policy: string, domain: string, code: number, tls: object | null][] = [
    ['none', 'good-3-1-1.example', 0, null],
    ['may', 'swapped-certificate.example', 0, { authenticated: null }],
    ['encrypt', 'swapped-certificate.example', 0, { authenticated: null }],
    ['encrypt', 'no-tlsa-no-starttls.example', 75, null],
    ['dane', 'swapped-certificate.example', 75, { authenticated: null }],
    ['dane', 'no-tlsa.example', 0, { authenticated: null }],
    ['dane-only', 'no-tlsa.example', 75, null],
    ['dane-only', 'hosted.unsigned', 75, null],
    ['dane-only', 'good-3-1-1.example', 0, { authenticated: { usage: 3 } }],
  ];
  it.each(policies)('under the policy %s, %s ends with %i', async (policy, domain, code, tls) => {
    const sent = await sendJson([`policy@${domain}`], ['--policy', policy]);
    expect(sent.code).toBe(code);
    const [outcome] = sent.result.recipients;
    if (tls === null) expect(outcome.tls).toBeNull();
    else expect(outcome.tls).toMatchObject(tls);
  });

  it('gives the null sender, a quoted recipient and our name as they were asked for', async () => {
    const to = '"an odd one"@good-3-1-1.example';
    for (const from of ['', '<>']) {
      const { code } = await run(
        ['send', ...options, '--helo', 'out.home.example', '-f', from, '-t', to, '-'],
        MESSAGE,
      );
      expect(code).toBe(0);
    }
    const messages = received('mx.good-3-1-1.example', to);
    expect(messages.map(({ from }) => from)).toEqual(['', '']);
    for (const { connection } of messages) {
      expect(
        connection.commands
          .filter(({ line }) => line.startsWith('EHLO'))
          .map(({ line, inTls }) => [line, inTls]),
      ).toEqual([
        ['EHLO out.home.example', false],
        ['EHLO out.home.example', true],
      ]);
    }
  });

  it('delivers to an address literal, and claims no proof', async () => {
    const address = internet.mailServers.get('mx.good-3-1-1.example')?.addresses[0];
    const { code, result } = await sendJson([`literal@[${address}]`]);
    expect(code).toBe(0);
    expect(result.recipients[0]).toMatchObject({
      status: 'delivered',
      address,
      tls: { authenticated: null },
    });
  });

  it('reads a Unix file, and sends it with CRLF', async () => {
    const file = join(directory, 'unix.eml');
    await writeFile(file, MESSAGE.replaceAll('\r\n', '\n'));
    const { code } = await send(['file@good-3-1-1.example'], [file]);
    expect(code).toBe(0);
    const [message] = received('mx.good-3-1-1.example', 'file@good-3-1-1.example');
    expect(Buffer.from(message?.content ?? []).toString()).toBe(MESSAGE);
  });

  const malformed: [what: string, input: string | Uint8Array, message: RegExp][] = [
    ['an empty one', '', /is empty/],
    ['two kinds of line ends', 'A: b\r\n\r\nsmuggled\n.\r\n', /line ends are mixed/],
    ['a lone CR', 'A: b\r\n\r\nx\ry\r\n', /CR stands alone/],
    ['no header', 'hello\r\n', /no header field/],
    ['a NUL', Buffer.from('A: b\r\n\r\n\0\r\n'), /NUL/],
    ['an endless line', `A: b\r\n\r\n${'x'.repeat(999)}\r\n`, /longer than 998 octets/],
  ];
  it.each(malformed)('refuses a malformed message with 65: %s', async (_, input, message) => {
    const { code, out, err } = await send(['malformed@good-3-1-1.example'], ['-'], input);
    expect({ code, out }).toEqual({ code: 65, out: '' });
    expect(err).toMatch(/^danelaw: -: the message is malformed at line \d+: .*Nothing was sent\.\n$/);
    expect(err).toMatch(message);
    expect(received('mx.good-3-1-1.example', 'malformed@good-3-1-1.example')).toEqual([]);
  });

  it('ends with 66 where the file is not there, and sends nothing', async () => {
    const { code, err } = await send(['missing@good-3-1-1.example'], [join(directory, 'missing.eml')]);
    expect(code).toBe(66);
    expect(err).toMatch(/missing\.eml: there is no such file/);
  });

  it('ends at once when it is interrupted while it waits for its input', async () => {
    const child = start('send', ...options, '-f', '', '-t', 'interrupted@good-3-1-1.example');
    let err = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text));
    // More than any pipe holds: once it is taken, the program is reading.
    const much = Buffer.alloc(1024 * 1024, 'A: b\r\n');
    await new Promise((taken) => child.stdin?.write(much, taken));
    child.kill('SIGINT');
    const [code] = await once(child, 'close');
    expect({ code, err }).toEqual({ code: 130, err: 'danelaw: interrupted\n' });
  });

  it('ends with 78 where the trust anchor is none', async () => {
    const file = join(directory, 'no.anchor');
    await writeFile(file, '. IN DS 1 13 2 xyz\n');
    const { code, err } = await send(['a@good-3-1-1.example'], ['--trust-anchor', file]);
    expect(code).toBe(78);
    expect(err).toContain(file);
  });

  it('defers everything where the trust anchor is another one', async () => {
    const file = join(directory, 'other.anchor');
    await writeFile(file, `. IN DS 1 13 2 ${'ab'.repeat(32)}\n`);
    const { code, out } = await send(
      ['a@good-3-1-1.example', 'b@plain.unsigned'],
      ['--json', '--trust-anchor', file],
    );
    expect(code).toBe(75);
    expect(JSON.parse(out).attempts).toEqual([]);
  });

  it('finds its way from the root with --resolver iterate', async () => {
    const hints = join(directory, 'root.hints');
    const lines = internet.rootHints.flatMap(({ name, address }) => [
      `. NS ${name}.`,
      `${name}. A ${address}`,
    ]);
    await writeFile(hints, lines.join('\n'));
    const iterate = ['--resolver', 'iterate', '--root-hints', hints, '--dns-port', String(internet.dnsPort)];
    const anchor = ['--trust-anchor', join(directory, 'root.ds'), '--smtp-port', String(internet.smtpPort)];
    const { code, out } = await run(
      ['send', ...iterate, ...anchor, '--json', '-f', '', '-t', 'iterate@good-2-1-1.example'],
      MESSAGE,
    );
    expect(code).toBe(0);
    expect(JSON.parse(out).recipients[0]).toMatchObject({
      status: 'delivered',
      tls: { authenticated: { usage: 2 } },
    });
  });

  it('judges signatures at the time of --at', async () => {
    const { code, result } = await sendJson(['a@good-3-1-1.example'], ['--at', '2001-01-01T00:00:00Z']);
    expect(code).toBe(75);
    expect(result.recipients[0]).toMatchObject({
      status: 'deferred',
      reason: expect.stringContaining('valid only from'),
    });
  });

  it('prints nothing that a server could drive a terminal with', async () => {
    const words = await send(['a@hostile.example']);
    const json = await send(['a@hostile.example'], ['--json']);
    for (const { code, out, err } of [words, json]) {
      expect(code).toBe(69);
      expect((out + err).replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
    }
    expect(JSON.parse(json.out).recipients[0].reply).toContain('550 5.1.1');
  });

  it('says what resolver it can not use, with 64', async () => {
    const { code, err } = await run(
      ['send', '--resolver', '192.0.2.1', '--trust', 'ad', '-f', '', '-t', 'a@b.example'],
      MESSAGE,
    );
    expect(code).toBe(64);
    expect(err).toContain('192.0.2.1');
  });
});
