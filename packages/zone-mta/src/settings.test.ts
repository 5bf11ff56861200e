import { describe, expect, it } from 'vitest';
import { readSettings } from './settings.js';

describe('readSettings', () => {
  it.each([true, { enabled: 'sender' }, { enabled: ['sender'], ordering: 10 }])(
    'needs no key: %j',
    (config) => {
      expect(readSettings(config)).toEqual({
        resolver: {},
        level: 'dane',
        policyTable: { rules: [] },
        mtaSts: true,
        port: 25,
      });
    },
  );

  it('reads what there is', () => {
    const read = readSettings({
      resolver: ['192.0.2.1', 'tls://192.0.2.2'],
      trust: 'ad',
      trustAnchors: '. IN DS 1 13 2 00',
      level: 'dane-only',
      policy: [{ domain: 'x.example', level: 'encrypt' }],
      mtaSts: false,
      port: 2525,
    });
    expect(read).toMatchObject({
      resolver: {
        upstream: ['192.0.2.1', 'tls://192.0.2.2'],
        trust: 'ad',
        trustAnchors: ['. IN DS 1 13 2 00'],
      },
      level: 'dane-only',
      policyTable: { rules: [{ level: 'encrypt', match: { kind: 'domain', name: 'x.example' } }] },
      mtaSts: false,
      port: 2525,
    });
  });

  it.each([
    ['a key that there is not', { levle: 'dane' }, /no key "levle"/u],
    ['a level that there is not', { level: 'strict' }, /level is one of/u],
    ['trust that there is not', { trust: 'yes' }, /trust is/u],
    ['text for a truth value', { mtaSts: 'no' }, /mtaSts is true or false/u],
    ['a port beyond all ports', { port: 70_000 }, /port is/u],
    ['resolvers that are no texts', { resolver: [1] }, /resolver is text/u],
    ['a rule without a level', { policy: [{ domain: '*' }] }, /policy rule 1/u],
  ])('refuses %s', (_, config, message) => {
    expect(() => readSettings(config)).toThrow(message);
  });
});
