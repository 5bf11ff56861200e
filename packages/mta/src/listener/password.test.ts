import { describe, expect, it } from 'vitest';
import { hashPassword, hashProblem, PasswordChecker, verifyPassword } from './password.js';

/** RFC 7914 section 12, the third vector: N = 16384, r = 8, p = 1. */
const VECTOR_HASH =
  '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2' +
  'd5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887';

describe('a hash', () => {
  it('is of the password that it was made of, and of no other', async () => {
    const stored = await hashPassword('correct horse');
    expect(stored).toMatch(/^\$scrypt\$ln=15,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(hashProblem(stored)).toBeUndefined();
    expect(await verifyPassword('correct horse', stored)).toBe(true);
    expect(await verifyPassword('correct horsf', stored)).toBe(false);
    expect(await hashPassword('correct horse')).not.toBe(stored);
  });

  it('has a salt from the generator that it was given', async () => {
    const zeros = (octets: number) => Buffer.alloc(octets);
    expect(await hashPassword('x', zeros)).toBe(await hashPassword('x', zeros));
  });

  it('of RFC 7914 section 12 is understood', async () => {
    const base64 = (text: string, encoding: BufferEncoding) =>
      Buffer.from(text, encoding).toString('base64').replace(/=+$/, '');
    const stored = `$scrypt$ln=14,r=8,p=1$${base64('SodiumChloride', 'utf8')}$${base64(VECTOR_HASH, 'hex')}`;
    expect(await verifyPassword('pleaseletmein', stored)).toBe(true);
  });

  it('does not depend on how a character is written (RFC 8265 section 4.2.2)', async () => {
    expect(await verifyPassword('u\u0308', await hashPassword('\u00fc'))).toBe(true);
  });

  it.each([
    ['nothing', ''],
    ['a password', 'secret'],
    ['another algorithm', '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b0dWRWJTmaaJObG'],
    ['more memory than a relay can spare', `$scrypt$ln=20,r=16,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`],
    ['endless work', `$scrypt$ln=15,r=8,p=99$${'A'.repeat(22)}$${'A'.repeat(43)}`],
    [
      'more than RFC 7914 section 2 has for its blocks',
      `$scrypt$ln=16,r=1,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`,
    ],
    ['no cost', `$scrypt$ln=0,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`],
    ['padding', `$scrypt$ln=15,r=8,p=1$${'A'.repeat(22)}==$${'A'.repeat(43)}=`],
  ])('%s is none', async (_, stored) => {
    expect(hashProblem(stored)).toContain('danelaw user hash');
    expect(await verifyPassword('', stored)).toBe(false);
  });
});

describe('logins', () => {
  it('are right with name and password only', async () => {
    const checker = new PasswordChecker();
    checker.users = new Map([['me', await hashPassword('secret')]]);
    expect(await checker.check('me', 'secret')).toBe('right');
    expect(await checker.check('me', 'Secret')).toBe('wrong');
    expect(await checker.check('you', 'secret')).toBe('wrong');
    checker.users = new Map();
    expect(await checker.check('me', 'secret')).toBe('wrong');
  });

  it('of nobody cost what those of users cost, also where hashes were made at other costs', async () => {
    const checker = new PasswordChecker();
    // The dearest that is taken: a hundred times the least.
    const dear = `$scrypt$ln=17,r=8,p=2$${'A'.repeat(22)}$${'A'.repeat(43)}`;
    const cheap = `$scrypt$ln=8,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`;
    const cost = async (user: string) => {
      const before = process.cpuUsage();
      await checker.check(user, 'x');
      const { user: spent, system } = process.cpuUsage(before);
      return spent + system;
    };
    checker.users = new Map([['me', dear]]);
    const [known, unknown] = [await cost('me'), await cost('nobody')];
    checker.users = new Map([['me', cheap]]);
    const little = await cost('nobody');
    expect(unknown).toBeGreaterThan(known / 4);
    expect(little).toBeLessThan(unknown / 4);
  }, 60_000);

  it('are put off where too many wait, and none is lost', async () => {
    const checker = new PasswordChecker();
    const results = await Promise.all(Array.from({ length: 30 }, () => checker.check('nobody', 'x')));
    const count = (result: string) => results.filter((other) => other === result).length;
    expect([count('wrong'), count('busy')]).toEqual([22, 8]);
    expect(await checker.check('nobody', 'x')).toBe('wrong');
  }, 60_000);
});
