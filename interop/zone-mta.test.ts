/** ZoneMTA's own sender, from npm, sends by the plugin `@danelaw/zone-mta` to mail hosts of the lab. */
import { type HostSpec, type Internet, type Scenario, startInternet, type ZoneSpec } from '@danelaw/lab';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeFolder, removeFolder } from './folder.js';
import { withNeighbours } from './neighbours.js';
import { startZoneMtaSender, type ZoneMtaSender, zoneMta } from './zone-mta.js';

function oneHost(name: string, host: HostSpec, zone: ZoneSpec = {}): Scenario {
  const expected = { status: 'deferred', because: 'each test says for itself what it expects' } as const;
  const zones = { [name]: { records: ['@ MX 10 mx'], ...zone } };
  return { domain: name, shows: '', rule: 'RFC 7672', zones, hosts: { [`mx.${name}`]: host }, expected };
}

const SCENARIOS: readonly Scenario[] = [
  oneHost('good.example', { tlsa: ['3 1 1'] }),
  oneHost('swapped.example', { tlsa: ['3 1 1'], habits: { presents: {} } }),
  oneHost('stripped.example', { tlsa: ['3 1 1'], habits: { starttls: 'stripped' } }),
  oneHost(
    'bogus.example',
    { tlsa: ['3 1 1'] },
    { habits: [{ name: '_{port}._tcp.mx', type: 'TLSA', does: { forge: [], keepSignatures: true } }] },
  ),
  oneHost('open.unsigned', {}, { signing: 'unsigned' }),
  // Words by which ZoneMTA's rules would take a temporary failure for a final one, and the other way round.
  oneHost('busy.example', {
    tlsa: ['3 1 1'],
    habits: { on: { rcpt: '450 4.1.1 User unknown, mailbox does not exist' } },
  }),
  oneHost('refuses.example', {
    tlsa: ['3 1 1'],
    habits: { on: { content: '554 5.7.1 Greylisted, please try again later' } },
  }),
];

withNeighbours(
  "ZoneMTA's sender with @danelaw/zone-mta",
  () => {
    let folder: string;
    let internet: Internet;
    let sender: ZoneMtaSender;

    beforeAll(async () => {
      internet = await startInternet(SCENARIOS);
      folder = await makeFolder('zone-mta');
      sender = await startZoneMtaSender(folder, {
        resolver: `${internet.resolver.address}#${internet.resolver.port}`,
        trustAnchors: internet.trustAnchors,
        port: internet.smtpPort,
        mtaSts: false,
      });
    });

    afterAll(async () => {
      await sender?.stop();
      await internet?.close();
      if (folder !== undefined) await removeFolder(folder);
    });

    const BODY = 'Gr\xfc\xdfe\r\n.\r\n..two dots\r\n.one\r\nend\r\n';

    const send = (id: string, to: string): void =>
      sender.send({
        id,
        from: 'a@sender.example',
        to,
        headers: [`Message-ID: <${id}@sender.example>`, `Subject: ${id}`],
        body: BODY,
      });

    const received = (host: string) => internet.mailServers.get(host)?.received;

    test('is loaded in the sender process', () => {
      expect(sender.plugins).toEqual(['danelaw']);
    });

    test('delivers to a host whose certificate matches its TLSA record (RFC 7672 section 3.1.1)', async () => {
      send('good', 'b@good.example');
      const told = await sender.told('good', 'RELEASE');
      expect(told).toMatchObject([
        {
          cmd: 'RELEASE',
          status: { delivered: true, mx: 'mx.good.example', response: expect.stringMatching(/^250 /u) },
        },
      ]);
      expect(sender.log()).toMatch(/danelaw id=good\.001 completed mx\.good\.example.* authenticated:/u);
      expect(sender.log()).toMatch(/ACCEPTED .* mx=mx\.good\.example\[127\./u);
    });

    test('keeps dots at the start of a line, and octets above 127 (RFC 5321 section 4.5.2)', () => {
      const [message] = received('mx.good.example')?.messages ?? [];
      const text = Buffer.from(message?.content ?? []).toString('latin1');
      expect(text).toMatch(/^Received: /u);
      expect(text).toContain('Subject: good\r\n\r\nGr\xfc\xdfe\r\n.\r\n..two dots\r\n.one\r\nend\r\n');
      expect(message?.from).toBe('a@sender.example');
      expect(message?.recipients.map(({ address }) => address)).toEqual(['b@good.example']);
      expect(message?.mailParameters).toContain('BODY=8BITMIME');
    });

    test("says the name of the zone's address with EHLO", () => {
      const commands = received('mx.good.example')?.connections[0]?.commands ?? [];
      expect(commands.map(({ line }) => line)).toContain('EHLO mail.sender.example');
    });

    test('delivers to an unsigned domain, with TLS that nobody is authenticated by (section 2.2)', async () => {
      send('open', 'b@open.unsigned');
      expect(await sender.told('open', 'RELEASE')).toMatchObject([{ status: { delivered: true } }]);
      const [message] = received('mx.open.unsigned')?.messages ?? [];
      expect(message?.connection.tls?.protocol).toBe('TLSv1.3');
      expect(sender.log()).toMatch(
        /danelaw id=open\.001 completed mx\.open\.unsigned.* mx=insecure TLSv1\.3:/u,
      );
    });

    test.each([
      ['a certificate that matches no TLSA record', 'swapped.example', /match/u],
      ['no STARTTLS where there are TLSA records', 'stripped.example', /does not offer STARTTLS/u],
      ['TLSA records that are bogus', 'bogus.example', /TLSA/u],
      ['a reply that says "later" in the words of "never"', 'busy.example', /^450 4\.1\.1/u],
    ])('waits with %s, and nothing is sent', async (_, name, response) => {
      send(name, `b@${name}`);
      const told = await sender.told(name, 'DEFER');
      expect(told).toMatchObject([{ cmd: 'DEFER', response: expect.stringMatching(response) }]);
      expect(received(`mx.${name}`)?.messages).toEqual([]);
    });

    test('bounces what a server refuses for good, whatever its words', async () => {
      send('refused', 'b@refuses.example');
      expect(await sender.told('refused', 'BOUNCE')).toMatchObject([
        { cmd: 'RELEASE', status: { delivered: false, response: expect.stringMatching(/^554 5\.7\.1/u) } },
        { cmd: 'BOUNCE', response: expect.stringMatching(/^554 5\.7\.1 Greylisted/u) },
      ]);
    });

    test('lets all mail wait where its configuration is wrong', async () => {
      const other = await makeFolder('zone-mta-wrong');
      const wrong = await startZoneMtaSender(other, { levle: 'dane' });
      try {
        wrong.send({ id: 'wrong', from: '', to: 'b@good.example', headers: ['Subject: x'], body: 'x\r\n' });
        expect(await wrong.told('wrong', 'DEFER')).toMatchObject([
          { cmd: 'DEFER', response: expect.stringContaining('there is no key "levle"') },
        ]);
      } finally {
        await wrong.stop();
        await removeFolder(other);
      }
    });
  },
  { zoneMta },
);
