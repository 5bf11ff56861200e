import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { readHeader } from '../acceptance/header-section.js';
import type { NewMessage } from '../queue/queue.js';
import { Dkim, type DkimKey } from './dkim.js';
import { signMessage } from './sign-message.js';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const ed25519 = generateKeyPairSync('ed25519').privateKey;

const key = (pattern: string, more: Partial<DkimKey> = {}): DkimKey => ({
  pattern,
  domain: pattern.replace(/^\*\.?/u, '') || 'all.example',
  selector: 's1',
  algorithm: 'rsa-sha256',
  key: rsa,
  ...more,
});

async function sign(text: string, ...keys: DkimKey[]): Promise<string> {
  const octets = Buffer.from(text);
  const header = readHeader(octets);
  if (header === undefined) throw new Error('no header');
  const body = octets.subarray(header.bodyStart);
  return await new Dkim(keys).sign({ fields: header.fields, body, time: 1_790_000_000_500 });
}

/**
 * A verifier written from RFC 6376 section 6.1 and RFC 8463, for messages with one signature on top; nothing of it is
 * shared with the code that signs.
 */
function holds(text: string, privateKey: KeyObject): boolean {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const body = rest.join('\r\n\r\n');
  const fields = head.split(/\r\n(?![ \t])/u);
  const relax = (field: string): string => {
    const [name = '', ...value] = field.split(':');
    const unfolded = value
      .join(':')
      .replaceAll('\r\n', '')
      .replace(/[ \t]+/gu, ' ')
      .trim();
    return `${name.trim().toLowerCase()}:${unfolded}`;
  };
  const signature = fields[0] ?? '';
  const tags = new Map(
    relax(signature)
      .slice('dkim-signature:'.length)
      .split(';')
      .map((tag) => [
        tag.slice(0, tag.indexOf('=')).trim(),
        tag.slice(tag.indexOf('=') + 1).replaceAll(' ', ''),
      ]),
  );
  const lines = body.split('\r\n').map((line) => line.replace(/[ \t]+/gu, ' ').replace(/ $/u, ''));
  while (lines.at(-1) === '') lines.pop();
  const relaxedBody = lines.map((line) => `${line}\r\n`).join('');
  if (createHash('sha256').update(relaxedBody).digest('base64') !== tags.get('bh')) return false;
  const left = fields.slice(1);
  const signed: string[] = [];
  for (const name of (tags.get('h') ?? '').split(':')) {
    const at = left.findLastIndex((field) => field.toLowerCase().replace(/[ \t]*:.*$/su, '') === name);
    if (at !== -1) signed.push(...left.splice(at, 1).map(relax));
  }
  const withoutB = relax(signature).replace(/; b=.*$/u, '; b=');
  const data = Buffer.from([...signed, withoutB].join('\r\n'));
  const octets = Buffer.from(tags.get('b') ?? '', 'base64');
  return tags.get('a') === 'rsa-sha256'
    ? verify('sha256', data, createPublicKey(privateKey), octets)
    : verify(null, createHash('sha256').update(data).digest(), createPublicKey(privateKey), octets);
}

const MESSAGE = [
  'Received: from x',
  'From: Ann <ann@a.example>',
  'To:  bob@b.example,',
  '\t carl@c.example ',
  'SUBJECT : a   b',
  'Date: Wed, 25 Nov 2026 15:35:33 +0000',
  'X-Own: not signed',
  '',
  'two  blanks \t ',
  '',
  'the end',
  '',
  '',
  '',
].join('\r\n');

describe('a DKIM signature', () => {
  it.each<[string, Partial<DkimKey>, KeyObject]>([
    ['RSA', {}, rsa],
    ['Ed25519 (RFC 8463)', { algorithm: 'ed25519-sha256', key: ed25519 }, ed25519],
  ])('with %s holds, and breaks with each change of what is signed', async (_, more, privateKey) => {
    const signed = `${await sign(MESSAGE, key('a.example', more))}${MESSAGE}`;
    expect(holds(signed, privateKey)).toBe(true);
    const change = (from: string | RegExp, to: string): boolean => {
      const changed = signed.replace(from, to);
      expect(changed).not.toBe(signed);
      return holds(changed, privateKey);
    };
    expect(change('ann@a.example>', 'eve@a.example>')).toBe(false);
    expect(change('the end', 'the End')).toBe(false);
    expect(change('a   b', 'ab')).toBe(false);
    expect(change(/d=a\.example/u, 'd=b.example')).toBe(false);
    // Section 5.4.2: nothing may be added above what is signed, nor where nothing was.
    expect(change('Received: from x', 'From: eve@a.example')).toBe(false);
    expect(change('Received: from x', 'Subject: other')).toBe(false);
    expect(change('Received: from x', 'Reply-To: eve@e.example')).toBe(false);
    // What relays may change, section 3.4.
    expect(change('a   b', 'a b')).toBe(true);
    expect(change('two  blanks \t ', 'two blanks')).toBe(true);
    expect(change('X-Own: not signed', 'X-Own: changed')).toBe(true);
    expect(change('Received: from x', 'Received: from y\r\nReceived: from x')).toBe(true);
  });

  it('says who signed what, in lines that fit', async () => {
    const field = await sign(MESSAGE, key('a.example', { domain: 'd.example', selector: '2026a' }));
    const unfolded = field.replaceAll('\r\n ', ' ');
    expect(unfolded).toMatch(
      /^DKIM-Signature: v=1; a=rsa-sha256; c=relaxed\/relaxed; d=d\.example; s=2026a; t=1790000000; bh=[A-Za-z0-9+/=]{44}; h=/u,
    );
    const [, signed = ''] = /; h=([^;]*);/u.exec(unfolded) ?? [];
    expect(signed.replaceAll(' ', '')).toBe(
      'from:to:subject:date:' +
        'from:to:cc:subject:date:message-id:reply-to:mime-version:content-type:content-transfer-encoding',
    );
    expect(field.endsWith('\r\n')).toBe(true);
    for (const line of field.split('\r\n')) expect(line.length).toBeLessThanOrEqual(78);
  });

  it.each([
    ['an empty body', 'From: a@a.example\r\n\r\n'],
    ['no body at all', 'From: a@a.example\r\n'],
    ['a body of empty lines', 'From: a@a.example\r\n\r\n\r\n\r\n'],
    ['a UTF-8 header (RFC 6532)', 'From: Jörg <a@a.example>\r\nSubject: ü\u00a0ü\r\n\r\nü\r\n'],
    [
      'a body of several pieces',
      `From: a@a.example\r\n\r\n${'x '.repeat(300_000)}\r\n${'\r\n'.repeat(300_000)}y\r\n`,
    ],
    ['several Subject fields', 'Subject: a\r\nFrom: a@a.example\r\nSubject: b\r\n\r\n'],
  ])('holds for a message with %s', async (_, message) => {
    expect(holds(`${await sign(message, key('a.example'))}${message}`, rsa)).toBe(true);
  });

  it('is not made for a From field so long that reading it would hold up others', async () => {
    const from = (authors: number): string =>
      `From: ${'a@a.example,\r\n '.repeat(authors)}b@a.example\r\n\r\n`;
    expect(await sign(from(100), key('a.example'))).toMatch(/^DKIM-Signature/u);
    expect(await sign(from(5000), key('a.example'))).toBe('');
  });

  it('is made by each key of the domain', async () => {
    const signed = await sign(
      MESSAGE,
      key('a.example'),
      key('a.example', { algorithm: 'ed25519-sha256', key: ed25519 }),
    );
    expect(signed.match(/a=\S+/gu)).toEqual(['a=rsa-sha256;', 'a=ed25519-sha256;']);
  });

  it.each([
    ['another domain has the key', 'From: a@b.example\r\n\r\n'],
    ['there is no From', 'To: a@a.example\r\n\r\n'],
    ['From has no address', 'From: Ann\r\n\r\n'],
    ['there are two From fields (RFC 5322 section 3.6)', 'From: a@a.example\r\nFrom: b@a.example\r\n\r\n'],
    ['the address only looks like one of the domain', 'From: "x@a.example" <a@b.example>\r\n\r\n'],
  ])('is not made where %s', async (_, message) => {
    expect(await sign(message, key('a.example'))).toBe('');
  });
});

describe('keysFor', () => {
  const dkim = new Dkim([key('a.example'), key('*.a.example'), key('*.b.a.example'), key('*.example.org')]);
  it.each([
    ['a.example', 'a.example'],
    ['x.a.example', '*.a.example'],
    ['b.a.example', '*.a.example'],
    ['x.y.b.a.example', '*.b.a.example'],
    ['x.example.org', '*.example.org'],
    ['example.org', undefined],
    ['xa.example', undefined],
  ])('%s is signed by %s', (domain, pattern) => {
    expect(dkim.keysFor(domain).map((found) => found.pattern)).toEqual(
      pattern === undefined ? [] : [pattern],
    );
  });
  it('falls back to the rule for all domains', () => {
    expect(new Dkim([key('*')]).keysFor('x.example')).toHaveLength(1);
  });
  it('compares A-labels', async () => {
    const message = 'From: a@BÜCHER.example\r\n\r\n';
    expect(await sign(message, key('xn--bcher-kva.example'))).toContain('d=xn--bcher-kva.example');
  });
});

describe('signMessage', () => {
  const message: NewMessage = {
    id: '01k3v5bxk00000000b',
    envelope: {
      from: '',
      requireTls: false,
      smtpUtf8: false,
      eightBit: false,
      utf8Header: false,
      tlsRequiredNo: false,
      arrived: 1_790_000_000_500,
      origin: { kind: 'bounce' },
    },
    recipients: [{ address: 'ann@a.example', destination: 'a.example' }],
    body: Buffer.from(MESSAGE),
  };
  it('signs what the relay writes itself', async () => {
    const signed = await signMessage(message, new Dkim([key('a.example')]));
    expect(holds(Buffer.from(signed.body).toString(), rsa)).toBe(true);
    expect({ ...signed, body: message.body }).toEqual(message);
  });
  it('leaves alone what no key is for', async () => {
    expect(await signMessage(message, new Dkim([key('b.example')]))).toBe(message);
    expect(await signMessage(message, undefined)).toBe(message);
  });
});
