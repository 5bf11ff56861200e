/** That the next hop takes a sender's wishes (RFC 3461) is told with each recipient that it accepts. */
import { afterEach, expect, it } from 'vitest';
import { parseMailbox } from './mailbox.js';
import { endSenders, oneHost, startSender } from './testing/delivery.js';
import type { Script } from './testing/scripted-server.js';

afterEach(endSenders);

it.each<[string, Script, true | undefined, string]>([
  [
    'offers DSN: it is told what the sender wants, and reports itself (section 5.2.1)',
    { offers: ['DSN'] },
    true,
    'RCPT TO:<b@example.org> NOTIFY=SUCCESS',
  ],
  [
    'does not offer DSN: it is not told, and the sender is to hear "relayed" (section 5.2.2 (b))',
    { offers: [] },
    undefined,
    'RCPT TO:<b@example.org>',
  ],
  [
    'offers DSN and refuses the recipient: nothing was taken over',
    { offers: ['DSN'], replies: { 'RCPT TO:<b@example.org> NOTIFY=SUCCESS': '550 5.1.1 no' } },
    undefined,
    'RCPT TO:<b@example.org> NOTIFY=SUCCESS',
  ],
])('a server that %s', async (_, script, dsn, command) => {
  const insecure = { status: 'insecure', records: [] } as const;
  const sender = await startSender(
    oneHost([], { more: { '_25._tcp.mx.example.org TLSA': insecure } }),
    script,
  );
  const recipient = parseMailbox('b@example.org');
  if (recipient === undefined) throw new Error('no mailbox');
  const { outcome } = await sender.send('example.org', {
    recipients: [recipient],
    dsn: { recipients: new Map([[recipient, { notify: ['success'] }]]) },
  });
  expect(outcome.dsn).toBe(dsn);
  expect(sender.heard()[0]?.commands).toContain(command);
});
