/** Connections that several messages share: when they may, when never, and what is said of each message. */
import { formatTlsa } from '@danelaw/dane';
import { afterEach, describe, expect, it } from 'vitest';
import type { ClientOptions } from './client.js';
import { connectTcp } from './connection.js';
import { parsePolicyTable } from './policy-table-parser.js';
import type { StsSource } from './sts-finding.js';
import { ca, leaf, other, tlsaFor } from './testing/certificates.js';
import { endSenders, message, oneHost, type Sender, startSender, tlsaRecord } from './testing/delivery.js';
import { mx } from './testing/fixed-resolver.js';
import type { Heard, Script } from './testing/scripted-server.js';

afterEach(endSenders);

/** Every new connection makes a full handshake: `resumption.test.ts` is about the others. */
const start = (answers: Parameters<typeof startSender>[0], script: Script = {}): Promise<Sender> =>
  startSender(answers, script, { limits: { ticketKeys: 0 } });

const SIGNED = oneHost([tlsaRecord(leaf, 3)]);
const NO_TLSA = oneHost([]);
const record = (pem: string, usage: 2 | 3): string => formatTlsa(tlsaFor(pem, usage));
const table = (...rules: object[]) => parsePolicyTable(rules);
const count = (sender: Sender): number => sender.dialled.length;

describe('a connection is shared', () => {
  it('by two domains with one host, and each has a verdict of its own', async () => {
    const sender = await start(SIGNED);
    const [first, second] = [await sender.send('example.org'), await sender.send('example.net')];
    expect([first.summary, second.summary]).toEqual(['delivered, new', 'delivered, shared']);
    expect([first.proof, second.proof]).toEqual([record(leaf, 3), record(leaf, 3)]);
    expect(second.attempts[0]?.reason).toMatch(/over a connection that had carried earlier mail/);
    // No second handshake, no second EHLO, and no RSET after a message that was taken.
    expect(sender.heard()[0]?.commands.map((line) => line.split(' ')[0])).toEqual([
      ...['EHLO', 'STARTTLS', 'EHLO'],
      ...['MAIL', 'RCPT', 'DATA'],
      ...['MAIL', 'RCPT', 'DATA'],
    ]);
  });

  it('where the TLSA records changed and still match: by what they say now', async () => {
    const sender = await start(SIGNED);
    await sender.send('example.org');
    sender.publish(oneHost([tlsaRecord(ca, 2)]));
    const second = await sender.send('example.org');
    expect([second.summary, second.proof]).toEqual(['delivered, shared', record(ca, 2)]);
  });

  it('after a message that nobody got, with RSET in front (RFC 5321 section 4.1.1.5)', async () => {
    const replies = { 'RCPT TO:<b@example.org>': '550 5.1.1 no', DATA: noRecipients };
    const sender = await start(SIGNED, { offersUnderTls: [], replies });
    expect((await sender.send('example.org')).summary).toBe('failed, new');
    expect((await sender.send('example.net')).summary).toBe('delivered, shared');
    expect(sender.heard()[0]?.commands.slice(3)).toEqual([
      ...['MAIL FROM:<a@client.example>', 'RCPT TO:<b@example.org>'],
      ...['RSET', 'MAIL FROM:<a@client.example>', 'RCPT TO:<b@example.net>', 'DATA'],
    ]);
  });

  it('with an insecure MX, and is not said to lead to the domain (RFC 7672 section 2.2.1)', async () => {
    const insecure = { status: 'insecure', records: [mx(10, 'mx.example.org')] } as const;
    const sender = await start({ ...SIGNED, 'example.net MX': insecure });
    await sender.send('example.org');
    const second = await sender.send('example.net');
    expect([second.summary, second.outcome.mx]).toEqual(['delivered, shared', 'insecure']);
    expect(second.attempts[0]?.reason).toMatch(/as mx\.example\.org only: .* anybody may have named it/);
    expect((await sender.send('example.org')).outcome.mx).toBe('secure');
  });

  it('in clear text under "none", and under "may" where STARTTLS is not offered', async () => {
    for (const level of ['none', 'may'] as const) {
      const sender = await start(NO_TLSA, { offers: [] });
      sender.set({ level });
      await sender.send('example.org');
      const second = await sender.send('example.net');
      expect([second.summary, second.outcome.tls]).toEqual(['delivered, shared', null]);
    }
  });

  it('in clear text after TLS has failed, and has failed for this message too', async () => {
    const sender = await start(NO_TLSA, { handshake: 'garbage' });
    const origins = async (): Promise<unknown> =>
      (await sender.send('example.org')).attempts.map(({ status, connection }) => `${status} ${connection}`);
    expect(await origins()).toEqual(['failed new', 'failed new', 'completed new']);
    expect(await origins()).toEqual(['failed new', 'failed new', 'completed shared']);
  });
});

const noRecipients = ({ commands }: Heard): string =>
  commands.at(-2)?.includes('example.org') === true ? '503 5.5.1 no recipients' : '354 go on';

describe('a connection is not shared', () => {
  it('where the TLSA records changed and match no more; a new one is made, and its failure counts', async () => {
    const sender = await start(SIGNED);
    await sender.send('example.org');
    sender.publish(oneHost([tlsaRecord(other, 3)]));
    const second = await sender.send('example.org');
    expect([second.summary, second.attempts[0]?.stage]).toEqual(['deferred, new', 'handshake']);
    expect(second.attempts[0]?.failureType).toBe('validation-failure');
    // The first is left to whoever finds nothing wrong with it.
    sender.publish(SIGNED);
    expect((await sender.send('example.org')).summary).toBe('delivered, shared');
    expect(count(sender)).toBe(2);
  });

  it('with a DANE-TA certificate that is for the other domain only (RFC 7672 section 3.2.2)', async () => {
    const sender = await start(oneHost([tlsaRecord(ca, 2)], { host: 'mx.example.com' }));
    expect((await sender.send('example.org')).summary).toBe('delivered, new');
    const second = await sender.send('example.net');
    expect([second.summary, second.attempts[0]?.failureType]).toEqual([
      'deferred, new',
      'certificate-host-mismatch',
    ]);
    expect((await sender.send('example.org')).summary).toBe('delivered, shared');
  });

  it('where an audit overlooked what does not match (RFC 7672 section 9.1)', async () => {
    const sender = await start(oneHost([tlsaRecord(other, 3)]));
    const audit = { reason: 'first look', expires: '2999-01-01' };
    sender.set({ policyTable: table({ domain: 'example.org', level: 'dane', audit }) });
    const audited = await sender.send('example.org');
    expect([audited.summary, audited.proof]).toEqual(['delivered, new', null]);
    expect((await sender.send('example.net')).summary).toBe('deferred, new');
  });

  it('where an audit let clear text pass', async () => {
    const sender = await start(SIGNED, { offers: [] });
    const audit = { reason: 'first look', expires: '2999-01-01' };
    sender.set({ policyTable: table({ domain: 'example.org', level: 'dane', audit }) });
    expect((await sender.send('example.org')).summary).toBe('delivered, new');
    expect((await sender.send('example.net')).summary).toBe('deferred, new');
    // Not even by another audit: the server may offer STARTTLS by now.
    expect((await sender.send('example.org')).summary).toBe('delivered, new');
  });

  it('where "encrypt" had no wish to know whose certificate it is', async () => {
    const sender = await start(oneHost([tlsaRecord(other, 3)]));
    sender.set({ policyTable: table({ domain: 'example.org', level: 'encrypt' }) });
    expect((await sender.send('example.org')).summary).toBe('delivered, new');
    expect((await sender.send('example.net')).summary).toBe('deferred, new');
    expect((await sender.send('example.org')).summary).toBe('delivered, shared');
  });

  it('with a domain whose MTA-STS policy does not name the host (RFC 8461 section 4.1)', async () => {
    const sender = await start({
      ...SIGNED,
      'example.net MX': { status: 'insecure', records: [mx(10, 'mx.example.org')] },
    });
    sender.set({ sts: enforcing('mx.example.net') });
    expect((await sender.send('example.org')).summary).toBe('delivered, new');
    expect((await sender.send('example.net')).outcome.status).toBe('deferred');
  });

  const TLS12: Script = { maxTls: 'TLSv1.2' };
  it.each<[what: string, first: Partial<ClientOptions>, second: Partial<ClientOptions>, script: Script]>([
    ['"dane" after "may"', { level: 'may' }, {}, {}],
    ['clear text after TLS', {}, { level: 'none' }, {}],
    ['TLS after clear text', { level: 'none' }, { level: 'may' }, {}],
    ['another EHLO name', {}, { heloName: 'other.example' }, {}],
    [
      'TLS 1.3 asked for, on a session that was made with less in mind',
      { policyTable: table({ domain: '*', level: 'dane', min_tls: 'TLSv1.2' }) },
      { policyTable: table({ domain: '*', level: 'dane', min_tls: 'TLSv1.3' }) },
      {},
    ],
    [
      'TLS 1.3 asked for, on a session under TLS 1.2',
      {},
      { policyTable: table({ domain: '*', level: 'dane', min_tls: 'TLSv1.3' }) },
      TLS12,
    ],
  ])('with %s', async (_, first, second, script) => {
    const sender = await start(SIGNED, script);
    sender.set(first);
    expect((await sender.send('example.org')).summary).toBe('delivered, new');
    sender.set({ level: 'dane', policyTable: table(), ...second });
    expect((await sender.send('example.org')).summary).toMatch(
      script === TLS12 ? /^deferred, new$/ : /^delivered, new$/,
    );
    expect(count(sender)).toBe(2);
  });

  it('with another way out, which may have another address of ours', async () => {
    const sender = await start(SIGNED);
    await sender.send('example.org');
    let asked = 0;
    sender.set({
      connect: () => {
        asked += 1;
        return connectTcp({ address: '127.0.0.1', family: 4, port: 1 });
      },
    });
    expect((await sender.send('example.org')).summary).toBe('deferred, none');
    expect(asked).toBe(1);
  });

  it('with another server name: two hosts at one address', async () => {
    const sender = await start({
      ...SIGNED,
      ...oneHost([tlsaRecord(leaf, 3)], { host: 'other.example.org' }),
      'example.org MX': { records: [mx(10, 'mx.example.org')] },
    });
    await sender.send('example.org');
    expect((await sender.send('example.net')).summary).toBe('delivered, new');
    expect(sender.heard().map(({ tls }) => tls?.serverName)).toEqual(['mx.example.org', 'other.example.org']);
  });

  it('where STARTTLS was offered and refused', async () => {
    const sender = await start(NO_TLSA, { replies: { STARTTLS: '454 not now' } });
    await sender.send('example.org');
    expect((await sender.send('example.org')).summary).toBe('delivered, new');
  });

  it('where the caller has no pool', async () => {
    const sender = await start(SIGNED);
    sender.set({ pool: undefined });
    await sender.send('example.org');
    expect((await sender.send('example.org')).summary).toBe('delivered, new');
    await sender.heard()[0]?.closed;
    expect(sender.heard()[0]?.commands.at(-1)).toBe('QUIT');
  });
});

function enforcing(host: string): StsSource {
  return {
    policyFor: async (domain) => ({
      status: 'policy',
      domain,
      id: '1',
      policy: { mode: 'enforce', maxAge: 86_400, mx: [host] },
      from: 'cache',
      expires: 0,
      problems: [],
    }),
  };
}

describe('logins (RFC 4954)', () => {
  const AUTH: Script = {
    offersUnderTls: ['PIPELINING', 'AUTH PLAIN'],
    replies: { AUTH: '235 2.7.0 welcome' },
  };
  const relayed = table(
    { domain: 'example.org', level: 'dane', relay: '[mx.example.org]', credentials: 'first' },
    { domain: 'example.net', level: 'dane', relay: '[mx.example.org]', credentials: 'second' },
    { domain: 'example.com', level: 'dane', relay: '[mx.example.org]' },
  );
  const credentials = (name: string) => ({ username: name, password: 'secret' });

  it('are never shared, neither by another login nor by none', async () => {
    const sender = await start(SIGNED, AUTH);
    sender.set({ policyTable: relayed, credentials });
    for (const domain of ['example.org', 'example.net', 'example.com']) {
      expect([domain, (await sender.send(domain)).summary]).toEqual([domain, 'delivered, new']);
    }
    expect((await sender.send('example.org')).summary).toBe('delivered, shared');
    const logins = sender.heard().map(({ commands }) => commands.filter((line) => line.startsWith('AUTH')));
    expect(logins.map(({ length }) => length)).toEqual([1, 1, 0]);
  });

  it('are new ones with a new password', async () => {
    const sender = await start(SIGNED, AUTH);
    sender.set({ policyTable: relayed, credentials });
    await sender.send('example.org');
    sender.set({ credentials: () => ({ username: 'first', password: 'changed' }) });
    expect((await sender.send('example.org')).summary).toBe('delivered, new');
  });
});

describe('REQUIRETLS (RFC 8689 section 4.2.1)', () => {
  const OFFERED: Script = { offersUnderTls: ['PIPELINING', 'REQUIRETLS'] };

  it('is asked of a shared connection anew, and said there', async () => {
    const sender = await start(SIGNED, OFFERED);
    await sender.send('example.org');
    const second = await sender.send('example.org', { requireTls: true });
    expect(second.summary).toBe('delivered, shared');
    expect(sender.heard()[0]?.commands.filter((line) => line.startsWith('MAIL'))).toEqual([
      'MAIL FROM:<a@client.example>',
      'MAIL FROM:<a@client.example> REQUIRETLS',
    ]);
  });

  it('is not fulfilled by a shared connection whose server does not offer it', async () => {
    const sender = await start(SIGNED);
    await sender.send('example.org');
    const second = await sender.send('example.org', { requireTls: true });
    expect([second.summary, second.outcome.enhancedStatus]).toEqual(['failed, new', '5.7.30']);
  });

  it('is not fulfilled by a shared connection that is in clear text', async () => {
    const sender = await start(NO_TLSA, { offers: ['REQUIRETLS'] });
    await sender.send('example.org');
    const second = await sender.send('example.org', { requireTls: true });
    expect([second.summary, second.outcome.enhancedStatus]).toEqual(['failed, new', '5.7.10']);
  });

  it('is not fulfilled by a shared connection that nobody authenticated', async () => {
    const unusable = oneHost([
      { type: 'TLSA', usage: 1, selector: 1, matchingType: 1, data: Buffer.alloc(32) },
    ]);
    const sender = await start(unusable, OFFERED);
    expect((await sender.send('example.org')).summary).toBe('delivered, new');
    const second = await sender.send('example.org', { requireTls: true });
    expect(second.outcome.status).toBe('failed');
    expect(sender.heard()[0]?.data).toHaveLength(1);
  });

  it('`TLS-Required: No` lends nothing to the next message (section 3)', async () => {
    const sender = await start(oneHost([tlsaRecord(other, 3)]));
    const lenient = message('TLS-Required: No\r\n');
    expect((await sender.send('example.org', { message: lenient })).summary).toBe('delivered, new');
    expect((await sender.send('example.org')).summary).toBe('deferred, new');
  });
});

describe('a shared connection that the server ends', () => {
  it.each([
    ['in silence', 'close'],
    ['with a 421 (RFC 5321 section 3.8)', '421 4.4.2 idle for too long'],
    ['for our part, as it says what nobody asked', '250 2.0.0 hello again'],
  ])('while it is idle, %s, is dropped, and nobody notices', async (_, word) => {
    const sender = await start(SIGNED);
    await sender.send('example.org');
    sender.heard()[0]?.say(word);
    await expect.poll(() => sender.pool.statistics.idle).toBe(0);
    expect((await sender.send('example.org')).summary).toBe('delivered, new');
  });

  const second =
    (word: string) =>
    ({ data }: Heard): string =>
      data.length > 0 ? word : '250 2.1.0 ok';

  it.each([
    ['a 421', '421 4.4.2 idle for too long'],
    ['the end of the connection', 'close'],
  ])('at MAIL, with %s, leads to a new one and is no attempt', async (_, word) => {
    const sender = await start(SIGNED, { replies: { MAIL: second(word) } });
    await sender.send('example.org');
    const result = await sender.send('example.org');
    expect([result.summary, count(sender)]).toEqual(['delivered, new', 2]);
    expect(sender.heard().map(({ data }) => data.length)).toEqual([1, 1]);
  });

  it('at RCPT is a failure like any other', async () => {
    const sender = await start(SIGNED, { replies: { RCPT: second('close') } });
    await sender.send('example.org');
    expect((await sender.send('example.org')).summary).toBe('deferred, shared');
  });

  it('after the final dot leaves the message in doubt: it is not sent again', async () => {
    const sender = await start(SIGNED, {
      endOfData: ({ data }) => (data.length > 1 ? 'close' : '250 ok'),
    });
    await sender.send('example.org');
    const result = await sender.send('example.org');
    expect([result.summary, count(sender)]).toEqual(['deferred, shared', 1]);
    expect(result.outcome.reason).toMatch(/it may arrive twice/);
  });

  it('at MAIL on a connection of its own is a failure', async () => {
    const sender = await start(SIGNED, { replies: { MAIL: 'close' } });
    expect((await sender.send('example.org')).summary).toBe('deferred, new');
  });
});
