import { describe, expect, it } from 'vitest';
import { MAX_DESTINATIONS, readTlsRptRecord } from './record.js';

const destinations = (...texts: string[]) => {
  const read = readTlsRptRecord(texts);
  return read.status === 'record'
    ? read.destinations.map((each) => (each.kind === 'mailto' ? each.mailbox : each.url.href))
    : read.status;
};

describe('readTlsRptRecord (RFC 8460 section 3)', () => {
  it.each<[string, string, string[]]>([
    ['a mailbox (section 3.1.1)', 'v=TLSRPTv1;rua=mailto:reports@example.com', ['reports@example.com']],
    [
      'a URL (section 3.1.2)',
      'v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt',
      ['https://reporting.example.com/v1/tlsrpt'],
    ],
    [
      'both, with white space around the comma',
      'v=TLSRPTv1; rua=mailto:a@b.example , https://c.example/',
      ['a@b.example', 'https://c.example/'],
    ],
    ['a delimiter at the end', 'v=TLSRPTv1; rua=mailto:a@b.example;', ['a@b.example']],
    ['fields that nobody knows are ignored', 'v=TLSRPTv1;x=1;rua=mailto:a@b.example;y.z=%', ['a@b.example']],
    [
      'of two rua fields the first counts',
      'v=TLSRPTv1;rua=mailto:a@b.example;rua=mailto:c@d.example',
      ['a@b.example'],
    ],
    ['an encoded comma', 'v=TLSRPTv1;rua=https://c.example/a%2Cb', ['https://c.example/a%2Cb']],
    [
      'header fields of a mailto URI are left out',
      'v=TLSRPTv1;rua=mailto:a@b.example?subject=x',
      ['a@b.example'],
    ],
    ['an encoded mailbox', 'v=TLSRPTv1;rua=mailto:a%2Bb@b.example', ['a+b@b.example']],
    [
      'another scheme beside a good one',
      'v=TLSRPTv1;rua=ftp://x.example/,mailto:a@b.example',
      ['a@b.example'],
    ],
  ])('reads %s', (_, text, expected) => {
    expect(destinations(text)).toEqual(expected);
  });

  it('other records at the name are discarded; two of ours mean none', () => {
    const ours = 'v=TLSRPTv1;rua=mailto:a@b.example';
    expect(destinations('v=spf1 -all', ours, 'v=TLSRPTv2;rua=mailto:x@y.example')).toEqual(['a@b.example']);
    expect(destinations('v=spf1 -all')).toBe('none');
    expect(destinations('v=TLSRPTv1')).toBe('none');
    expect(destinations('V=TLSRPTv1;rua=mailto:a@b.example')).toBe('none');
    expect(destinations(ours, ours)).toBe('invalid');
  });

  it.each([
    ['no rua', 'v=TLSRPTv1;'],
    ['an empty rua', 'v=TLSRPTv1;rua='],
    ['a field without value', 'v=TLSRPTv1;rua=mailto:a@b.example;x'],
    ['a name that is too long', `v=TLSRPTv1;rua=mailto:a@b.example;${'x'.repeat(33)}=1`],
    ['neither mailto nor https', 'v=TLSRPTv1;rua=http://b.example/'],
    ['an exclamation point, as DMARC has it', 'v=TLSRPTv1;rua=mailto:a@b.example!10m'],
    ['no mailbox', 'v=TLSRPTv1;rua=mailto:nobody'],
    ['a line end that is encoded', 'v=TLSRPTv1;rua=mailto:a%0D%0ARCPT@b.example'],
    ['an address literal, which could be ours', 'v=TLSRPTv1;rua=mailto:a@[127.0.0.1]'],
    ['a URL with an address', 'v=TLSRPTv1;rua=https://127.0.0.1/'],
    ['a URL with an address in disguise', 'v=TLSRPTv1;rua=https://0x7f000001/'],
    ['a URL with a login', 'v=TLSRPTv1;rua=https://a:b@c.example/'],
    ['bad percent encoding', 'v=TLSRPTv1;rua=mailto:%zz@b.example'],
    ['a record without end', `v=TLSRPTv1;rua=mailto:a@b.example;x=${'y'.repeat(5000)}`],
  ])('refuses %s', (_, text) => {
    expect(destinations(text)).toBe('invalid');
  });

  it('uses a bounded number of addresses', () => {
    const many = Array.from({ length: 100 }, (_, i) => `mailto:a${i}@b.example`).join(',');
    expect(destinations(`v=TLSRPTv1;rua=${many}`)).toHaveLength(MAX_DESTINATIONS);
  });
});
