import { readFileSync } from 'node:fs';
import type { Attempt } from '@danelaw/smtp';
import { describe, expect, it } from 'vitest';
import { SILENT } from '../log/relay-log.js';
import type { DestinationState, QueueEntry } from '../queue/queue.js';
import { RelayMetrics } from './relay-metrics.js';

const NOW = 1_000_000_000;
const HOUR = 3_600_000;

const ATTEMPT: Attempt = {
  status: 'completed',
  domain: 'secret.example',
  host: 'mx.secret.example',
  port: 25,
  preference: 10,
  mx: 'secure',
  address: '192.0.2.1',
  tlsa: null,
  policy: { level: 'dane', source: 'dane' },
  connection: 'shared',
  tls: null,
  handshake: null,
  stage: null,
  reply: null,
  enhancedStatus: null,
  reason: 'because',
  failureType: null,
  sts: null,
  overlooked: [],
  report: { stsPolicy: null, failures: [], sourceAddress: null, ehloName: null },
  exceptions: [],
  recipients: [],
};

const ENTRY: QueueEntry = {
  id: '01kbq3w8nd7k2m9xq4',
  envelope: {
    from: 'me@secret.example',
    requireTls: false,
    smtpUtf8: false,
    eightBit: false,
    utf8Header: false,
    tlsRequiredNo: false,
    arrived: NOW - 60_000,
    origin: { kind: 'smtp' },
  },
  size: 10,
  recipients: [],
};

/** Beside that there is one that has just come. */
const ARRIVALS = [NOW - 100 * HOUR, NOW - 25 * HOUR, NOW - 5 * HOUR, NOW - 2 * HOUR, NOW - HOUR / 2];

async function* each<T>(...values: readonly T[]): AsyncGenerator<T> {
  yield* values;
}

function watched(entries: readonly QueueEntry[], down: readonly DestinationState[] = []): RelayMetrics {
  const metrics = new RelayMetrics();
  metrics.watch({
    queue: {
      counts: () =>
        Promise.resolve({ messages: entries.length + ARRIVALS.length, recipients: 5, held: 2, octets: 99 }),
      destinations: () => each(...down),
      arrivedBefore: (times) =>
        Promise.resolve(times.map((time) => ARRIVALS.filter((arrived) => arrived < time).length)),
      list: () => each(...entries),
    },
    clock: () => NOW,
    inFlight: () => 3,
  });
  return metrics;
}

const lines = async (metrics: RelayMetrics): Promise<string[]> => (await metrics.text()).split('\n');

describe('the metrics of the relay', () => {
  it('tell of the queue as it is when they are asked for', async () => {
    const down = { destination: 'secret.example', notBefore: 1, failures: 1, reason: 'down' };
    expect(await lines(watched([ENTRY], [down]))).toEqual(
      expect.arrayContaining([
        'danelaw_queue_messages 6',
        'danelaw_queue_messages_by_age{age="5m"} 1',
        'danelaw_queue_messages_by_age{age="1h"} 1',
        'danelaw_queue_messages_by_age{age="4h"} 1',
        'danelaw_queue_messages_by_age{age="1d"} 1',
        'danelaw_queue_messages_by_age{age="older"} 2',
        'danelaw_queue_octets 99',
        'danelaw_queue_recipients{state="held"} 2',
        'danelaw_queue_recipients{state="queued"} 3',
        'danelaw_queue_oldest_seconds 60',
        'danelaw_destinations_down 1',
        'danelaw_claims 3',
      ]),
    );
    expect(await lines(watched([]))).toContain('danelaw_queue_oldest_seconds 0');
  });

  it('are looked up no more often than costs a twentieth of the time, however many ask', async () => {
    let [looks, now] = [0, 0];
    const metrics = new RelayMetrics(() => now);
    metrics.watch({
      queue: {
        counts: async () => {
          looks++;
          now += 1000; // it takes a second
          return { messages: looks, recipients: 0, held: 0, octets: 0 };
        },
        arrivedBefore: (times) => Promise.resolve(times.map(() => 0)),
        destinations: () => each<DestinationState>(),
        list: () => each<QueueEntry>(),
      },
      clock: () => NOW,
      inFlight: () => looks,
    });
    await Promise.all([metrics.text(), metrics.text(), metrics.text()]);
    expect(await lines(metrics)).toContain('danelaw_queue_messages 1');
    now += 19_999;
    expect(await lines(metrics)).toEqual(
      expect.arrayContaining(['danelaw_queue_messages 1', 'danelaw_claims 1']),
    );
    now += 1;
    expect(await lines(metrics)).toContain('danelaw_queue_messages 2');
  });

  it('try again at once where the queue could not be read', async () => {
    const failing = new RelayMetrics();
    failing.watch({
      queue: {
        counts: () => Promise.reject(new Error('the database is away')),
        arrivedBefore: (times) => Promise.resolve(times.map(() => 0)),
        destinations: () => each<DestinationState>(),
        list: () => each<QueueEntry>(),
      },
      clock: () => NOW,
      inFlight: () => 0,
    });
    await expect(failing.text()).rejects.toThrow('the database is away');
    await expect(failing.text()).rejects.toThrow('the database is away');
  });

  it('sum up look-ups of all threads, by status and by whether the cache had the answer', async () => {
    const metrics = new RelayMetrics();
    metrics.lookups([
      { status: 'secure', cached: false, count: 2 },
      { status: 'secure', cached: true, count: 5 },
    ]);
    metrics.lookups([
      { status: 'secure', cached: false, count: 1 },
      { status: 'bogus', cached: false, count: 1 },
    ]);
    expect(await lines(metrics)).toEqual(
      expect.arrayContaining([
        'danelaw_dns_lookups_total{status="secure",source="network"} 3',
        'danelaw_dns_lookups_total{status="secure",source="cache"} 5',
        'danelaw_dns_lookups_total{status="bogus",source="network"} 1',
      ]),
    );
  });

  it('time handshakes, full and resumed ones apart, and count none where there was none', async () => {
    const metrics = new RelayMetrics();
    metrics.count([
      { ...ATTEMPT, connection: 'new', handshake: 20 },
      { ...ATTEMPT, connection: 'new', handshake: 40, status: 'failed' },
      { ...ATTEMPT, connection: 'resumed', handshake: 4 },
      { ...ATTEMPT, connection: 'shared', handshake: null },
    ]);
    expect(await lines(metrics)).toEqual(
      expect.arrayContaining([
        'danelaw_tls_handshake_seconds_bucket{le="0.025",kind="full"} 1',
        'danelaw_tls_handshake_seconds_count{kind="full"} 2',
        'danelaw_tls_handshake_seconds_sum{kind="resumed"} 0.004',
        'danelaw_tls_handshake_seconds_count{kind="resumed"} 1',
      ]),
    );
  });

  it('count attempts, connections, failures, and each use of an exception or an audit', async () => {
    const metrics = new RelayMetrics();
    const exception = { rule: 4, pattern: 'secret.example', reason: 'secret', expires: '2099-01-01' };
    metrics.count([], [{ domain: 'secret.example', failureType: 'dnssec-invalid', reason: 'secret' }]);
    metrics.count([
      {
        ...ATTEMPT,
        exceptions: [
          { kind: 'exception', ...exception },
          { kind: 'audit', ...exception },
        ],
      },
      { ...ATTEMPT, overlooked: [{ failureType: 'tlsa-invalid', reason: 'secret' }] },
      {
        ...ATTEMPT,
        status: 'skipped',
        policy: null,
        connection: null,
        failureType: 'validation-failure',
      },
    ]);
    expect(await lines(metrics)).toEqual(
      expect.arrayContaining([
        'danelaw_attempts_total{status="completed",policy="dane"} 2',
        'danelaw_attempts_total{status="skipped",policy="undecided"} 1',
        'danelaw_connections_total{origin="shared"} 2',
        'danelaw_attempt_failures_total{type="validation-failure"} 1',
        'danelaw_attempt_failures_total{type="dnssec-invalid"} 1',
        'danelaw_overlooked_failures_total{type="tlsa-invalid"} 1',
        'danelaw_policy_exception_uses_total{kind="exception",rule="4"} 1',
        'danelaw_policy_exception_uses_total{kind="audit",rule="4"} 1',
      ]),
    );
  });

  it.each([
    ['authenticated by DANE', { authenticated: 'dane', tls: 'TLSv1.3', mx: 'secure' }, 'dane', 'secure'],
    [
      'a host of an insecure MX',
      { authenticated: 'dane', tls: 'TLSv1.3', mx: 'insecure' },
      'dane',
      'insecure',
    ],
    [
      'authenticated by MTA-STS',
      { authenticated: 'pkix', tls: 'TLSv1.3', mx: 'insecure' },
      'pkix',
      'insecure',
    ],
    ['encrypted only', { authenticated: null, tls: 'TLSv1.2', mx: 'insecure' }, 'encrypted', 'insecure'],
    ['in clear text', { authenticated: null, tls: null, mx: 'insecure' }, 'clear', 'insecure'],
  ])('tell how mail was protected: %s', async (_, fields, protection, mx) => {
    const metrics = new RelayMetrics();
    const heard: string[] = [];
    const log = metrics.counted({ ...SILENT, info: (event) => heard.push(event) });
    log.info('delivered', { ...fields, to: 'you@secret.example', delay: 2 });
    const text = await lines(metrics);
    expect(text).toContain(`danelaw_delivered_recipients_total{protection="${protection}",mx="${mx}"} 1`);
    expect(text).toContain('danelaw_recipients_total{outcome="delivered"} 1');
    expect(text).toContain('danelaw_delivery_delay_seconds_bucket{le="1"} 0');
    expect(text).toContain('danelaw_delivery_delay_seconds_bucket{le="2.5"} 1');
    expect(heard).toEqual(['delivered']);
  });

  it('count who was deferred and bounced, and no other event', async () => {
    const metrics = new RelayMetrics();
    const log = metrics.counted(SILENT);
    log.warn('deferred', {});
    log.warn('bounced', {});
    log.warn('destination', {});
    log.info('tls', {});
    const series = (await lines(metrics)).filter((line) => line.startsWith('danelaw_recipients_total'));
    expect(series.sort()).toEqual([
      'danelaw_recipients_total{outcome="bounced"} 1',
      'danelaw_recipients_total{outcome="deferred"} 1',
    ]);
  });

  it('count what clients handed in and what was refused, by code', async () => {
    const metrics = new RelayMetrics();
    const nothing = (): void => {};
    const log = metrics.countedListener({
      connected: nothing,
      tls: nothing,
      authenticated: nothing,
      refused: nothing,
      received: nothing,
      disconnected: nothing,
      certificate: nothing,
      connectionFailed: nothing,
      problem: nothing,
    });
    const connection = { session: 's', client: '192.0.2.9', clientPort: 1, port: 25 };
    log.received(connection, {
      id: ENTRY.id,
      from: 'me@secret.example',
      recipients: 1,
      octets: 7,
      user: 'secret',
      answered: true,
    });
    log.refused(connection, 'RCPT', { code: 550, enhanced: '5.7.1', text: 'no' });
    log.refused(connection, 'SECRET', { code: 550, enhanced: '5.5.1', text: 'no' });
    const text = await lines(metrics);
    expect(text).toContain('danelaw_received_messages_total{source="smtp"} 1');
    expect(text).toContain('danelaw_received_octets_total{source="smtp"} 7');
    expect(text).toContain('danelaw_refused_commands_total{code="550"} 2');
    expect(text.join('\n')).not.toMatch(/secret|192\.0\.2/iu);
  });

  it('count what the maildrop had, and not what was in the queue already', async () => {
    const metrics = new RelayMetrics();
    const log = metrics.countedMaildrop(SILENT);
    expect(await lines(metrics)).toContain('danelaw_received_messages_total{source="maildrop"} 0');
    log.info('received', { id: ENTRY.id, uid: 1000, from: 'me@secret.example', recipients: 1, octets: 7 });
    log.info('maildrop', { file: ENTRY.id, uid: 1000, reason: 'its message was in the queue already' });
    const text = await lines(metrics);
    expect(text).toContain('danelaw_received_messages_total{source="maildrop"} 1');
    expect(text).toContain('danelaw_received_octets_total{source="maildrop"} 7');
    expect(text).toContain('danelaw_received_messages_total{source="smtp"} 0');
  });

  it('are each described in docs/relay.md, and none there is unknown', async () => {
    const text = readFileSync(new URL('../../../../docs/relay.md', import.meta.url), 'utf8');
    const section = /\n## Watching\n(.*?)\n## /su.exec(text)?.[1] ?? '';
    const rows = section.split('\n').filter((line) => line.startsWith('| `'));
    const told = rows.flatMap((row) =>
      [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/gu)].map((match) => `danelaw_${match[1]}`),
    );
    const there = (await lines(watched([]))).flatMap(
      (line) => /^# TYPE (danelaw_\S+)/u.exec(line)?.[1] ?? [],
    );
    expect(told.sort()).toEqual(there.sort());
  });

  it('are all that the dashboard asks for, in a row for each thing that is watched', async () => {
    const dashboard = readFileSync(new URL('../../../../docs/grafana-danelaw.json', import.meta.url), 'utf8');
    const { panels } = JSON.parse(dashboard);
    const titles = panels.flatMap(({ type, title }: { type: string; title: string }) =>
      type === 'row' ? [title] : [],
    );
    expect(titles).toEqual([
      'Queue',
      'Deliveries by protection',
      'Deferrals',
      'DNS',
      'Handshakes',
      'Latency',
      'Process',
    ]);
    const there = (await lines(watched([]))).flatMap((line) => {
      const [, name, kind] = /^# TYPE (\S+) (\S+)/u.exec(line) ?? [];
      if (name === undefined) return [];
      return kind === 'histogram' ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name];
    });
    const asked = [...dashboard.matchAll(/\b(?:danelaw|process|nodejs)_[a-z0-9_]+/gu)].map(([name]) => name);
    expect(asked.filter((name) => !there.includes(name))).toEqual([]);
    // And whatever the relay tells of itself can be seen there.
    const ours = there.filter((name) => name.startsWith('danelaw_') && !/_(?:count|sum)$/u.test(name));
    expect(ours.filter((name) => !asked.includes(name))).toEqual([]);
  });
});
