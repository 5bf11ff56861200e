/**
 * The relay between real servers: Nodemailer hands messages in, Postfix and Exim take them, zones are signed by
 * others' signers and served by NSD, and DNS is asked through Unbound.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { createTransport } from 'nodemailer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../packages/mta/test/free-port.js';
import { RelayProcess } from '../packages/mta/test/relay-process.js';
import { makeFolder, removeFolder } from './folder.js';
import { type MailHosts, startMailHosts } from './mail-hosts.js';
import { mailDomains, mailZones } from './mail-zones.js';
import { withNeighbours } from './neighbours.js';
import { type PrivateDns, startPrivateDns } from './private-dns.js';

withNeighbours('relay', () => {
  let hosts: MailHosts;
  let dns: PrivateDns;
  let folder: string;
  let port: number;
  let relay: RelayProcess;
  beforeAll(async () => {
    hosts = await startMailHosts();
    dns = await startPrivateDns(mailZones(hosts));
    folder = await makeFolder('relay');
    port = await freePort();
    relay = new RelayProcess(
      join(folder, 'danelaw.toml'),
      `
hostname = "relay.sender.example"
state = "${join(folder, 'state')}"

[[listen]]
address = "127.0.0.1:${port}"

[dns]
resolver = ["127.0.0.1#${dns.unbound.port}"]
trust_anchor = "${dns.trustAnchorFile}"

[sts]
enabled = false

[delivery]
port = ${hosts.port}
`,
    );
    await relay.start();
  });
  afterAll(async () => {
    await relay?.end('SIGTERM');
    await hosts?.stop();
    await dns?.stop();
    await removeFolder(folder);
  });

  const submit = async (to: string, id: string): Promise<void> => {
    const transport = createTransport({ host: '127.0.0.1', port, ignoreTLS: true });
    await transport.sendMail({
      from: 'sender@sender.example',
      to,
      messageId: id,
      subject: 'through the relay',
      text: '.\n..\nA line with dots in front of it.\n',
    });
  };

  describe('a message to each domain', () => {
    for (const { title, origin, expected } of mailDomains) {
      test(`${title} (${origin})`, async () => {
        const id = `<${randomUUID()}@sender.example>`;
        const to = `someone@${origin}`;
        await submit(to, id);
        const event = await relay.event(
          ({ event: name, to: of }) => of === to && /^(delivered|deferred|bounced)$/u.test(name),
        );
        switch (expected.status) {
          case 'delivered': {
            const by = expected.authenticated === null ? null : 'dane';
            expect(event).toMatchObject({ event: 'delivered', mx: expected.mx, authenticated: by });
            expect(event['tls']).toBe(expected.tls ? 'TLSv1.3' : null);
            const text = await hosts[expected.at].received(id);
            expect(text).toMatch(
              /Received: from .*\n?\s+by relay\.sender\.example with ESMTP id [0-9a-z]{18}/u,
            );
            expect(text).toMatch(/\r?\n\.\r?\n\.\.\r?\nA line with dots/u);
            return;
          }
          case 'deferred':
          case 'failed':
            expect(event.event).toBe(expected.status === 'failed' ? 'bounced' : 'deferred');
            expect(event['reason']).toMatch(expected.reason);
            expect([await hosts.postfix.holds(id), await hosts.exim.holds(id)]).toEqual([false, false]);
            return;
          default:
            expected satisfies never;
        }
      });
    }
  });

  test('many messages to one server share its connections', async () => {
    const origin = mailDomains.find(
      ({ expected }) => expected.status === 'delivered' && expected.authenticated !== null,
    )?.origin;
    const before = relay.events.length;
    const ids = Array.from({ length: 30 }, () => `<${randomUUID()}@sender.example>`);
    for (const id of ids) await submit(`many@${origin}`, id);
    const delivered = () =>
      relay.events.slice(before).filter(({ event, to }) => event === 'delivered' && to === `many@${origin}`);
    await relay.event(() => delivered().length === ids.length);
    const connections = relay.events.slice(before).filter(({ event, connection }) => {
      return event === 'tls' && connection !== 'shared';
    });
    expect(connections.length).toBeLessThan(ids.length / 2);
  });
});
