/** On the chains of `vectors.json`, with roots in the place of TLSA records. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { type PkixInput, Roots, verifyPkix, webRoots } from './pkix.js';

const file: { readonly time: string; readonly certificates: Readonly<Record<string, string>> } = JSON.parse(
  readFileSync(new URL('../vectors/vectors.json', import.meta.url), 'utf8'),
);

const der = (name: string): Uint8Array => {
  const base64 = file.certificates[name];
  if (base64 === undefined) throw new Error(`no certificate ${name}`);
  return Buffer.from(base64, 'base64');
};
const pem = (name: string): string => new X509Certificate(der(name)).toString();

/** c1 mx.example.com under c2 Example Issuing CA under c3 Example Root. */
const exampleRoot = new Roots([pem('c3')]);
const time = new Date(file.time);

function verify(chain: readonly string[], more: Partial<PkixInput> = {}) {
  return verifyPkix({ chain: chain.map(der), names: ['mx.example.com'], roots: exampleRoot, time, ...more });
}

describe('verifyPkix', () => {
  it('finds the path to a root that the server need not send, and the name', () => {
    const expected = {
      authenticated: true,
      referenceName: 'mx.example.com',
      presentedName: 'mx.example.com',
      root: 'CN=Example Root',
      reason: "the server's certificate is for mx.example.com and is issued under the root CN=Example Root",
    };
    expect(verify(['c1', 'c2'])).toEqual(expected);
    expect(verify(['c1', 'c2', 'c3'])).toEqual(expected);
    // Out of order, with a stranger, and one CA twice: a bag, not a chain.
    expect(verify(['c1', 'c40', 'c39', 'c2'])).toEqual(expected);
  });

  it('accepts any of several reference names, and wildcards of one label', () => {
    expect(verify(['c1', 'c2'], { names: ['example.com', 'mx.example.com'] })).toMatchObject({
      referenceName: 'mx.example.com',
    });
    expect(verify(['c251'])).toMatchObject({ authenticated: true, presentedName: '*.example.com' });
    expect(verify(['c251'], { names: ['a.mx.example.com'] })).toMatchObject({ authenticated: false });
  });

  it.each<[string, readonly string[], string, RegExp]>([
    [
      'another name',
      ['c6'],
      'certificate-host-mismatch',
      /is for www\.example\.org, not for mx\.example\.com/,
    ],
    ['no name', ['c7'], 'certificate-host-mismatch', /no DNS name at all/],
    ['a common name alone (RFC 8461 section 4.2)', ['c262'], 'certificate-host-mismatch', /no DNS name/],
    ['a URI that prints like a DNS name', ['c269'], 'certificate-host-mismatch', /is for evil\.example,/],
    ['an expired certificate', ['c4'], 'certificate-expired', /the server's certificate expired on 2021/],
    ['an expired intermediate', ['c21', 'c22'], 'certificate-expired', /CN=Expired Issuing CA\) expired/],
    ['a root that is not trusted', ['c37', 'c3'], 'certificate-not-trusted', /leads to no root/],
    ['a self-signed certificate', ['c8'], 'certificate-not-trusted', /leads to no root/],
    ['an intermediate that is missing', ['c1'], 'certificate-not-trusted', /leads to no root/],
    ['another CA of the same name', ['c1', 'c39'], 'certificate-not-trusted', /leads to no root/],
    ['no certificate', [], 'validation-failure', /sent no certificate/],
  ])('refuses %s', (_, chain, resultType, reason) => {
    const verdict = verify(chain);
    expect(verdict).toMatchObject({ authenticated: false, resultType });
    expect(verdict.reason).toMatch(reason);
  });

  it('does not take a trusted root for a server, even one that has its name', () => {
    const roots = new Roots([pem('c8')]);
    expect(verify(['c8'], { roots })).toMatchObject({
      authenticated: false,
      resultType: 'certificate-not-trusted',
    });
  });

  it('does not trust an expired root', () => {
    const verdict = verify(['c17', 'c18'], { roots: new Roots([pem('c19')]) });
    expect(verdict).toMatchObject({ authenticated: false, resultType: 'certificate-expired' });
    expect(verdict.reason).toContain('the root (CN=Expired Root) expired on 2021');
  });

  it('is for the time that it is given', () => {
    expect(verify(['c5']).reason).toContain('is not valid before 2030');
    expect(verify(['c5'], { time: new Date('2031-01-01T00:00:00Z') }).authenticated).toBe(true);
    expect(() => verify(['c5'], { time: new Date('never') })).toThrow(TypeError);
  });

  it('takes no help from the server: a root that is sent is not trusted for it', () => {
    expect(verify(['c1', 'c2', 'c3'], { roots: new Roots([]) })).toMatchObject({ authenticated: false });
  });

  it("trusts the Web's roots where none are named, and they can all be read", () => {
    expect(() => new Roots(rootCertificates)).not.toThrow();
    expect(webRoots()).toBe(webRoots());
    const verdict = verifyPkix({ chain: [der('c1'), der('c2')], names: ['mx.example.com'], time });
    expect(verdict).toMatchObject({ authenticated: false, resultType: 'certificate-not-trusted' });
  });

  it('refuses a store with something in it that is no certificate', () => {
    expect(() => new Roots(['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'])).toThrow(
      TypeError,
    );
  });
});

describe('verifyPkix, whatever the server sends', () => {
  it('never throws: garbage is a refusal', () => {
    for (const chain of [[Buffer.alloc(0)], [Buffer.from('garbage')], [der('c1'), Buffer.alloc(70_000)]]) {
      const verdict = verifyPkix({ chain, names: ['mx.example.com'], roots: exampleRoot, time });
      expect(verdict.authenticated).toBe(false);
    }
  });
});
