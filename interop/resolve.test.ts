import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verdict } from './dig.js';
import { withNeighbours } from './neighbours.js';
import { type PrivateDns, startPrivateDns } from './private-dns.js';
import { nameCases, resolveZones } from './resolve-zones.js';

withNeighbours('resolve', () => {
  let dns: PrivateDns;
  beforeAll(async () => {
    dns = await startPrivateDns(resolveZones);
  });
  afterAll(async () => {
    await dns?.stop();
  });

  describe('the private DNS is what its declaration says, by the word of Unbound', () => {
    for (const { title, name, type, status, rcode, records } of nameCases) {
      test(`${title}: ${name} ${type} is ${status}`, async () => {
        const expected = { status: status === 'failed' ? 'bogus' : status, rcode, records };
        expect(await verdict({ port: dns.unbound.port, name, type })).toEqual(expected);
      });
    }
  });
});
