import { readFileSync } from 'node:fs';
import type { Attempt } from '@danelaw/smtp';
import { describe, expect, it } from 'vitest';
import { SILENT } from '../log/relay-log.js';
import type { DestinationState, QueueEntry } from '../queue/queue.js';
import { RelayMetrics } from './relay-metrics.js';

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
    arrived: 40_000,
    origin: { kind: 'smtp' },
  },
  size: 10,
  recipients: [],
};

async function* each<T>(...values: readonly T[]): AsyncGenerator<T> {
  yield* values;
}

function watched(entries: readonly QueueEntry[], down: readonly DestinationState[] = []): RelayMetrics {
  const metrics = new RelayMetrics();
  metrics.watch({
    queue: {
      counts: () => Promise.resolve({ messages: entries.length, recipients: 5, held: 2, octets: 99 }),
      destinations: () => each(...down),
      list: () => each(...entries),
    },
    clock: () => 100_000,
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
        'danelaw_queue_messages 1',
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

  it('count attempts, connections, failures, and each use of an exception or an audit', async () => {
    const metrics = new RelayMetrics();
    const exception = { rule: 4, pattern: 'secret.example', reason: 'secret', expires: '2099-01-01' };
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
    expect(text).toContain('danelaw_received_messages_total 1');
    expect(text).toContain('danelaw_received_octets_total 7');
    expect(text).toContain('danelaw_refused_commands_total{code="550"} 2');
    expect(text.join('\n')).not.toMatch(/secret|192\.0\.2/iu);
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
    const dashboard = readFileSync(new URL('../../../../docs/grafana-danelaw.json', import.meta.url), 'utf8');
    const asked = [...dashboard.matchAll(/danelaw_[a-z_]+/gu)].map(([name]) => name.replace(/_bucket$/u, ''));
    expect(there).toEqual(expect.arrayContaining([...new Set(asked)]));
  });
});
