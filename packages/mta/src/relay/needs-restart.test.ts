import { describe, expect, it } from 'vitest';
import type { RelayConfig } from '../config/relay-config.js';
import { defaultConfig } from '../config.js';
import { needsRestart } from './needs-restart.js';

const { relay: before } = defaultConfig();

describe('a new configuration', () => {
  it.each<[what: string, change: Partial<RelayConfig>, keys: readonly string[]]>([
    ['that says the same', {}, []],
    ['with another name', { hostname: 'new.example' }, []],
    ['with other retries', { retry: { ...before.retry, first: 1 } }, []],
    ['with other limits', { delivery: { ...before.delivery, connections: 1 } }, []],
    ['with another folder', { state: '/elsewhere' }, ['state']],
    ['with another queue', { queue: { ...before.queue, maxMessages: 1 } }, ['queue']],
    ['with more threads', { delivery: { ...before.delivery, workers: 7 } }, ['delivery.workers']],
    [
      'with other roots',
      { sts: { ...before.sts, webRoots: '/roots.pem', port: 1 } },
      ['sts.port', 'sts.web_roots'],
    ],
    ['without MTA-STS', { sts: { ...before.sts, enabled: false } }, []],
    ['with another log', { log: { ...before.log, level: 'error' } }, ['log']],
  ])('%s', (_, change, keys) => {
    expect(needsRestart(before, { ...before, ...change })).toEqual(keys);
  });
});
