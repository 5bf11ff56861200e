import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { Roots } from '@danelaw/dane';
import type { Lookup, Resolver } from '@danelaw/dns';
import { issue, makeAuthority, selfSigned } from '@danelaw/lab';
import { connectTcp } from '@danelaw/smtp';
import { afterEach, describe, expect, it } from 'vitest';
import { type PostOptions, postReport } from './post.js';

const HOUR = 3_600_000;
const validity = { notBefore: new Date(Date.now() - HOUR), notAfter: new Date(Date.now() + HOUR) };
const authority = makeAuthority({ name: 'Test Web CA', validity });
const NAME = 'reports.a.example';
const REPORT = Buffer.from('what is sent');

const open: (Server | TcpServer)[] = [];
afterEach(() => {
  for (const server of open.splice(0)) {
    if ('closeAllConnections' in server) server.closeAllConnections();
    server.close();
  }
});

/** A web server at some port; where it stands is up to `connect`. */
async function serve(listener: RequestListener, kind: 'trusted' | 'self-signed' | 'other name' = 'trusted') {
  const names = [kind === 'other name' ? 'x.example' : NAME];
  const made =
    kind === 'self-signed' ? selfSigned({ names, validity }) : issue(authority, { names, validity });
  const server = createServer({ cert: made.pem, key: made.keyPem }, listener).listen(0, '127.0.0.1');
  open.push(server);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Every name has these addresses. */
function resolverOf(addresses: readonly string[] | 'bogus'): Resolver {
  return {
    close: async () => {},
    resolve: async (name, type): Promise<Lookup> => {
      if (addresses === 'bogus')
        return { status: 'bogus', name, type, chain: [], reason: 'the test says so' };
      const records = type === 'A' ? addresses : [];
      return {
        ...{
          status: 'secure',
          name,
          type,
          chain: [],
          rcode: 'NOERROR',
          aliases: [],
          canonicalName: name,
          ttl: 1,
        },
        records: records.map((address) => ({
          name,
          type,
          ttl: 1,
          data: { type: 'A', address },
          rdata: new Uint8Array(),
        })),
      };
    },
  };
}

async function post(port: number, more: Partial<PostOptions> = {}) {
  const asked: number[] = [];
  const sent = await postReport(new URL(`https://${NAME}/v1/tlsrpt?x=1`), REPORT, {
    resolver: resolverOf(['192.0.2.1']),
    connect: (target) => {
      asked.push(target.port);
      return connectTcp({ address: '127.0.0.1', family: 4, port });
    },
    roots: new Roots([authority.pem]),
    clock: Date.now,
    signal: new AbortController().signal,
    ...more,
  });
  return { ...sent, asked };
}

describe('postReport (RFC 8460 section 5.4)', () => {
  it('posts the report with its media type, at port 443', async () => {
    const got: object[] = [];
    const port = await serve((request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        const { method, url, headers } = request;
        got.push({
          method,
          url,
          host: headers.host,
          type: headers['content-type'],
          body: Buffer.concat(pieces).toString(),
        });
        response.writeHead(201).end();
      });
    });
    expect(await post(port)).toEqual({
      status: 'accepted',
      words: `${NAME} answered with HTTP status 201`,
      asked: [443],
    });
    expect(got).toEqual([
      {
        method: 'POST',
        url: '/v1/tlsrpt?x=1',
        host: NAME,
        type: 'application/tlsrpt+gzip',
        body: 'what is sent',
      },
    ]);
  });

  it.each([
    [200, { status: 'accepted' }],
    [204, { status: 'accepted' }],
    [301, { status: 'failed', permanent: true }],
    [404, { status: 'failed', permanent: true }],
    [429, { status: 'failed', permanent: false }],
    [500, { status: 'failed', permanent: false }],
    [503, { status: 'failed', permanent: false }],
  ] as const)('takes HTTP status %i as it is meant, and follows no redirect', async (status, expected) => {
    let requests = 0;
    const port = await serve((request, response) => {
      requests += 1;
      request.resume();
      response.writeHead(status, { location: `https://${NAME}/elsewhere` }).end();
    });
    expect(await post(port)).toMatchObject(expected);
    expect(requests).toBe(1);
  });

  it.each(['self-signed', 'other name'] as const)(
    'says not a word to a server whose certificate is %s',
    async (kind) => {
      let requests = 0;
      const port = await serve(() => {
        requests += 1;
      }, kind);
      expect(await post(port)).toMatchObject({
        status: 'failed',
        permanent: false,
        words: expect.stringContaining('authenticated'),
      });
      expect(requests).toBe(0);
    },
  );

  it('ends with a server that never answers, whether it speaks TLS or not', async () => {
    const silent = createTcpServer(() => {}).listen(0, '127.0.0.1');
    open.push(silent);
    await once(silent, 'listening');
    const mute = await serve(() => {});
    for (const port of [(silent.address() as AddressInfo).port, mute]) {
      const sent = await post(port, { timeout: 200 });
      expect(sent).toMatchObject({
        status: 'failed',
        permanent: false,
        words: expect.stringContaining('0.2 s'),
      });
    }
  });

  it('ends with a header that never does', async () => {
    const port = await serve((_, response) => {
      response.writeHead(200, { 'x-long': 'x'.repeat(30_000) }).end();
    });
    expect(await post(port)).toMatchObject({ status: 'failed', permanent: false });
  });

  it('tries another address, and a bounded number of them', async () => {
    const port = await serve((request, response) => {
      request.resume();
      response.end();
    });
    const tried: string[] = [];
    const connect: PostOptions['connect'] = ({ address }) => {
      tried.push(address);
      return connectTcp({ address: '127.0.0.1', family: 4, port: address === '192.0.2.3' ? port : 1 });
    };
    const resolver = resolverOf(['192.0.2.1', '192.0.2.2', '192.0.2.3']);
    expect(await post(port, { connect, resolver })).toMatchObject({ status: 'accepted' });
    const many = resolverOf(Array.from({ length: 100 }, (_, i) => `198.51.100.${i}`));
    expect(await post(port, { connect, resolver: many })).toMatchObject({ status: 'failed' });
    expect(tried).toHaveLength(3 + 4);
  });

  it.each([
    ['bogus', 'could not be looked up'],
    [[], 'no address'],
  ] as const)('a host whose addresses are %s is for later', async (addresses, words) => {
    const resolver = resolverOf(addresses);
    expect(await post(1, { resolver })).toMatchObject({
      status: 'failed',
      permanent: false,
      words: expect.stringContaining(words),
    });
  });

  it('stops at once when it is told to', async () => {
    const port = await serve(() => {});
    const stop = new AbortController();
    const posting = post(port, { signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(posting).rejects.toThrow('enough');
  });
});
