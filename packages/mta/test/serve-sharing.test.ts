/**
 * Connections and TLS sessions that domains of one server share in the relay that runs, as the server sees it: what a
 * domain's policy allows, judged anew for each, and nothing further. What DANE says of it is in `sharing.test.ts`.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { certificateFor, LoadedRelay } from './loaded-relay.js';
import type { RecordingServer } from './recording-server.js';

let lab: LoadedRelay;
let server: RecordingServer & { readonly port: number };

const { certificate, fingerprint } = certificateFor('mx.shared.example');
const OTHER = certificateFor('mx.other.example').fingerprint;

beforeEach(async () => {
  lab = await LoadedRelay.open();
  server = await lab.server({ certificate });
});
afterEach(() => lab.close());

async function start(delivery: string): Promise<void> {
  const at = `relay = "[127.0.0.1]:${server.port}"`;
  await lab.start(
    {
      'one.example': `level = "encrypt"\n${at}`,
      'two.example': `level = "encrypt"\n${at}`,
      'matching.example': `level = "fingerprint"\nfingerprints = ["${fingerprint}"]\n${at}`,
      'other.example': `level = "fingerprint"\nfingerprints = ["${OTHER}"]\n${at}`,
      'strict.example': `level = "encrypt"\nmin_tls = "TLSv1.3"\n${at}`,
      'clear.example': `level = "none"\n${at}`,
    },
    `[delivery]\nworkers = 1\nidle = "60s"\n${delivery}`,
  );
}

/** Each after the one before: what one leaves, the next may take. */
async function sendTo(...domains: string[]): Promise<void> {
  for (const domain of domains) {
    await lab.submit([`you@${domain}`]);
    await lab.relay?.event(
      ({ event, to }) => (event === 'delivered' || event === 'deferred') && to === `you@${domain}`,
    );
  }
}

/** How each message under TLS came by its session, in order. */
const sessions = (): unknown[] =>
  lab.relay?.events.flatMap(({ event, connection }) => (event === 'tls' ? [connection] : [])) ?? [];

describe('domains at one server', () => {
  it('share a connection where the chain that it showed satisfies the policy of each', async () => {
    await start('');
    await sendTo(
      'one.example',
      'two.example',
      'matching.example',
      'other.example',
      'strict.example',
      'clear.example',
    );
    expect(server.receipts.map(({ number, connection }) => [number, connection])).toEqual([
      ['you@one.example', 1],
      ['you@two.example', 1],
      ['you@matching.example', 1],
      // The third is that of the domain whose policy the server does not fulfil, which got no message.
      ['you@strict.example', 3],
      ['you@clear.example', 4],
    ]);
    expect(sessions()).toEqual(['new', 'shared', 'shared', 'new']);
    const [deferred] = lab.relay?.events.filter(({ event }) => event === 'deferred') ?? [];
    expect(deferred).toMatchObject({
      to: 'you@other.example',
      reason: expect.stringContaining('fingerprint'),
    });
  });

  it('resume a TLS session on the same terms, where each message has a connection of its own', async () => {
    await start('messages_per_connection = 1');
    await sendTo('one.example', 'two.example', 'matching.example', 'other.example', 'strict.example');
    expect(sessions()).toEqual(['new', 'resumed', 'resumed', 'new']);
    expect(server.resumed).toBe(2);
    expect(server.receipts.map(({ number }) => number)).not.toContain('you@other.example');
  });
});
