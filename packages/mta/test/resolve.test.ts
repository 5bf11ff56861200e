import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Internet, SCENARIOS, startInternet } from '@danelaw/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dnsOptions, run } from './program.js';

let internet: Internet;
let directory: string;
let options: string[];

beforeAll(async () => {
  internet = await startInternet(SCENARIOS);
  directory = await mkdtemp(join(tmpdir(), 'danelaw-test-'));
  const anchor = join(directory, 'root.ds');
  await writeFile(anchor, internet.trustAnchors.join('\n'));
  options = dnsOptions(internet, anchor);
});

afterAll(async () => {
  await internet.close();
  await rm(directory, { recursive: true });
});

const resolve = (name: string, type: string, ...more: string[]) =>
  run(['resolve', ...options, ...more, name, type]);

describe('danelaw resolve', () => {
  const rows: [what: string, name: string, type: string, code: number, out: RegExp][] = [
    [
      'a signed record',
      'good-3-1-1.example',
      'MX',
      0,
      /^good-3-1-1\.example MX is secure\.\n\n.* MX {2}\d+ mx\.good-3-1-1\.example\.\n/,
    ],
    ['a signed record by the number of its type', 'good-3-1-1.example', 'type15', 0, /MX is secure\./],
    [
      'a proved absence of a name',
      'nonexistent.example',
      'A',
      0,
      /is secure: there is no name nonexistent\.example, and that is proved/,
    ],
    [
      'a proved absence of a type',
      'good-3-1-1.example',
      'CAA',
      0,
      /is secure: good-3-1-1\.example has no CAA record, and that is proved/,
    ],
    ['an unsigned record', 'plain.unsigned', 'MX', 0, /^plain\.unsigned MX is insecure:\n {2}\S/],
    ['a bogus zone', 'expired.example', 'MX', 75, /^expired\.example MX is bogus.*:\n.*expired/],
    ['a server that fails', 'mx-servfail.example', 'MX', 75, /is indeterminate.*:\n/],
  ];
  it.each(rows)('tells of %s', async (_, name, type, code, out) => {
    const ended = await resolve(name, type);
    expect(ended.out).toMatch(out);
    expect({ code: ended.code, err: ended.err }).toEqual({ code, err: '' });
  });

  it('explains the chain of trust, zone by zone', async () => {
    const { out } = await resolve('good-3-1-1.example', 'MX');
    const chain = out.split('Chain of trust:\n')[1]?.split('\n') ?? [];
    expect(chain.slice(0, 3)).toEqual([
      expect.stringMatching(/^ {2}\. {2}trust anchor -> key \d+ \(ECDSAP256SHA256\)/),
      expect.stringMatching(/^ {2}example {2}DS -> key \d+ \(ECDSAP256SHA256\)/),
      expect.stringMatching(/^ {2}good-3-1-1\.example {2}DS -> key \d+ \(ECDSAP256SHA256\)/),
    ]);
  });

  it('says how far each alias can be trusted', async () => {
    const { code, out } = await resolve('mx.alias-insecure.example', 'A');
    expect(code).toBe(0);
    expect(out).toMatch(/mx\.alias-insecure\.example is an alias of \S+\.unsigned: secure\n/);
  });

  it('prints one object with --json, of exactly this shape', async () => {
    const { code, out } = await resolve('good-3-1-1.example', 'MX', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({
      name: 'good-3-1-1.example',
      type: 'MX',
      status: 'secure',
      rcode: 'NOERROR',
      records: [
        {
          name: 'good-3-1-1.example',
          type: 'MX',
          ttl: expect.any(Number),
          data: expect.stringMatching(/^\d+ mx\.good-3-1-1\.example\.$/),
          rdata: expect.stringMatching(/^[0-9a-f]+$/),
        },
      ],
      aliases: [],
      canonicalName: 'good-3-1-1.example',
      ttl: expect.any(Number),
      reason: null,
      ede: null,
      chain: expect.any(Array),
      via: expect.stringMatching(/^forwarding to 127/),
    });
    const bogus = await resolve('expired.example', 'MX', '--json');
    expect(bogus.code).toBe(75);
    expect(JSON.parse(bogus.out)).toEqual({
      name: 'expired.example',
      type: 'MX',
      status: 'bogus',
      rcode: null,
      reason: expect.stringContaining('expired'),
      ede: { code: expect.any(Number), text: expect.any(String) },
      chain: expect.any(Array),
      via: expect.stringMatching(/^forwarding to 127/),
    });
  });

  const wrong: [what: string, name: string, type: string, err: RegExp][] = [
    ['a type that is none', 'a.example', 'TSLA', /TSLA/],
    ['a label that is too long', `${'a'.repeat(64)}.example`, 'A', /a/],
    ['an empty label', 'a..example', 'A', /empty label|label/],
  ];
  it.each(wrong)('refuses %s with 64', async (_, name, type, err) => {
    const ended = await resolve(name, type);
    expect({ code: ended.code, out: ended.out }).toEqual({ code: 64, out: '' });
    expect(ended.err).toMatch(err);
  });

  it('says that a resolver does not answer, with 75', async () => {
    const { code, out } = await run([
      'resolve',
      '--resolver',
      `127.0.0.1#${await closedPort()}`,
      'a.example',
      'A',
    ]);
    expect(code).toBe(75);
    expect(out).toMatch(/^a\.example A is indeterminate/);
  });
});

/** A port on which nobody listens: one that was free a moment ago. */
async function closedPort(): Promise<number> {
  const { createServer } = await import('node:net');
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
