import { describe, expect, it } from 'vitest';
import { readSettings } from './options.js';

type Files = Readonly<Record<string, unknown>>;

/** Haraka's reader: an ini file that is not there has an empty main section, another file is null. */
const settings = (files: Files = {}) =>
  readSettings({
    get: (name) => {
      const found = files[name];
      if (name === 'me' && found === undefined) return 'mx.example.net';
      return found ?? (name.endsWith('.ini') ? { main: {} } : null);
    },
  });

const ini = (main: Files): Files => ({ 'danelaw.ini': { main } });

describe('readSettings', () => {
  it('needs no file', () => {
    expect(settings()).toEqual({
      resolver: { trust: 'validate' },
      level: 'dane',
      policyTable: { rules: [] },
      mtaSts: true,
      heloName: 'mx.example.net',
      port: 25,
      leave: new Set(),
      localMxOk: false,
    });
  });

  it('reads what there is', () => {
    const read = settings({
      ...ini({ resolver: '192.0.2.1, 192.0.2.2#5353', level: 'dane-only', leave: 'Lan.example, b.example' }),
      'danelaw_policy.json': Buffer.from('[{"domain":"x.example","level":"encrypt"}]'),
      danelaw_trust_anchors: ['. IN DS 1 13 2 00'],
      'outbound.ini': { main: { local_mx_ok: true } },
    });
    expect(read).toMatchObject({
      resolver: { upstream: ['192.0.2.1', '192.0.2.2#5353'], trustAnchors: ['. IN DS 1 13 2 00'] },
      level: 'dane-only',
      policyTable: { rules: [{ level: 'encrypt', match: { kind: 'domain', name: 'x.example' } }] },
      leave: new Set(['lan.example', 'b.example']),
      localMxOk: true,
    });
  });

  it.each([
    ['a key that there is not', ini({ lvel: 'dane' }), /no key "lvel"/u],
    ['a section that there is not', { 'danelaw.ini': { main: {}, other: {} } }, /no section \[other\]/u],
    ['a level that there is not', ini({ level: 'strict' }), /not "strict"/u],
    ['trust that there is not', ini({ trust: 'yes' }), /not "yes"/u],
    ['a port beyond all ports', ini({ port: 70_000 }), /70000/u],
    ['a name that is none', ini({ helo: 'a b' }), /can't be said with EHLO/u],
    ['a domain that is none', ini({ leave: 'a..b' }), /is no domain/u],
    ['rules that are no JSON', { 'danelaw_policy.json': Buffer.from('[{') }, /danelaw_policy\.json: /u],
    ['a rule without a level', { 'danelaw_policy.json': Buffer.from('[{"domain":"*"}]') }, /policy rule 1/u],
  ])('refuses %s', (_, files, message) => {
    expect(() => settings(files)).toThrow(message);
  });
});
