/**
 * What two messages must have in common before they may share a connection or a TLS session.
 *
 * All that shapes a connection before its certificate is judged, and nothing of the judgement: where it leads
 * (address, port, and the way out, which may bind a source address), whom it asks for (SNI), the least TLS it
 * was made with, who we say we are (EHLO, login). Node.js resumes a session under another server name without
 * a word, and whoever logged in as one user speaks for nobody else, so a wrong key would be an invisible
 * bypass. A right key is still no verdict: `share-session.ts` asks for that.
 */
import { createHash } from 'node:crypto';
import type { Connect, Target } from './connection.js';
import type { WantedLogin } from './login.js';
import type { MinTls, StartTlsPolicy, TlsPolicy } from './policy.js';

/** What the handshake is made with: all of it is the same wherever this is. */
export type HandshakeProfile = 'legacy' | 'default' | MinTls;

/**
 * TLS 1.2 or later where TLS is a must (RFC 8996 has retired what was before it). Opportunistic TLS takes
 * whatever Node.js allows by default, and as its last step before clear text TLS 1.0 with whatever ciphers
 * there are: any encryption is better than none (RFC 7435).
 */
export function handshakeProfile(policy: StartTlsPolicy): HandshakeProfile {
  if (policy.level === 'may' && policy.legacy === true) return 'legacy';
  return policy.minTls ?? (policy.level === 'may' ? 'default' : 'TLSv1.2');
}

export interface SessionKeyInput {
  readonly target: Target;
  readonly policy: TlsPolicy;
  readonly heloName: string;
  readonly connect: Connect;
  readonly login?: WantedLogin | undefined;
}

/** Equal for two connections exactly where everything is that this file's header names. */
export function sessionKey({ target, policy, heloName, connect, login }: SessionKeyInput): string {
  const tls = policy.level === 'none' ? ['clear', null] : [handshakeProfile(policy), policy.serverName];
  return JSON.stringify([
    target.address,
    target.port,
    ...tls,
    heloName,
    wayOf(connect),
    login === undefined ? null : loginKey(login),
  ]);
}

/** What a connection is kept under, until the next message. */
export interface Keeping {
  /** From `sessionKey`. */
  readonly key: string;
  /** Address and port: what limits on connections are about. */
  readonly place: string;
}

export function keepingOf(input: SessionKeyInput): Keeping {
  const { address, port } = input.target;
  return { key: sessionKey(input), place: `${address} ${port}` };
}

/** The password belongs to the identity: with a new one, the old session is somebody else's. */
function loginKey({ name, login }: WantedLogin): readonly (string | null)[] {
  if (login === undefined) return [name, null];
  return [name, login.username, createHash('sha256').update(login.password).digest('base64')];
}

const ways = new WeakMap<Connect, number>();
let lastWay = 0;

/** A number for each function that opens connections: another one may leave by another address. */
function wayOf(connect: Connect): number {
  const known = ways.get(connect);
  if (known !== undefined) return known;
  lastWay += 1;
  ways.set(connect, lastWay);
  return lastWay;
}
