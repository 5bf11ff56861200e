/** What attempts tell for TLS reports: whose demand failed and how, and who was at the two ends. */
import { Roots } from '@danelaw/dane';
import { afterEach, describe, expect, it } from 'vitest';
import { connectTcp } from './connection.js';
import { type DeliverOptions, deliver } from './deliver.js';
import { checkMessage } from './message.js';
import type { StsFinding, StsSource } from './sts-finding.js';
import { ca, leaf, other, tlsaFor } from './testing/certificates.js';
import { a, type Fixed, fixedResolver, mx } from './testing/fixed-resolver.js';
import { type Script, type ScriptedServer, startServer } from './testing/scripted-server.js';

const servers: ScriptedServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

type Answers = Readonly<Record<string, Fixed>>;

function zone(status: 'secure' | 'insecure', tlsaOf?: string): Answers {
  const tlsa = tlsaOf === undefined ? [] : [{ type: 'TLSA', ...tlsaFor(tlsaOf, 3) } as const];
  return {
    'example.org MX': { status, records: [mx(10, 'mx.example.org')] },
    'mx.example.org A': { records: [a('192.0.2.1')] },
    ...(tlsaOf === undefined ? {} : { '_25._tcp.mx.example.org TLSA': { records: tlsa } }),
  };
}

function stsOf(finding: Partial<StsFinding> & Pick<StsFinding, 'status'>): StsSource {
  const body = { mode: 'enforce', maxAge: 86_400, mx: ['mx.example.org', '*.example.org'] } as const;
  const policy = { id: '1', policy: body, from: 'cache', expires: 0, reason: 'none' } as const;
  const found = { domain: 'example.org', problems: [], ...policy, ...finding };
  return { policyFor: async () => found as StsFinding };
}

async function send(script: Script, answers: Answers, more: Partial<DeliverOptions> = {}) {
  const server = await startServer(script);
  servers.push(server);
  const checked = checkMessage(Buffer.from('Subject: hello\r\n\r\nworld\r\n'));
  if (checked.status !== 'ok') throw new Error(checked.reason);
  return await deliver({
    heloName: 'client.example',
    envelope: { from: 'a@client.example', to: ['b@example.org'] },
    message: checked.message,
    resolver: fixedResolver(answers),
    connect: () => connectTcp({ address: '127.0.0.1', family: 4, port: server.port }),
    roots: new Roots([ca]),
    ...more,
  });
}

const kinds = (failures: readonly { demand: string; failureType: string }[] = []) =>
  failures.map(({ demand, failureType }) => `${demand} ${failureType}`);

describe('the facts for a TLS report (RFC 8460 section 4.3)', () => {
  it('name both ends, and nothing that failed, where nothing did', async () => {
    const { attempts, unrouted } = await send({}, zone('secure', leaf));
    expect(attempts[0]?.report).toEqual({
      stsPolicy: null,
      failures: [],
      sourceAddress: '127.0.0.1',
      ehloName: expect.stringMatching(/^[a-z.]+$/),
    });
    expect(unrouted).toEqual([]);
  });

  const enforce = { sts: stsOf({ status: 'policy' }) };
  const noRoots = { roots: new Roots([]) };
  const bogusTlsa: Answers = { ...zone('secure'), '_25._tcp.mx.example.org TLSA': { status: 'bogus' } };
  it.each<[string, Script, Answers, Partial<DeliverOptions>, string[][]]>([
    ['no STARTTLS, TLSA', { offers: [] }, zone('secure', leaf), {}, [['any starttls-not-supported']]],
    ['no STARTTLS, no policy', { offers: [] }, zone('secure'), {}, [['any starttls-not-supported']]],
    [
      'STARTTLS refused',
      { replies: { STARTTLS: '454 no' } },
      zone('secure'),
      {},
      [['any starttls-not-supported']],
    ],
    ['a certificate that no TLSA record names', {}, zone('secure', other), {}, [['tlsa validation-failure']]],
    ['a TLSA look-up that is bogus', {}, bogusTlsa, {}, [['tlsa dnssec-invalid']]],
    [
      'a handshake that breaks, thrice: TLS 1.2, TLS 1.0, and clear text, which is no TLS session',
      { handshake: 'close' },
      zone('secure'),
      {},
      [['any validation-failure'], ['any validation-failure'], []],
    ],
    [
      'DANE holds, MTA-STS does not',
      {},
      zone('insecure', leaf),
      { ...enforce, ...noRoots },
      [['sts certificate-not-trusted']],
    ],
    ['MTA-STS holds, DANE does not', {}, zone('insecure', other), enforce, [['tlsa validation-failure']]],
    [
      'neither holds',
      {},
      zone('insecure', other),
      { ...enforce, ...noRoots },
      [['tlsa validation-failure', 'sts certificate-not-trusted']],
    ],
    [
      'our own demand',
      {},
      zone('secure'),
      { level: 'verify', ...noRoots },
      [['local certificate-not-trusted']],
    ],
    ['DANE that we demand', {}, zone('secure'), { level: 'dane-only' }, [['tlsa dane-required']]],
  ])('%s', async (_, script, answers, more, expected) => {
    const { attempts } = await send(script, answers, more);
    expect(attempts.map(({ report }) => kinds(report.failures))).toEqual(expected);
  });

  it('has the MTA-STS policy in lines, each mx on its own (section 4.5)', async () => {
    const { attempts } = await send({}, zone('insecure'), enforce);
    expect(attempts[0]?.report.stsPolicy).toEqual({
      domain: 'example.org',
      lines: ['version: STSv1', 'mode: enforce', 'mx: mx.example.org', 'mx: *.example.org', 'max_age: 86400'],
      mx: ['mx.example.org', '*.example.org'],
    });
  });

  it('has what failed on the way to a policy, with the old policy or without one', async () => {
    const problems = [{ failureType: 'sts-webpki-invalid', reason: 'expired' }] as const;
    for (const status of ['none', 'policy'] as const) {
      const { attempts } = await send({}, zone('insecure'), { sts: stsOf({ status, problems }) });
      expect(attempts.map(({ report }) => kinds(report.failures))).toEqual([['sts sts-webpki-invalid']]);
      expect(attempts[0]?.report.stsPolicy === null).toBe(status === 'none');
    }
  });

  it('a host that the MTA-STS policy does not list', async () => {
    const answers: Answers = {
      'example.org MX': { status: 'insecure', records: [mx(10, 'mx.evil.example')] },
      'mx.evil.example A': { records: [a('192.0.2.66')] },
    };
    const { attempts } = await send({}, answers, enforce);
    expect(attempts.map(({ report }) => kinds(report.failures))).toEqual([['sts validation-failure']]);
  });

  it.each([
    ['bogus', 'dnssec-invalid'],
    ['indeterminate', null],
  ] as const)('a host whose addresses are %s has the result type %s', async (status, failureType) => {
    const answers: Answers = {
      ...zone('secure'),
      'mx.example.org A': { status },
      'mx.example.org AAAA': { status },
    };
    for (const level of ['dane', 'may'] as const) {
      const { attempts } = await send({}, answers, { level });
      expect(attempts).toMatchObject([{ status: 'skipped', failureType }]);
    }
  });

  it.each([
    ['bogus', ['dnssec-invalid']],
    ['indeterminate', []],
  ] as const)('an MX RRset that is %s is told apart, as there is no attempt', async (status, types) => {
    const { attempts, unrouted } = await send({}, { 'example.org MX': { status } });
    expect(attempts).toEqual([]);
    expect(unrouted.map(({ failureType }) => failureType)).toEqual(types);
  });
});
