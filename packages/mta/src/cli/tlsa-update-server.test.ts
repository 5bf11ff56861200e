import { describe, expect, it } from 'vitest';
import { updateServerValue } from './tlsa-update-server.js';

describe('--update-server', () => {
  it.each([
    ['ns1.example.org', { host: 'ns1.example.org' }],
    ['ns1.example.org.#5353', { host: 'ns1.example.org', port: 5353 }],
    ['primary', { host: 'primary' }],
    ['192.0.2.1', { address: '192.0.2.1', port: 53 }],
    ['192.0.2.1#5353', { address: '192.0.2.1', port: 5353 }],
    ['[2001:db8::1]#5353', { address: '2001:db8::1', port: 5353 }],
    ['2001:db8::1', { address: '2001:db8::1', port: 53 }],
    [
      'tls://192.0.2.1/ns.example',
      { address: '192.0.2.1', port: 853, tls: { name: 'ns.example', pins: [] } },
    ],
  ])('%s is read', (text, server) => {
    expect(updateServerValue(text)).toEqual(server);
  });

  it.each(['', '#53', '192.0.2.999', 'a..b', 'ns1.example.org#0', 'ns1.example.org#65536', 'ns1:53', 'a b'])(
    '%s is none',
    (text) => {
      expect(() => updateServerValue(text)).toThrow('Give the primary server as');
    },
  );
});
