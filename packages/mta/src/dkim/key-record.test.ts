import { createPrivateKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { keyRecord, keyRecordText, makeKeyFile, ownerOf } from './key-record.js';

const owner = { domain: 'example.org', selector: '2026a' };

describe('a DKIM key', () => {
  it('of RSA has a record in strings of at most 255 octets (RFC 6376 section 3.6.2.2)', async () => {
    const key = createPrivateKey(await makeKeyFile('rsa2048', owner));
    expect(key.asymmetricKeyDetails?.modulusLength).toBe(2048);
    const record = keyRecord(key, owner);
    expect(record.split('\n')[0]).toBe('2026a._domainkey.example.org. IN TXT (');
    const strings = [...record.matchAll(/"([^"]*)"/gu)].map(([, string]) => string ?? '');
    expect(strings.map(({ length }) => length)).toEqual([255, expect.any(Number)]);
    expect(strings.join('')).toBe(keyRecordText(key));
    expect(keyRecordText(key)).toMatch(
      /^v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A[A-Za-z0-9+/]+IDAQAB$/u,
    );
  });

  it('of Ed25519 has the 32 octets of the key in its record: the example of RFC 8463 appendix A.2', () => {
    const seed = Buffer.from('nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=', 'base64');
    const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
    const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
    expect(keyRecord(key, { domain: 'football.example.com', selector: 'brisbane' })).toBe(
      'brisbane._domainkey.football.example.com. IN TXT ' +
        '"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="',
    );
  });

  it('stands in a file that says whose it is', async () => {
    expect(ownerOf(await makeKeyFile('ed25519', owner))).toEqual(owner);
    expect(ownerOf('-----BEGIN PRIVATE KEY-----\n')).toBeUndefined();
  });
});
