/** Haraka, as it comes from npm, sends by the plugin `haraka-plugin-danelaw` to mail hosts of the lab. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type HostSpec, type Internet, type Scenario, startInternet, type ZoneSpec } from '@danelaw/lab';
import { createTransport } from 'nodemailer';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../packages/mta/test/free-port.js';
import { makeFolder, removeFolder } from './folder.js';
import { type HarakaServer, haraka, type Sighting, startHaraka } from './haraka.js';
import { withNeighbours } from './neighbours.js';

function domain(name: string, zone: ZoneSpec, hosts: Readonly<Record<string, HostSpec>>): Scenario {
  const expected = { status: 'deferred', because: 'each test says for itself what it expects' } as const;
  return { domain: name, shows: '', rule: 'RFC 7672', zones: { [name]: zone }, hosts, expected };
}

const oneHost = (name: string, host: HostSpec, zone: ZoneSpec = {}): Scenario =>
  domain(name, { ...zone, records: ['@ MX 10 mx'] }, { [`mx.${name}`]: host });

const SCENARIOS: readonly Scenario[] = [
  oneHost('sender.example', { tlsa: ['3 1 1'] }),
  oneHost('good.example', { tlsa: ['3 1 1'] }),
  {
    ...oneHost('authority.example', { tlsa: ['2 1 1'], certificate: { issuer: 'Own CA' } }),
    authorities: { 'Own CA': {} },
  },
  oneHost('swapped.example', { tlsa: ['3 1 1'], habits: { presents: {} } }),
  oneHost('stripped.example', { tlsa: ['3 1 1'], habits: { starttls: 'stripped' } }),
  oneHost(
    'bogus.example',
    { tlsa: ['3 1 1'] },
    { habits: [{ name: '_{port}._tcp.mx', type: 'TLSA', does: { forge: [], keepSignatures: true } }] },
  ),
  oneHost('open.unsigned', {}, { signing: 'unsigned' }),
  oneHost('refuses.example', { tlsa: ['3 1 1'], habits: { on: { content: '554 5.7.1 Not wanted here' } } }),
  oneHost('picky.example', {
    tlsa: ['3 1 1'],
    habits: {
      recipients: {
        'nobody@picky.example': '550 5.1.1 No such mailbox',
        'busy@picky.example': '450 4.2.1 Mailbox busy',
      },
    },
  }),
  domain(
    'second.example',
    { records: ['@ MX 10 mx1', '@ MX 20 mx2'] },
    {
      'mx1.second.example': { tlsa: ['3 1 1'], habits: { presents: {} } },
      'mx2.second.example': { tlsa: ['3 1 1'] },
    },
  ),
  oneHost('taken.example', { tlsa: ['3 1 1'] }),
  // Two seconds for the reply, of which Haraka gives a plugin's hook one.
  oneHost('slow.example', {
    tlsa: ['3 1 1'],
    habits: { on: { content: { slowly: '250 2.0.0 Taken in the end', everyMs: 80 } } },
  }),
  ...['later.example', 'restart.example'].map((name) =>
    oneHost(name, { tlsa: ['3 1 1'], habits: { on: { rcpt: { inTurn: ['450 4.2.1 Not now', 'usual'] } } } }),
  ),
  oneHost('excepted.example', { tlsa: ['3 1 1'], habits: { presents: {} } }),
];

/** Another plugin that answers for danelaw: Haraka's own client would deliver, and verify nothing. */
const IMPOSTOR = `
exports.register = function () { this.register_hook('send_email', 'answer', 0); };
exports.answer = (next, mail) => next(mail.todo.domain === 'taken.example' ? OK : CONT);
`;

withNeighbours(
  'Haraka with haraka-plugin-danelaw',
  () => {
    let folder: string;
    let internet: Internet;
    let server: HarakaServer;
    let port: number;

    beforeAll(async () => {
      internet = await startInternet(SCENARIOS);
      folder = await makeFolder('haraka');
      await start();
    });

    async function start(): Promise<void> {
      port = await freePort();
      server = await startHaraka({
        folder,
        port,
        before: IMPOSTOR,
        config: {
          'danelaw.ini': [
            `resolver = ${internet.resolver.address}#${internet.resolver.port}`,
            `port = ${internet.smtpPort}`,
            'helo = mail.sender.example',
            'mta_sts = false',
          ].join('\n'),
          plugin_timeout: '1',
          danelaw_trust_anchors: internet.trustAnchors.join('\n'),
          'danelaw_policy.json': JSON.stringify([
            {
              domain: 'excepted.example',
              level: 'encrypt',
              exception: { reason: 'a test', expires: '2999-12-31' },
            },
          ]),
        },
      });
    }

    afterAll(async () => {
      await server?.stop();
      await internet?.close();
      if (folder !== undefined) await removeFolder(folder);
    });

    const BODY = 'Grüße\r\n.\r\n..two dots\r\n.one\r\nend';

    /** Hands a message in by SMTP, and waits until the hooks have seen all of its recipients. */
    async function send(id: string, to: readonly string[], from = 'a@sender.example'): Promise<Sighting[]> {
      const transport = createTransport({ host: '127.0.0.1', port, ignoreTLS: true });
      const raw = Buffer.from(`Message-ID: <${id}>\r\nSubject: ${id}\r\n\r\n${BODY}\r\n`, 'latin1');
      await transport.sendMail({ envelope: { from, to: [...to] }, raw });
      for (let tries = 0; tries < 600; tries += 1) {
        const seen = (await server.sightings()).filter((each) =>
          each.recipients.some((recipient) => to.includes(recipient)),
        );
        if (to.every((recipient) => seen.some((each) => each.recipients.includes(recipient)))) return seen;
        await sleep(50);
      }
      throw new Error(`Haraka said nothing of ${to.join(', ')}\n${await server.log()}`);
    }

    const received = (host: string) => internet.mailServers.get(host)?.received;
    const messages = (host: string) =>
      (received(host)?.messages ?? []).map((each) => ({
        ...each,
        text: Buffer.from(each.content).toString('latin1'),
        to: each.recipients.map(({ address }) => address),
      }));

    test('delivers to a host whose certificate matches its TLSA record (RFC 7672 section 3.1.1)', async () => {
      const seen = await send('ee', ['b@good.example', 'c@good.example']);
      expect(seen).toMatchObject([
        {
          hook: 'delivered',
          recipients: ['b@good.example', 'c@good.example'],
          host: 'mx.good.example',
          secured: true,
          authenticated: [{ usage: 3 }, { usage: 3 }],
        },
      ]);
      expect(seen[0]?.response).toMatch(/^250 /u);
    });

    test('keeps dots at the start of a line, and octets above 127 (RFC 5321 section 4.5.2)', () => {
      const [message] = messages('mx.good.example');
      expect(message?.text).toMatch(/\r\n\r\nGr\xfc\xdfe\r\n\.\r\n\.\.two dots\r\n\.one\r\nend\r\n$/u);
      expect(message?.mailParameters).toContain('BODY=8BITMIME');
      expect(message?.from).toBe('a@sender.example');
      expect(message?.to).toEqual(['b@good.example', 'c@good.example']);
    });

    test('says the configured name with EHLO', () => {
      const commands = received('mx.good.example')?.connections[0]?.commands ?? [];
      expect(commands.map(({ line }) => line)).toContain('EHLO mail.sender.example');
    });

    test.each([
      ['a host that its own authority vouches for (section 3.1.2)', 'authority.example', [{ usage: 2 }]],
      ['an unsigned domain, with TLS that nobody is authenticated by (section 2.2)', 'open.unsigned', [null]],
    ])('delivers to %s', async (_, name, authenticated) => {
      const seen = await send(name, [`b@${name}`]);
      expect(seen).toMatchObject([{ hook: 'delivered', host: `mx.${name}`, secured: true, authenticated }]);
    });

    test('goes to the next host where the first one has another certificate', async () => {
      const seen = await send('second', ['b@second.example']);
      expect(seen).toMatchObject([
        { hook: 'delivered', host: 'mx2.second.example', authenticated: [{ usage: 3 }] },
      ]);
      expect(messages('mx1.second.example')).toEqual([]);
    });

    test.each([
      ['a certificate that matches no TLSA record', 'swapped.example', /match/u],
      ['no STARTTLS where there are TLSA records', 'stripped.example', /does not offer STARTTLS/u],
      ['TLSA records that are bogus', 'bogus.example', /TLSA.*(?:bogus|failed|could not)/u],
    ])('waits with %s, and nothing is sent', async (_, name, reason) => {
      const seen = await send(name, [`b@${name}`]);
      expect(seen).toMatchObject([{ hook: 'deferred', recipients: [`b@${name}`] }]);
      expect(seen[0]?.reason).toMatch(reason);
      expect(messages(`mx.${name}`)).toEqual([]);
      const [queued] = (await readdir(join(folder, 'queue'))).filter((file) => !file.startsWith('.'));
      expect(queued).toBeDefined();
    });

    test('bounces what a server refuses for good, and the bounce goes out under DANE too', async () => {
      const seen = await send('refused', ['b@refuses.example'], 'refused@sender.example');
      expect(seen).toMatchObject([{ hook: 'bounce', recipients: ['b@refuses.example'] }]);
      const bounce = await bounceTo('refused@sender.example');
      expect(bounce.from).toBe('');
      expect(bounce.text).toContain('Final-Recipient: rfc822;b@refuses.example');
      expect(bounce.text).toContain('Action: failed');
      expect(bounce.text).toContain('Remote-MTA: dns; mx.refuses.example');
      expect(bounce.text).toMatch(/Diagnostic-Code: smtp;554 5\.7\.1 Not wanted here/u);
    });

    test('settles each recipient by itself: one delivered, one bounced, one waits', async () => {
      const to = ['b@picky.example', 'nobody@picky.example', 'busy@picky.example'];
      const seen = await send('picky', to, 'picky@sender.example');
      expect(seen.toSorted((one, two) => one.hook.localeCompare(two.hook))).toMatchObject([
        { hook: 'bounce', recipients: ['nobody@picky.example'] },
        {
          hook: 'deferred',
          recipients: ['busy@picky.example'],
          reason: expect.stringContaining('450 4.2.1'),
        },
        { hook: 'delivered', recipients: ['b@picky.example'] },
      ]);
      expect(messages('mx.picky.example')).toMatchObject([{ to: ['b@picky.example'] }]);
      const bounce = await bounceTo('picky@sender.example');
      expect(bounce.text).toContain('Diagnostic-Code: smtp;550 5.1.1 No such mailbox');
      expect(bounce.text).not.toContain('busy@picky.example');
    });

    test("does not leave mail to Haraka's own client where another plugin answers first", async () => {
      const seen = await send('taken', ['b@taken.example']);
      expect(seen).toMatchObject([{ hook: 'deferred', recipients: ['b@taken.example'] }]);
      expect(received('mx.taken.example')?.connections).toEqual([]);
    });

    test('has as much time as a delivery takes, whatever Haraka gives a hook', async () => {
      const seen = await send('slow', ['b@slow.example']);
      expect(seen).toMatchObject([
        { hook: 'delivered', response: '250 2.0.0 Taken in the end', authenticated: [{ usage: 3 }] },
      ]);
      expect(messages('mx.slow.example')).toHaveLength(1);
      expect(await server.log()).not.toContain('danelaw timed out');
    });

    test('tells each use of an exception (RFC 7672 section 9.1)', async () => {
      const seen = await send('excepted', ['b@excepted.example']);
      expect(seen).toMatchObject([{ hook: 'delivered', secured: true, authenticated: [null] }]);
      expect(await server.log()).toMatch(
        /danelaw: exception by rule 1 \(excepted\.example\) until 2999-12-31T00:00:00\.000Z: a test/u,
      );
    });

    test('tries again what waits', async () => {
      await send('later', ['b@later.example']);
      const seen = await flushUntil('b@later.example', 2);
      expect(seen).toMatchObject([
        { hook: 'deferred' },
        { hook: 'delivered', authenticated: [{ usage: 3 }] },
      ]);
      expect(messages('mx.later.example')).toHaveLength(1);
    });

    test('tries again after a restart', async () => {
      await send('restart', ['b@restart.example']);
      await server.stop();
      await start();
      const seen = await flushUntil('b@restart.example', 2);
      expect(seen).toMatchObject([
        { hook: 'deferred' },
        { hook: 'delivered', authenticated: [{ usage: 3 }] },
      ]);
    });

    /** More than once: what Haraka finds in its queue folder at its start waits again after the first time. */
    async function flushUntil(recipient: string, count: number): Promise<Sighting[]> {
      for (let tries = 0; tries < 600; tries += 1) {
        const seen = (await server.sightings()).filter(({ recipients }) => recipients.includes(recipient));
        if (seen.length >= count) return seen;
        if (tries % 10 === 0) server.flush();
        await sleep(50);
      }
      throw new Error(`Haraka said nothing more of ${recipient}\n${await server.log()}`);
    }

    async function bounceTo(recipient: string) {
      for (let tries = 0; tries < 600; tries += 1) {
        const found = messages('mx.sender.example').find((each) => each.to.includes(recipient));
        if (found !== undefined) return found;
        await sleep(50);
      }
      throw new Error(`no bounce came for ${recipient}\n${await server.log()}`);
    }
  },
  { haraka },
);
