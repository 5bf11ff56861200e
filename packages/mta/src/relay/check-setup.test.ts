import { describe, expect, it } from 'vitest';
import { readRelayConfig } from '../config/relay-config.js';
import { Table } from '../config/table.js';
import { checkDescriptors } from './check-setup.js';

describe('serve --check', () => {
  it.each<[string, Readonly<Record<string, unknown>>, number | undefined, string[]]>([
    ['is content with what the descriptors allow by default', {}, 1024, []],
    [
      'warns of more connections than descriptors',
      { clients: { connections: 1000 } },
      1024,
      [
        'warning connections 1000 connections in and 362 out want 1662 file descriptors, and the limit is 1024; ' +
          'raise it (LimitNOFILE)',
      ],
    ],
    ['knows when there is no limit', { clients: { connections: 100_000 } }, undefined, []],
  ])('%s', (_, values, descriptors, expected) => {
    const relay = readRelayConfig(new Table({ file: '', text: '' }, values, ''), descriptors);
    const found: string[] = [];
    checkDescriptors(relay, (...words) => void found.push(words.join(' ')), descriptors);
    expect(found).toEqual(expected);
  });
});
