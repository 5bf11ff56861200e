import { InvalidArgumentError } from 'commander';
import { describe, expect, it } from 'vitest';
import { fallbackValue, nearest, oneOf, portValue, resolverValue, timeValue } from './option-values.js';

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof InvalidArgumentError) return error.message;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('oneOf', () => {
  const level = oneOf(['none', 'may', 'encrypt', 'dane', 'dane-only'], ['sts']);

  it('takes a word of the list as it is written', () => {
    expect(level('dane-only')).toBe('dane-only');
    expect(refusal(() => level('DANE'))).toBe(
      'Did you mean dane? Supported: none, may, encrypt, dane, dane-only.',
    );
  });
  it('suggests the nearest', () => {
    expect(refusal(() => level('dane-onyl'))).toContain('Did you mean dane-only?');
  });
  it('lists the words where none is near', () => {
    expect(refusal(() => level('mandatory'))).toBe('Supported: none, may, encrypt, dane, dane-only.');
  });
  it('tells what is not there yet from what will never be', () => {
    expect(refusal(() => level('sts'))).toContain('"sts" is not supported yet.');
  });
});

describe('fallbackValue', () => {
  it('gathers servers over TLS, and refuses others', () => {
    expect(fallbackValue('tls://192.0.2.1', ['tls://192.0.2.2/x'])).toEqual([
      'tls://192.0.2.2/x',
      'tls://192.0.2.1',
    ]);
    expect(refusal(() => fallbackValue('192.0.2.1'))).toMatch(/tls:/);
    expect(refusal(() => fallbackValue('tls://'))).toMatch(/not the address/);
  });
});

describe('resolverValue', () => {
  it('takes the two words and addresses', () => {
    expect(resolverValue('system', undefined)).toBe('system');
    expect(resolverValue('iterate', undefined)).toBe('iterate');
    expect(resolverValue('192.0.2.1', undefined)).toEqual(['192.0.2.1']);
    expect(resolverValue('tls://192.0.2.1#853/dns.example', undefined)).toEqual([
      'tls://192.0.2.1#853/dns.example',
    ]);
    expect(resolverValue('2001:db8::1#5353', ['192.0.2.1'])).toEqual(['192.0.2.1', '2001:db8::1#5353']);
  });

  const wrong: [text: string, message: RegExp][] = [
    ['sytem', /Did you mean system\?/],
    ['ns.example.org', /Expected system, iterate, or an IP address/],
    ['192.0.2.1:53', /The port stands behind "#": 192\.0\.2\.1#53\./],
    ['192.0.2.1#0', /port is a number/],
    ['192.0.2.1#', /port is a number/],
    ['192.0.2.1#65536', /port is a number/],
    ['192.0.2', /Expected/],
    ['tls://dns.example', /not the address of a name server/],
    ['tls://192.0.2.1?pin=sha1-AAAA', /is not a pin/],
    ['', /Expected/],
  ];
  it.each(wrong)('refuses "%s"', (text, message) => {
    expect(refusal(() => resolverValue(text, undefined))).toMatch(message);
  });

  it('refuses a word beside addresses, in either order', () => {
    expect(refusal(() => resolverValue('system', ['192.0.2.1']))).toContain('stand alone');
    expect(refusal(() => resolverValue('192.0.2.1', 'iterate'))).toContain('stand alone');
  });
});

describe('ports and times', () => {
  it('takes 1 to 65535', () => {
    expect(portValue('1')).toBe(1);
    expect(portValue('65535')).toBe(65535);
    for (const text of ['0', '65536', '-1', '25x', '', '1e3', ' 25'])
      expect(refusal(() => portValue(text))).toContain('port');
  });
  it('gives milliseconds', () => {
    expect(timeValue('10')).toBe(10_000);
    expect(refusal(() => timeValue('noon'))).toContain('ISO 8601');
  });
});

describe('nearest', () => {
  it('finds a slip, not a stranger', () => {
    expect(nearest('iterat', ['system', 'iterate'])).toBe('iterate');
    expect(nearest('x', ['ad', 'may'])).toBeUndefined();
    expect(nearest('a-very-long-word-indeed', ['ad'])).toBeUndefined();
  });
});
