import { describe, expect, it } from 'vitest';
import { parseAddress, parseMailDomain } from './address.js';

const accepted: [what: string, text: string, address: string, domain: string, utf8?: true][] = [
  ['an ordinary address', 'ann@example.org', 'ann@example.org', 'example.org'],
  ['angle brackets around it', '<ann@example.org>', 'ann@example.org', 'example.org'],
  ['the case of the local part, kept', 'Ann.B+tag@Example.ORG', 'Ann.B+tag@example.org', 'example.org'],
  ['a quoted local part', '"ann b"@example.org', '"ann b"@example.org', 'example.org'],
  ['an at sign inside quotes', '"a@b"@example.org', '"a@b"@example.org', 'example.org'],
  ['an IPv4 literal', 'ann@[192.0.2.1]', 'ann@[192.0.2.1]', '[192.0.2.1]'],
  ['an IPv6 literal', 'ann@[IPv6:2001:db8::1]', 'ann@[IPv6:2001:db8::1]', '[IPv6:2001:db8::1]'],
  ['a UTF-8 local part', 'jörg@example.org', 'jörg@example.org', 'example.org', true],
  [
    'a non-ASCII domain, in A-labels',
    'ann@bücher.example',
    'ann@xn--bcher-kva.example',
    'xn--bcher-kva.example',
  ],
  ['a top-level domain', 'postmaster@example', 'postmaster@example', 'example'],
  ['a local part of 64 octets', `${'a'.repeat(64)}@a.example`, `${'a'.repeat(64)}@a.example`, 'a.example'],
];

const refused: [what: string, text: string, reason: RegExp][] = [
  ['nothing', '', /empty/],
  ['no domain', 'ann', /no domain/],
  ['an empty domain', 'ann@', /domain is empty/],
  ['an empty local part', '@example.org', /local part is neither/],
  ['a leading dot', '.ann@example.org', /local part is neither/],
  ['two dots', 'a..b@example.org', /local part is neither/],
  ['a space outside of quotes', 'ann b@example.org', /local part is neither/],
  ['a second at sign', 'a@b@example.org', /local part is neither/],
  ['a quote that does not close', '"ann@example.org', /local part is neither/],
  ['a line end that would end the command', 'ann@example.org\r\nRSET', /control character/],
  ['a line end inside quotes', '"a\r\nb"@example.org', /control character/],
  ['what was not UTF-8', 'a\ufffd@example.org', /not UTF-8/],
  ['a local part of 65 octets', `${'a'.repeat(65)}@a.example`, /longer than 64 octets/],
  ['33 characters of two octets', `${'ö'.repeat(33)}@a.example`, /longer than 64 octets/],
  ['a label of 64 octets', `a@${'b'.repeat(64)}.example`, /1 to 63 letters/],
  ['a domain of 254 octets', `a@${'abcdefg.'.repeat(31)}abcdef`, /longer than 253 octets/],
  ['a mailbox of 255 octets', `${'a'.repeat(60)}@${'abcdefg.'.repeat(24)}ab`, /too long/],
  ['an empty label', 'ann@example..org', /empty label/],
  ['a space in the domain', 'ann@exam ple.org', /label "exam ple"/],
  ['a hyphen at the start', 'ann@-a.example', /label "-a"/],
  ['an address without brackets', 'ann@192.0.2.1', /write \[192\.0\.2\.1\]/],
  ['an IPv6 address without brackets', 'ann@2001:db8::1', /write \[IPv6:2001:db8::1\]/],
  ['a number as top-level domain', 'ann@example.1', /ends in a number/],
  ['an open literal', 'ann@[192.0.2.1', /neither \[192/],
  ['text behind a literal', 'ann@[192.0.2.1]x', /neither \[192/],
  ['IPv6 without its tag', 'ann@[2001:db8::1]', /neither \[192/],
  ['a literal that is out of range', 'ann@[256.0.0.1]', /neither \[192/],
  ['a name as literal', 'ann@[example.org]', /neither \[192/],
];

describe('parseAddress', () => {
  it.each(accepted)('accepts %s', (_, text, address, domain, utf8 = undefined) => {
    expect(parseAddress(text)).toEqual({ ok: true, mailbox: { address, domain, utf8: utf8 === true } });
  });

  it.each(refused)('refuses %s', (_, text, reason) => {
    expect(parseAddress(text)).toEqual({ ok: false, reason: expect.stringMatching(reason) });
  });
});

describe('parseMailDomain', () => {
  it('takes a domain of exactly 253 octets', () => {
    const domain = `${'abcdefg.'.repeat(31)}abcde`;
    expect(domain).toHaveLength(253);
    expect(parseMailDomain(domain)).toEqual({ ok: true, domain });
  });
  it('takes a literal, and refuses what is neither', () => {
    expect(parseMailDomain('[192.0.2.1]')).toEqual({ ok: true, domain: '[192.0.2.1]' });
    expect(parseMailDomain('192.0.2.1')).toMatchObject({ ok: false });
    expect(parseMailDomain('')).toMatchObject({ ok: false });
  });
});
