import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { danelaw, dnsOptions, jsonOf, type Trust } from './danelaw.js';
import { type MailHosts, startMailHosts } from './mail-hosts.js';
import { mailDomains, mailZones, type Sent } from './mail-zones.js';
import { withNeighbours } from './neighbours.js';
import { opensslAuthenticates } from './openssl-dane.js';
import { type PrivateDns, startPrivateDns } from './private-dns.js';

/** sysexits.h, as design.md has them. */
const exitCodes = { delivered: 0, failed: 69, deferred: 75 } as const;

withNeighbours('send', () => {
  let hosts: MailHosts;
  let dns: PrivateDns;
  beforeAll(async () => {
    hosts = await startMailHosts();
    dns = await startPrivateDns(mailZones(hosts));
  });
  afterAll(async () => {
    await hosts?.stop();
    await dns?.stop();
  });

  describe('the mail hosts are what their records say, by the word of OpenSSL', () => {
    for (const { title, origin, expected } of mailDomains) {
      if (expected.status !== 'delivered' || !expected.authenticated) continue;
      const { baseDomain } = expected.authenticated;
      test(`${title} (${origin})`, async () => {
        const server = { resolver: dns.unbound.port, smtpPort: hosts.port, baseDomain };
        expect(await opensslAuthenticates(server)).toBe(true);
      });
    }
    test.each(['mismatch.ldns', 'mismatch.bind', 'wrong-name.bind'])(
      'mx.%s does not match',
      async (origin) => {
        const server = { resolver: dns.unbound.port, smtpPort: hosts.port, baseDomain: `mx.${origin}` };
        expect(await opensslAuthenticates(server)).toBe(false);
      },
    );
  });

  const send = async (trust: Trust, origin: string, message: string) => {
    const to = `someone@${origin}`;
    const options = [...dnsOptions(dns, trust), '--smtp-port', String(hosts.port), '--json'];
    return danelaw(['send', '-f', 'sender@sender.example', '-t', to, ...options, '-'], message);
  };

  for (const trust of ['validate', 'ad'] as const) {
    describe(`with DNS by ${trust === 'validate' ? 'our own validation' : "Unbound's word"}`, () => {
      for (const { title, origin, expected } of mailDomains) {
        test(`${title} (${origin})`, async () => {
          const id = `<${randomUUID()}@sender.example>`;
          const message = difficultMessage(id);
          const finished = await send(trust, origin, message);
          expect(jsonOf(finished), finished.stderr).toMatchObject({ recipients: [reportOf(expected)] });
          expect(finished.code).toBe(exitCodes[expected.status]);
          if (expected.status === 'delivered') {
            expect(withoutTrace(await hosts[expected.at].received(id))).toBe(message);
          } else {
            expect([await hosts.postfix.holds(id), await hosts.exim.holds(id)]).toEqual([false, false]);
          }
        });
      }
    });
  }
});

/** What `send --json` has to say of the recipient. */
function reportOf(expected: Sent): Record<string, unknown> {
  if (expected.status !== 'delivered') {
    return { status: expected.status, reason: expect.stringMatching(expected.reason) };
  }
  const { status, mx, tls, authenticated } = expected;
  return { status, mx, tls: tls ? { protocol: 'TLSv1.3', authenticated } : null };
}

/**
 * Everything that a careless client changes: dots, trailing spaces, empty lines at the end, 8-bit text, a
 * long line.
 */
function difficultMessage(id: string): string {
  const lines = [
    'Date: Mon, 02 Nov 2026 10:00:00 +0000',
    'From: sender@sender.example',
    'To: someone@example.org',
    `Message-ID: ${id}`,
    'Subject: =?utf-8?q?Danelag?=',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    '.',
    '..',
    '.one dot in front',
    'Lög, bræður — og trailing blanks  ',
    'From here on mbox would quote.',
    'x'.repeat(998),
    '',
    '',
  ];
  return `${lines.join('\n')}\n`;
}

/** The message as it was sent: without what servers put in front of it. */
function withoutTrace(stored: string): string {
  const start = stored.indexOf('Date: Mon, 02 Nov 2026');
  return start < 0 ? stored : stored.slice(start);
}
