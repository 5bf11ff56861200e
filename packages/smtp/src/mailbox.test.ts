import { describe, expect, it } from 'vitest';
import { parseDomain, parseMailbox } from './mailbox.js';

describe('parseMailbox', () => {
  it.each<[string, string, object]>([
    ['a plain one', 'a@example.org', { address: 'a@example.org', domain: 'example.org', utf8: false }],
    [
      'an upper-case domain, in lower case',
      'A@EXAMPLE.Org',
      { address: 'A@example.org', domain: 'example.org' },
    ],
    ['a quoted local part', '"a b@c"@example.org', { domain: 'example.org' }],
    ['an IPv4 literal', 'a@[192.0.2.1]', { domain: '[192.0.2.1]' }],
    ['an IPv6 literal', 'a@[IPv6:2001:db8::1]', { domain: '[IPv6:2001:db8::1]' }],
    ['a U-label, as A-label', 'a@b\u00fccher.example', { address: 'a@xn--bcher-kva.example', utf8: false }],
    ['a UTF-8 local part (RFC 6531)', 'gr\u00fc\u00df@example.org', { utf8: true }],
  ])('reads %s', (_, text, expected) => {
    expect(parseMailbox(text)).toMatchObject(expected);
  });

  it.each<[string, string]>([
    ['a line end, which would be another command', 'a@example.org\r\nRCPT TO:<x@y>'],
    ['a line end in a quoted local part', '"a\r\nb"@example.org'],
    ['a closing angle bracket', 'a>@example.org'],
    ['an angle bracket in the domain', 'a@example.org> SIZE=1'],
    ['a blank', 'a b@example.org'],
    ['no domain', 'a'],
    ['no local part', '@example.org'],
    ['two dots', 'a..b@example.org'],
    ['a local part of 65 octets (RFC 5321 section 4.5.3.1.1)', `${'a'.repeat(65)}@example.org`],
    ['a NUL', 'a\u0000@example.org'],
    ['an empty label', 'a@example..org'],
    ['a line separator', 'a\u2028b@example.org'],
  ])('refuses %s', (_, text) => {
    expect(parseMailbox(text)).toBeUndefined();
  });

  it('takes a domain with a trailing dot as the same domain', () => {
    expect(parseDomain('example.org.')).toBe('example.org');
  });
});
