import { expect, it } from 'vitest';
import { formatNextHopKey, parseNextHopKey } from './next-hop-key.js';

it.each([
  ['example.org', 'example.org:25'],
  ['Example.ORG.', 'example.org:25'],
  ['example.org:587', 'example.org:587'],
  ['[relay.example.org]', '[relay.example.org]:25'],
  ['[relay.example.org]:587', '[relay.example.org]:587'],
  ['bücher.example', 'xn--bcher-kva.example:25'],
])('%s is a destination', (text, expected) => {
  const key = parseNextHopKey(text, 25);
  expect(key && formatNextHopKey(key)).toBe(expected);
});

it.each([
  '',
  '.example.org',
  '[192.0.2.1]',
  '192.0.2.1',
  '[IPv6:2001:db8::1]',
  '2001:db8::1',
  'example.org:0',
  'example.org:65536',
  'example.org:submission',
  'a b',
  'example..org',
  '[example.org',
  `${'a'.repeat(64)}.example`,
])('"%s" is none that DANE has anything to say about', (text) => {
  expect(parseNextHopKey(text, 25)).toBeUndefined();
});
