import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseResolvConf, readSystemServers } from './system.js';

describe('resolv.conf', () => {
  test('gives its name servers, in order, without the lines that are not understood', () => {
    const text = [
      '# nameserver 192.0.2.99',
      '; nameserver 192.0.2.98',
      'search example.com',
      'nameserver 192.0.2.1',
      '  nameserver\t2001:db8::1 ',
      'nameserver fe80::1%eth0',
      'nameserver localhost',
      'nameserver',
      'nameserver 192.0.2.1',
      'options edns0 trust-ad',
    ].join('\n');
    expect(parseResolvConf(text)).toEqual([
      { address: '192.0.2.1', port: 53 },
      { address: '2001:db8::1', port: 53 },
      { address: 'fe80::1%eth0', port: 53 },
    ]);
  });

  test('may name a port as OpenBSD does', () => {
    const text =
      'nameserver [192.0.2.1]:5353\nnameserver [2001:db8::1]:53\nnameserver [192.0.2.1]:0\nnameserver [x]:5';
    expect(parseResolvConf(text)).toEqual([
      { address: '192.0.2.1', port: 5353 },
      { address: '2001:db8::1', port: 53 },
    ]);
  });

  test('may be long, but not all of it counts', () => {
    const text = Array.from({ length: 200 }, (_, i) => `nameserver 192.0.2.${i}`).join('\n');
    expect(parseResolvConf(text)).toHaveLength(8);
  });

  test('is read from a path; where it is missing or names no server, there is one on this host', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'resolv-'));
    try {
      const path = join(folder, 'resolv.conf');
      expect(await readSystemServers(path)).toEqual([{ address: '127.0.0.1', port: 53 }]);
      await writeFile(path, 'options timeout:1\n');
      expect(await readSystemServers(path)).toEqual([{ address: '127.0.0.1', port: 53 }]);
      await writeFile(path, 'nameserver 192.0.2.5\n');
      expect(await readSystemServers(path)).toEqual([{ address: '192.0.2.5', port: 53 }]);
      await expect(readSystemServers(folder)).rejects.toThrow('EISDIR');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
