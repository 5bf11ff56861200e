import type { TlsaRecord } from '@danelaw/dane';
import {
  encodeMessage,
  formatUpdate,
  type Lookup,
  Name,
  parseMessage,
  parseTsigKey,
  RRTYPE,
  type Transport,
} from '@danelaw/dns';
import { describe, expect, it } from 'vitest';
import { carryOutUpdate, planUpdate, type UpdateJob, type UpdatePath } from './publish-by-update.js';
import { failureOf } from './update-failure.js';

const NAME = '_25._tcp.mx.example.org';
const SECRET = 'wf6RFTWUKcvx04aVWvOYaQUI1SgIEKjodidQNWVtyBI=';
const key = parseTsigKey(`hmac-sha256:update.key:${SECRET}`);
const record = (octet: number): TlsaRecord => ({
  usage: 3,
  selector: 1,
  matchingType: 1,
  data: new Uint8Array(32).fill(octet),
});
const [old, next] = [record(0xaa), record(0xbb)];
const rdata = ({ data }: TlsaRecord): Uint8Array => Uint8Array.of(3, 1, 1, ...data);
const text = (octet: string): string => `3 1 1 ${octet.repeat(32)}`;

/** Of the zone example.org, whose primary is at these addresses. */
const resolver = (addresses: readonly string[]): UpdatePath['resolver'] => ({
  resolve: async (name, type): Promise<Lookup> => {
    const base = { name, type, ttl: 9, rdata: new Uint8Array() };
    const soa = { type: 'SOA', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 1 } as const;
    const names = { mname: Name.parse('primary.example.org'), rname: Name.root };
    const records =
      type === 'SOA' && name === 'example.org'
        ? [{ ...base, data: { ...soa, ...names } }]
        : type === 'A' && /^(primary|given)\./u.test(name)
          ? addresses.map((address) => ({ ...base, data: { type: 'A', address } as const }))
          : [];
    const answer = { name, type, chain: [], aliases: [], canonicalName: name, ttl: 9 };
    return { status: 'secure', rcode: 'NOERROR', ...answer, records };
  },
});

/** A primary that has these TLSA records, and answers no update. */
function primary(rdatas: readonly Uint8Array[], aa = true): Transport & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    async exchange(octets, { address, port, protocol }) {
      asked.push(`${protocol} ${address}#${port}`);
      if (address === '192.0.2.9' || (octets[2] ?? 0) >> 3 === 5) throw new Error('no route to it');
      const query = parseMessage(octets);
      const name = Name.parse(NAME);
      const answer = rdatas.map((each) => ({ name, type: RRTYPE.TLSA, class: 1, ttl: 3, rdata: each }));
      return encodeMessage({ ...query, flags: { ...query.flags, qr: true, aa }, answer });
    },
  };
}

const job: UpdateJob = { action: 'publish', name: NAME, ttl: 300, records: [next], keep: [] };
const retire: UpdateJob = { ...job, action: 'retire', records: [old], keep: [next] };
const path = (transport: Transport, more: Partial<UpdatePath> = {}): UpdatePath => ({
  ...{ resolver: resolver(['192.0.2.1']), transport, key, port: 53, clock: () => 0 },
  signal: new AbortController().signal,
  ...more,
});

describe('an update for a step of a roll-over', () => {
  it('adds to the zone of the name, unless an alias stands there (RFC 2136 section 3.4.2.2)', async () => {
    const plan = await planUpdate(job, path(primary([])));
    expect(plan).toMatchObject({ server: 'primary.example.org', addresses: [{ address: '192.0.2.1' }] });
    expect(plan.status === 'planned' && formatUpdate(plan.update)).toBe(
      `zone example.org.\nprereq nxrrset ${NAME}. IN CNAME\nupdate add ${NAME}. 300 IN TLSA ${text('bb')}\nsend\n`,
    );
  });

  it('removes only from exactly the records that the primary has, by the first address that answers', async () => {
    const server = primary([rdata(old), rdata(next)]);
    const plan = await planUpdate(
      retire,
      path(server, { resolver: resolver(['192.0.2.9', '192.0.2.1']), port: 5353 }),
    );
    expect(plan.status === 'planned' && formatUpdate(plan.update)).toBe(
      `zone example.org.\nprereq yxrrset ${NAME}. IN TLSA ${text('aa')}\nprereq yxrrset ${NAME}. IN TLSA ${text('bb')}\n` +
        `update delete ${NAME}. IN TLSA ${text('aa')}\nsend\n`,
    );
    expect(plan).toMatchObject({ addresses: [{ address: '192.0.2.1', port: 5353 }] });
    expect(server.asked).toEqual(['tcp 192.0.2.9#5353', 'tcp 192.0.2.1#5353']);
  });

  it.each<[string, UpdateJob, UpdatePath, string]>([
    [
      'the primary has not the record that is to stay',
      retire,
      path(primary([rdata(old)])),
      `primary.example.org has not the record that is to stay (${text('bb')}): nothing was removed`,
    ],
    [
      'the primary speaks without authority',
      retire,
      path(primary([rdata(old), rdata(next)], false)),
      'without authority',
    ],
    ['the primary has no address', job, path(primary([]), { resolver: resolver([]) }), '--update-server'],
    [
      'the server that was given has no address',
      job,
      path(primary([]), { resolver: resolver([]), server: { host: 'given.example.net' } }),
      'no address of given.example.net (--update-server)',
    ],
    [
      'no zone holds the name',
      { ...job, name: '_25._tcp.mx.example.net' },
      path(primary([])),
      'no zone holds _25._tcp.mx.example.net',
    ],
  ])('is not sent where %s', async (_what, meant, way, words) => {
    expect(await planUpdate(meant, way)).toMatchObject({
      status: 'failed',
      kind: 'temporary',
      reason: expect.stringContaining(words),
    });
  });

  it.each<[string, Partial<UpdatePath>, object]>([
    ['by address', { server: { address: '192.0.2.7', port: 54 } }, { address: '192.0.2.7', port: 54 }],
    ['by name', { server: { host: 'given.example.net', port: 54 } }, { address: '192.0.2.1', port: 54 }],
    ['by name alone', { server: { host: 'given.example.net' } }, { address: '192.0.2.1', port: 53 }],
  ])('goes to the server that was given %s', async (_what, more, address) => {
    expect(await planUpdate(job, path(primary([]), more))).toMatchObject({ addresses: [address] });
  });

  it('is tried at every address, and says that it may have been carried out where none answers', async () => {
    const server = primary([]);
    const way = path(server, { resolver: resolver(['192.0.2.9', '192.0.2.1']) });
    const plan = await planUpdate(job, way);
    if (plan.status === 'failed') throw new Error(plan.reason);
    expect(await carryOutUpdate(plan, way)).toEqual({
      status: 'failed',
      kind: 'temporary',
      reason:
        'no answer of primary.example.org [192.0.2.1#53] to the update: no route to it; ' +
        'whether it was carried out shows at the next look',
    });
    expect(server.asked).toEqual(['tcp 192.0.2.9#53', 'tcp 192.0.2.1#53']);
  });
});

describe('an update that was not carried out', () => {
  const update = {
    zone: Name.parse('example.org'),
    prerequisites: [],
    changes: [{ kind: 'add', name: Name.parse(NAME), type: RRTYPE.TLSA, ttl: 3, rdata: rdata(next) }],
  } as const;
  it.each<[Parameters<typeof failureOf>[0], 'temporary' | 'forbidden', RegExp]>([
    [{ status: 'refused', rcode: 'REFUSED' }, 'forbidden', /section 3\.3.*grant update\.key name _25\._tcp/u],
    [{ status: 'refused', rcode: 'NOTAUTH' }, 'forbidden', /not the zone example\.org; give its primary/u],
    [{ status: 'refused', rcode: 'NOTZONE' }, 'forbidden', /not in its zone example\.org/u],
    [{ status: 'refused', rcode: 'NOTIMP' }, 'forbidden', /takes no updates/u],
    [{ status: 'refused', rcode: 'FORMERR' }, 'forbidden', /does not understand/u],
    [{ status: 'refused', rcode: 'SERVFAIL' }, 'temporary', /SERVFAIL.*see its log/u],
    [{ status: 'refused', rcode: 'YXRRSET' }, 'temporary', /alias \(CNAME\)/u],
    [{ status: 'refused', rcode: 'NXRRSET' }, 'temporary', /changed in this moment/u],
    [
      { status: 'key-refused', error: 'BADKEY', isSigned: false },
      'forbidden',
      /knows none.*in Knot, no acl/u,
    ],
    [{ status: 'key-refused', error: 'BADSIG', isSigned: false }, 'forbidden', /secret .* is another one/u],
    [{ status: 'key-refused', error: 'BADTRUNC', isSigned: true }, 'forbidden', /BADTRUNC/u],
    [
      { status: 'clock', ahead: -1000, isRejected: true, isSigned: true },
      'temporary',
      /clock of ns \[192\.0\.2\.1#53\] is 1000 seconds behind ours, and 300 are allowed.*nothing was changed/u,
    ],
    [
      { status: 'clock', ahead: 400, isRejected: false, isSigned: true },
      'temporary',
      /400 seconds ahead of ours.*whether it was carried out shows at the next look/u,
    ],
    [
      { status: 'unproved', rcode: 'NOERROR', reason: 'it is not signed' },
      'temporary',
      /\(NOERROR\) proves nothing: it is not signed/u,
    ],
    [{ status: 'unanswered', reason: 'no answer in 9 ms' }, 'temporary', /no answer in 9 ms; whether/u],
  ])('says who, by which rule, and what to do: %o', (outcome, kind, words) => {
    const failure = failureOf(outcome, { server: 'ns [192.0.2.1#53]', key, update });
    expect(failure).toMatchObject({ kind, reason: expect.stringMatching(words) });
    expect(failure.reason).not.toContain(SECRET.slice(0, 8));
  });
});
