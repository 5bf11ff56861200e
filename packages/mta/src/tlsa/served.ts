/**
 * All certificates that one address of a server has, as far as clients can see them.
 *
 * For TLS 1.3 and 1.2, with the server's name in SNI and without one: first what any client offers, then the kinds of signature
 * that this did not show. A server with one certificate is called nine times, one after the other.
 */
import { type KeyObject, X509Certificate } from 'node:crypto';
import {
  type AskedCertificate,
  askCertificate,
  type HandshakeOffer,
  type ProbedVersion,
  type SignatureKind,
  type StartTls,
} from '@danelaw/dane';

export interface AskedServer {
  /** Sent as SNI in half of the handshakes. */
  readonly serverName: string;
  readonly port: number;
  readonly starttls: StartTls;
  readonly heloName: string;
  /** Milliseconds for each step. */
  readonly timeout: number;
}

export type Shown = Extract<AskedCertificate, { status: 'shown' }>;
export type NotShown = Extract<AskedCertificate, { status: 'failed' }>;

export interface ServedAddress {
  readonly address: string;
  readonly asked: readonly AskedCertificate[];
}

export type Ask = typeof askCertificate;

const VERSIONS: readonly ProbedVersion[] = ['TLSv1.3', 'TLSv1.2'];

/** Rejects only when `signal` aborts. */
export async function askAddress(
  address: string,
  server: AskedServer,
  signal: AbortSignal,
  ask: Ask = askCertificate,
): Promise<ServedAddress> {
  const { serverName, ...rest } = server;
  const asked: AskedCertificate[] = [];
  for (const version of VERSIONS) {
    for (const name of [serverName, null]) {
      const offer = (signatures: SignatureKind): HandshakeOffer => ({
        version,
        signatures,
        serverName: name,
      });
      const first = await ask({ ...rest, ...offer('any'), address, signal });
      asked.push(first);
      // Nobody answers, or not with TLS: the same would come of the rest.
      if (first.status === 'failed' && first.fault !== 'handshake') return { address, asked };
      if (first.status === 'failed') continue;
      for (const signatures of otherKinds(first, version)) {
        asked.push(await ask({ ...rest, ...offer(signatures), address, signal }));
      }
    }
  }
  return { address, asked };
}

function otherKinds({ chain }: Shown, version: ProbedVersion): SignatureKind[] {
  const seen = kindOf(chain[0]);
  const kinds: SignatureKind[] = version === 'TLSv1.3' ? ['rsa', 'ecdsa', 'eddsa'] : ['rsa', 'ecdsa'];
  return kinds.filter((kind) => kind !== seen);
}

/** Which kind of signature the key of a certificate makes. */
export function kindOf(der: Uint8Array | undefined): SignatureKind | undefined {
  return der === undefined ? undefined : kindOfKey(new X509Certificate(der).publicKey);
}

export function kindOfKey({ asymmetricKeyType }: KeyObject): SignatureKind | undefined {
  switch (asymmetricKeyType) {
    case 'rsa':
    case 'rsa-pss':
      return 'rsa';
    case 'ec':
      return 'ecdsa';
    case 'ed25519':
    case 'ed448':
      return 'eddsa';
    default:
      return undefined;
  }
}

/** Different certificates of different servers, each with the handshakes that showed it, in the order of their showing. */
export interface DistinctChain {
  readonly chain: readonly Uint8Array[];
  readonly seen: readonly { readonly address: string; readonly offer: HandshakeOffer }[];
}

export function distinctChains(served: readonly ServedAddress[]): readonly DistinctChain[] {
  const found = new Map<string, { chain: readonly Uint8Array[]; seen: DistinctChain['seen'][number][] }>();
  for (const { address, asked } of served) {
    for (const each of asked) {
      if (each.status !== 'shown') continue;
      const key = each.chain.map((der) => Buffer.from(der).toString('latin1')).join('|');
      const known = found.get(key);
      if (known === undefined) found.set(key, { chain: each.chain, seen: [{ address, offer: each.offer }] });
      else known.seen.push({ address, offer: each.offer });
    }
  }
  return [...found.values()];
}
