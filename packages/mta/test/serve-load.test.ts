/**
 * The relay under conditions that are not a message's own: servers that are slow, few, down or strict, and many
 * messages for them. No DNS: rules of the policy table lead to servers of the test.
 */
import { createTransport } from 'nodemailer';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from './free-port.js';
import { LoadedRelay } from './loaded-relay.js';
import type { Habit } from './recording-server.js';
import type { RelayProcess } from './relay-process.js';

let lab: LoadedRelay;
let relay: RelayProcess;

beforeEach(async () => {
  lab = await LoadedRelay.open();
});
afterEach(() => lab.close());

const server = (habit?: Habit, delay = 0) => lab.server({ habit: () => habit, delay: () => delay });

/** @param routes domain to port */
async function startRelay(routes: Readonly<Record<string, number>>, more = ''): Promise<void> {
  relay = await lab.start(routes, more);
}

const count = (name: string) => lab.count(name);

describe('many messages for one server', () => {
  it('go over few connections, and never over more than the limit', async () => {
    const busy = await server(undefined, 5);
    await startRelay({ 'busy.example': busy.port }, '[delivery]\nconnections_per_host = 2');
    await lab.submit(Array.from({ length: 60 }, (_, i) => `you${i}@busy.example`));
    await relay.event(() => count('delivered') === 60);
    expect(busy.receipts).toHaveLength(60);
    expect(busy.mostAtOnce).toBeLessThanOrEqual(2);
    expect(busy.connections).toBeLessThan(10);
  });

  it('keep to the limit though their domains are different ones', async () => {
    const busy = await server(undefined, 5);
    const domains = Array.from({ length: 10 }, (_, i) => `d${i}.example`);
    await startRelay(
      Object.fromEntries(domains.map((domain) => [domain, busy.port])),
      '[delivery]\nconnections_per_host = 3\nworkers = 2',
    );
    await lab.submit(domains.flatMap((domain) => [`a@${domain}`, `b@${domain}`, `c@${domain}`]));
    await relay.event(() => count('delivered') === 30);
    expect(busy.mostAtOnce).toBeLessThanOrEqual(3);
  });

  it('with several recipients of a message there: one transaction', async () => {
    const one = await server();
    await startRelay({ 'one.example': one.port });
    await lab.submit([['a@one.example', 'b@one.example', 'c@one.example']]);
    await relay.event(() => count('delivered') === 3);
    expect(one.receipts).toHaveLength(1);
  });
});

describe('servers that talk nonsense, or hang up', () => {
  it.each<[string, Habit, RegExp]>([
    ['garbage for a greeting', 'garbage-at-greeting', /does not speak SMTP/u],
    ['garbage after MAIL', 'garbage-at-mail', /does not speak SMTP/u],
    ['garbage after the final dot', 'garbage-at-dot', /may arrive twice/u],
    ['hanging up at DATA', 'drop-at-data', /ended the connection/u],
    ['hanging up after the final dot', 'drop-at-dot', /may arrive twice/u],
    ['hanging up at once', 'refuse-connection', /ended the connection/u],
  ])('%s: the message waits, and the reason is told', async (_, habit, reason) => {
    const odd = await server(habit);
    await startRelay({ 'odd.example': odd.port });
    await lab.submit(['you@odd.example']);
    const event = await relay.event(({ event: name }) => name === 'deferred');
    expect(event['reason']).toMatch(reason);
  });
});

describe('a destination that is down', () => {
  it('is tried as one, and gets everything when it is up again', async () => {
    const at = await freePort();
    await startRelay({ 'down.example': at }, '[retry]\nfirst = "1s"\nlongest = "1s"');
    await lab.submit(Array.from({ length: 50 }, (_, i) => `you${i}@down.example`));
    await relay.event(({ event, status }) => event === 'destination' && status === 'down');
    await lab.server({}, at);
    await relay.event(() => count('delivered') === 50);
    // Fifty messages that each tried for themselves would have failed fifty times.
    expect(count('attempt')).toBeLessThan(40);
    expect(relay.events).toContainEqual(expect.objectContaining({ event: 'destination', status: 'up' }));
  });

  it('has its mail returned when the time is over, with the reason', async () => {
    const home = await server();
    await startRelay(
      { 'down.example': await freePort(), 'here.example': home.port },
      '[retry]\nfirst = "200ms"\nlongest = "200ms"\nwarn = "300ms"\nexpire = "2s"',
    );
    await lab.submit(['you@down.example']);
    await relay.event(({ event, expired }) => event === 'bounced' && expired === true);
    await relay.event(
      () =>
        relay.events.filter(({ event, to }) => event === 'delivered' && to === 'sender@here.example')
          .length === 2,
    );
    const texts = home.texts.map((text) => /^Subject: (.*)$/mu.exec(text)?.[1]);
    expect(texts).toEqual(['Your message is delayed', 'Your message could not be delivered']);
    expect(home.texts[1]).toContain('ECONNREFUSED');
  });
});

describe('what a sender asks for', () => {
  it('success: the relay says that it handed the message on, where the next hop will not say more', async () => {
    const [there, home] = [await server(), await server()];
    await startRelay({ 'there.example': there.port, 'here.example': home.port });
    const dsn = { id: 'my-id', return: 'headers', notify: ['success'], recipient: 'sender@here.example' };
    await lab.submit(['you@there.example'], { dsn });
    await relay.event(({ event, to }) => event === 'delivered' && to === 'sender@here.example');
    expect(home.texts[0]).toContain('Action: relayed');
    expect(home.texts[0]).toContain('Original-Envelope-Id: my-id');
  });

  it('never: no bounce', async () => {
    const home = await server();
    await startRelay(
      { 'here.example': home.port },
      '[retry]\nfirst = "100ms"\nlongest = "100ms"\nexpire = "300ms"',
    );
    await lab.submit(['you@no-dns.example'], { dsn: { notify: 'never' } });
    await relay.event(({ event }) => event === 'bounced');
    expect(count('queued')).toBe(0);
  });

  it('REQUIRETLS is offered under TLS only', async () => {
    await startRelay({});
    const transport = createTransport({ host: '127.0.0.1', port: lab.port, ignoreTLS: true });
    const requireTLSExtensionEnabled = true;
    await expect(
      transport.sendMail({
        from: 'a@here.example',
        to: 'b@there.example',
        text: 'x',
        requireTLSExtensionEnabled,
      }),
    ).rejects.toThrow();
  });
});

describe('bounds of the queue', () => {
  it('are told as a temporary refusal', async () => {
    await startRelay({ 'down.example': await freePort() }, '[queue]\nmax_messages = 3');
    await lab.submit(['a@down.example', 'b@down.example', 'c@down.example']);
    await expect(lab.submit(['d@down.example'])).rejects.toThrow(/452 4\.3\.1/u);
  });
});
