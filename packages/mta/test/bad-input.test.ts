/**
 * Bad input of every kind that a zone, a web server or a mail server can send: bounded, reported, and the next host is
 * used. The hostile host is the better one of two, so that it is always asked first; and while it is dealt with, mail
 * to a domain beside it arrives.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Roots } from '@danelaw/dane';
import { createResolver, type Resolver } from '@danelaw/dns';
import {
  type HostSpec,
  type Internet,
  issue,
  makeAuthority,
  type Scenario,
  type StageHabit,
  startInternet,
  type TlsaSpec,
} from '@danelaw/lab';
import { checkMessage, type DeliverOptions, type Delivery, deliver, MtaSts } from '@danelaw/smtp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const GOOD: HostSpec = { tlsa: ['3 1 1'] };

/** `hostile` at preference 10, a good host at 20. */
function twoHosts(
  name: string,
  hostile: HostSpec,
  records: readonly string[] = [],
  more: object = {},
): Scenario {
  return {
    domain: name,
    shows: 'bad input, and the next host',
    rule: 'RFC 7672 section 2.2',
    zones: { [name]: { records: ['@ MX 10 hostile', '@ MX 20 good', ...records] } },
    hosts: { [`hostile.${name}`]: hostile, [`good.${name}`]: GOOD },
    expected: { status: 'deferred', because: 'each test says for itself what it expects' },
    ...more,
  };
}

/** TLSA records of nobody, each another one. */
const strangers = (count: number): TlsaSpec[] =>
  Array.from({ length: count }, (_, index) => ({
    parameters: '3 1 1',
    hex: index.toString(16).padStart(64, '0'),
  }));

/** Host names of 60 octets, in as many entries as make a certificate of about so many octets. */
const names = (octets: number): string[] =>
  Array.from({ length: Math.floor(octets / 62) }, (_, index) => `${String(index).padStart(52, 'x')}.example`);

const ENDLESS = ['greeting', 'ehlo', 'starttls', 'ehloAfterTls', 'mail', 'rcpt', 'data'] as const;
const WITHOUT_END = ['endless', 'endless-line'] as const;
const endlessName = (stage: string, habit: string): string => `${habit}-${stage}.example`.toLowerCase();

/** All authorities have one name, so that each could have issued the others: a path finder's worst case. */
const NAMESAKES = Array.from({ length: 99 }, (_, index) => `Namesake ${index}`);
const namesakes = {
  ...Object.fromEntries(NAMESAKES.map((key) => [key, { name: 'Namesake' }])),
  'Last Namesake': { name: 'Namesake' },
};

const WEB = '127.55.0.1';

const SCENARIOS: readonly Scenario[] = [
  twoHosts('beside.example', GOOD),
  twoHosts('thousand.example', { tlsa: strangers(1000) }),
  twoHosts('thousand-and-one.example', { tlsa: [...strangers(1000), '3 1 1'] }),
  twoHosts('large-certificate.example', { tlsa: ['3 1 1'], certificate: { names: names(60_000) } }),
  twoHosts('larger-certificate.example', { tlsa: ['3 1 1'], certificate: { names: names(70_000) } }),
  twoHosts('largest-certificate.example', { tlsa: ['3 1 1'], certificate: { names: names(110_000) } }),
  twoHosts('long-chain-ee.example', {
    tlsa: ['3 1 1'],
    certificate: { chain: NAMESAKES.map(() => 'stranger') },
  }),
  twoHosts(
    'long-chain-ta.example',
    {
      // What issued the server's certificate is sent last: behind what anybody needs to look at.
      tlsa: [{ parameters: '2 1 1', of: 'Last Namesake' }],
      certificate: { issuer: 'Last Namesake', chain: [...NAMESAKES.slice(1), 'Last Namesake'] },
    },
    [],
    { authorities: namesakes },
  ),
  twoHosts(
    'namesakes.example',
    {
      tlsa: [{ parameters: '2 1 1', of: 'Namesake 5' }],
      certificate: { issuer: 'Last Namesake', chain: NAMESAKES },
    },
    [],
    { authorities: namesakes },
  ),
  twoHosts('large-policy.example', { tlsa: [] }, ['_mta-sts TXT "v=STSv1; id=1;"', `mta-sts A ${WEB}`]),
  ...ENDLESS.flatMap((stage) =>
    WITHOUT_END.map((habit: StageHabit & string) =>
      twoHosts(endlessName(stage, habit), { tlsa: ['3 1 1'], habits: { on: { [stage]: habit } } }),
    ),
  ),
  twoHosts('endless-content.example', { tlsa: ['3 1 1'], habits: { on: { content: 'endless' } } }),
  twoHosts('stalled-tls.example', { tlsa: ['3 1 1'], habits: { handshake: 'silence' } }),
  ...Array.from({ length: 20 }, (_, index) =>
    twoHosts(`stalled-${index}.example`, { tlsa: ['3 1 1'], habits: { handshake: 'silence' } }),
  ),
];

let internet: Internet;
let resolver: Resolver;

beforeAll(async () => {
  internet = await startInternet(SCENARIOS);
  resolver = createResolver({
    upstream: `${internet.resolver.address}#${internet.resolver.port}`,
    trustAnchors: [...internet.trustAnchors],
  });
});

afterAll(async () => {
  await resolver?.close();
  await internet?.close();
});

function send(to: readonly string[], more: Partial<DeliverOptions> = {}): Promise<Delivery> {
  const checked = checkMessage(Buffer.from('Subject: x\r\n\r\nx\r\n'));
  if (checked.status !== 'ok') throw new Error(checked.reason);
  return deliver({
    resolver,
    heloName: 'client.example',
    port: internet.smtpPort,
    envelope: { from: 'a@sender.example', to: to.map((domain) => `b@${domain}`) },
    message: checked.message,
    ...more,
  });
}

/** Sends to a domain with a hostile host and to one beside it; both have to arrive. */
async function sendPast(domain: string, more: Partial<DeliverOptions> = {}) {
  const { recipients, attempts } = await send([domain, 'beside.example'], more);
  const [outcome, beside] = recipients;
  expect(beside).toMatchObject({ status: 'delivered', host: 'hostile.beside.example' });
  const [first, ...rest] = attempts.filter((attempt) => attempt.domain === domain);
  if (outcome === undefined || first === undefined) throw new Error(`nothing was tried for ${domain}`);
  // Whatever somebody sends, what is said of it stays short enough to be logged.
  expect(first.reason.length).toBeLessThan(2_000);
  return { outcome, first, rest };
}

/** The hostile host came to nothing, for this reason, and the next one got the mail. */
async function expectNextHost(
  domain: string,
  reason: RegExp,
  more: Partial<DeliverOptions> = {},
): Promise<void> {
  const { outcome, first, rest } = await sendPast(domain, more);
  expect(first).toMatchObject({ host: `hostile.${domain}`, reason: expect.stringMatching(reason) });
  expect(rest).toMatchObject([{ status: 'completed', host: `good.${domain}` }]);
  expect(outcome).toMatchObject({
    status: 'delivered',
    host: `good.${domain}`,
    tls: { authenticated: { by: 'dane', usage: 3 } },
  });
}

describe('TLSA RRsets of 1,000 records', () => {
  it('that match nothing: the next host', async () => {
    await expectNextHost(
      'thousand.example',
      /matches no TLSA record\. TLSA 3 1 1 0{16}\.\.\.: .* and 995 more/u,
    );
  });

  it('of which the last one matches: delivered by it', async () => {
    const { outcome } = await sendPast('thousand-and-one.example');
    expect(outcome).toMatchObject({
      status: 'delivered',
      host: 'hostile.thousand-and-one.example',
      tls: { authenticated: { by: 'dane', usage: 3 } },
    });
  });
});

describe('certificates of 64 kB', () => {
  it('a little less: it matches, and is delivered to', async () => {
    const { outcome } = await sendPast('large-certificate.example');
    expect(outcome).toMatchObject({ status: 'delivered', host: 'hostile.large-certificate.example' });
  });

  it('a little more: beyond our bound, the next host', async () => {
    await expectNextHost('larger-certificate.example', /malformed: certificate of 7\d{4} octets/u);
  });

  it("more than OpenSSL takes: a failed handshake, told in OpenSSL's words, the next host", async () => {
    await expectNextHost('largest-certificate.example', /the TLS handshake failed: excessive message size/u);
  });
});

describe('chains of 100', () => {
  it('of strangers behind a certificate that matches: delivered, as the first one alone counts (RFC 7672 section 3.1.1)', async () => {
    const { outcome } = await sendPast('long-chain-ee.example');
    expect(outcome).toMatchObject({ status: 'delivered', host: 'hostile.long-chain-ee.example' });
  });

  it('of authorities with one name, the true one last: what lies behind the bound is not looked at, the next host', async () => {
    await expectNextHost(
      'long-chain-ta.example',
      /no certificate that the server sent as issuer has that key/u,
    );
  });

  it('of authorities with one name, none of which issued the certificate: the search is bounded, the next host', async () => {
    await expectNextHost('namesakes.example', /matches, but no path of signatures leads to it/u);
  });
});

describe('an MTA-STS policy of 1 GB', () => {
  const GIGABYTE = 1_000_000_000;
  let server: Server;
  let roots: Roots;
  /** Octets that the last answer got rid of, and whether its reader has gone. */
  let written = 0;
  let gone: Promise<unknown> = Promise.resolve();

  beforeAll(async () => {
    const validity = {
      notBefore: new Date(Date.now() - 86_400_000),
      notAfter: new Date(Date.now() + 86_400_000),
    };
    const authority = makeAuthority({ name: 'Web CA', validity });
    const certificate = issue(authority, { names: ['mta-sts.large-policy.example'], validity });
    roots = new Roots([authority.pem]);
    server = createServer({ cert: certificate.pem, key: certificate.keyPem }, (request, response) => {
      written = 0;
      const { socket } = request;
      gone = new Promise((resolve) => socket.once('close', resolve));
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.write('version: STSv1\r\nmode: enforce\r\nmax_age: 86400\r\nmx: nobody.example\r\n');
      const piece = Buffer.from(`x: ${'y'.repeat(16_379)}\r\n`);
      const more = (): void => {
        while (written < GIGABYTE && !response.destroyed) {
          written += piece.length;
          if (!response.write(piece)) {
            response.once('drain', more);
            return;
          }
        }
        response.end();
      };
      more();
    });
    server.on('tlsClientError', () => {});
    server.listen(0, WEB);
    await once(server, 'listening');
  });

  afterAll(async () => {
    server?.closeAllConnections();
    await new Promise((resolve) => server?.close(resolve));
  });

  it('is given up after 64 KiB, is no policy, and is reported', async () => {
    const { port } = server.address() as AddressInfo;
    const sts = new MtaSts({ port, roots });
    const { outcome, first } = await sendPast('large-policy.example', { sts, roots });
    await gone;
    await sts.close();
    // What it wrote besides is in the buffers of two sockets.
    expect(written).toBeLessThan(GIGABYTE / 20);
    expect(outcome).toMatchObject({ status: 'delivered', host: 'hostile.large-policy.example' });
    expect(first.report.failures).toMatchObject([
      { failureType: 'sts-policy-fetch-error', reason: expect.stringContaining('more than 65536 octets') },
    ]);
  });
});

describe('replies that never end', () => {
  const every = ENDLESS.flatMap((stage) => WITHOUT_END.map((habit) => [stage, habit] as const));

  it.each(every)('to %s, %s: the next host', async (stage, habit) => {
    const name = endlessName(stage, habit);
    const { outcome, first, rest } = await sendPast(name);
    expect(first).toMatchObject({ host: `hostile.${name}` });
    const words = [first.reason, ...first.recipients.map(({ reason }) => reason)].join(' ');
    expect(words).toMatch(/does not speak SMTP: .*(?:lines|octets)/u);
    expect(rest).toMatchObject([{ status: 'completed', host: `good.${name}` }]);
    expect(outcome).toMatchObject({ status: 'delivered', host: `good.${name}` });
  });

  it('to the end of the message: it may have been taken, so it waits and goes to no other host at once', async () => {
    const { outcome, rest } = await sendPast('endless-content.example');
    expect(outcome).toMatchObject({ status: 'deferred', host: 'hostile.endless-content.example' });
    expect(outcome.reason).toMatch(/does not speak SMTP/u);
    expect(rest).toEqual([]);
  });
});

describe('TLS that stalls', () => {
  it('is given up when its time is over: the next host', async () => {
    await expectNextHost('stalled-tls.example', /nothing came for 0\.3 s/u, { timeouts: { handshake: 300 } });
  });

  it('at twenty destinations of a message does not hold up the others', async () => {
    const stalled = Array.from({ length: 20 }, (_, index) => `stalled-${index}.example`);
    const received = () => internet.mailServers.get('hostile.beside.example')?.received.messages.length ?? 0;
    const before = received();
    const stop = new AbortController();
    const sending = send([...stalled, 'beside.example'], { signal: stop.signal });
    const failed = expect(sending).rejects.toThrow('seen enough');
    while (received() === before) await new Promise((resolve) => setTimeout(resolve, 10));
    // The mail is there, and nobody has given up on the stalled ones.
    for (const domain of stalled) {
      const connections = internet.mailServers.get(`hostile.${domain}`)?.received.connections ?? [];
      expect(connections.filter(({ ended }) => ended !== undefined)).toEqual([]);
    }
    stop.abort(new Error('seen enough'));
    await failed;
  });
});
