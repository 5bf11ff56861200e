import type { AskedCertificate } from '@danelaw/dane';
import { selfSigned } from '@danelaw/lab';
import { describe, expect, it } from 'vitest';
import { reloadServer, shownEverywhere } from './deploy-server.js';
import type { Ask } from './served.js';

const validity = { notBefore: new Date(0), notAfter: new Date(4e12) };
const [old, next] = [1, 2].map(() => selfSigned({ names: ['mx.example'], validity }).der);
const { signal } = new AbortController();

/** A server that shows these, one after the other, and the last one for ever. */
function showing(...chains: readonly (Uint8Array | undefined | 'no TLS 1.3')[]): {
  ask: Ask;
  offers: () => readonly string[];
} {
  const offers: string[] = [];
  const ask: Ask = async ({ version, signatures, serverName, address }): Promise<AskedCertificate> => {
    const offer = { version, signatures, serverName };
    const chain = chains[Math.min(offers.length, chains.length - 1)];
    offers.push(`${address} ${version} ${signatures} ${serverName}`);
    if (chain instanceof Uint8Array) return { status: 'shown', offer, cipher: 'x', chain: [chain] };
    const fault = chain === undefined ? 'connect' : 'handshake';
    return { status: 'failed', offer, fault, reason: 'no connection' };
  };
  return { ask, offers: () => offers };
}

function look({ ask }: { ask: Ask }, addresses = ['192.0.2.25']) {
  const pauses: number[] = [];
  const server = {
    serverName: 'mx.example',
    port: 25,
    starttls: 'smtp',
    heloName: 'me',
    timeout: 1,
  } as const;
  const own = next ?? new Uint8Array();
  const result = shownEverywhere({
    ...{ addresses, server, own, ask, signal },
    pause: async (milliseconds) => pauses.push(milliseconds),
  });
  return { result, pauses };
}

describe('shownEverywhere', () => {
  it('asks for the kind of key that the certificate has, by its name', async () => {
    const server = showing(next);
    expect(await look(server).result).toBeUndefined();
    expect(server.offers()).toEqual(['192.0.2.25 TLSv1.3 ecdsa mx.example']);
  });

  it('asks again while a process still has the old certificate', async () => {
    const { result, pauses } = look(showing(old, old, next));
    expect(await result).toBeUndefined();
    expect(pauses).toEqual([1000, 1000]);
  });

  it('gives up in the end, and says who shows what', async () => {
    const { result, pauses } = look(showing(old), ['192.0.2.25', '2001:db8::25']);
    expect(await result).toBe('192.0.2.25 shows another certificate; 2001:db8::25 shows another certificate');
    expect(pauses).toHaveLength(9);
    expect(await look(showing(undefined)).result).toBe('192.0.2.25: no connection');
    expect(await look(showing(next), []).result).toBe('it has no address to be asked at');
  });

  it('asks a server without TLS 1.3 in TLS 1.2', async () => {
    const server = showing('no TLS 1.3', next);
    expect(await look(server).result).toBeUndefined();
    expect(server.offers().map((offer) => offer.split(' ')[1])).toEqual(['TLSv1.3', 'TLSv1.2']);
  });
});

describe('reloadServer', () => {
  const reload = (command: string) =>
    reloadServer({ command, variables: { DANELAW_HOST: 'mx.example' }, env: process.env, signal });

  it.each<[string, string, string | undefined]>([
    ['succeeds', '[ "$DANELAW_HOST" = mx.example ]', undefined],
    ['fails with a code', 'exit 3', 'it ended with 3'],
    ['is killed', 'kill -9 $$', 'it was ended by SIGKILL'],
    ['is not there', '/there/is/no/such/program 2>/dev/null', 'it ended with 127'],
  ])('tells of a command that %s', async (_, command, expected) => {
    expect(await reload(command)).toBe(expected);
  });
});
