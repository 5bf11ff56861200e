/** The server that is given a certificate: told to read its files again, and asked whether it did. */
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AskedCertificate } from '@danelaw/dane';
import { type Ask, type AskedServer, kindOf } from './served.js';

/** Milliseconds. A reload takes seconds; programs that wait for a hook give it two minutes (lego). */
const RELOAD_PATIENCE = 60_000;

export interface Reload {
  /** For the shell. */
  readonly command: string;
  /** Added to our own environment. */
  readonly variables: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/** @returns why it did not succeed; undefined where it did */
export function reloadServer({ command, variables, env, signal }: Reload): Promise<string | undefined> {
  signal.throwIfAborted();
  return new Promise((resolve) => {
    const child = spawn('/bin/sh', ['-c', command], {
      env: { ...env, ...variables },
      // What it says is for people: standard output is ours.
      stdio: ['ignore', 2, 2],
      signal,
      timeout: RELOAD_PATIENCE,
    });
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, killed) => {
      if (code === 0) resolve(undefined);
      else resolve(code === null ? `it was ended by ${killed ?? 'a signal'}` : `it ended with ${code}`);
    });
  });
}

export interface Look {
  readonly addresses: readonly string[];
  readonly server: AskedServer;
  /** The certificate that it should show, in DER. */
  readonly own: Uint8Array;
  readonly ask: Ask;
  readonly signal: AbortSignal;
  /** Waits this many milliseconds. */
  readonly pause?: (milliseconds: number) => Promise<unknown>;
}

/** A server that was told to reload may still have processes that know the old certificate only. */
const LOOKS = 10;
const BETWEEN_LOOKS = 1000;

/** @returns why it can't be said that every address shows the certificate; undefined where it can */
export async function shownEverywhere(look: Look): Promise<string | undefined> {
  const { signal, pause = (milliseconds) => sleep(milliseconds, undefined, { signal }) } = look;
  let missing: readonly string[] = [];
  for (let left = LOOKS; left > 0; left--) {
    missing = (await Promise.all(look.addresses.map((address) => missingAt(address, look)))).flat();
    if (missing.length === 0)
      return look.addresses.length === 0 ? 'it has no address to be asked at' : undefined;
    if (left > 1) await pause(BETWEEN_LOOKS);
  }
  return missing.join('; ');
}

async function missingAt(address: string, { server, own, ask, signal }: Look): Promise<string[]> {
  const signatures = kindOf(own) ?? 'any';
  let last: AskedCertificate | undefined;
  for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
    last = await ask({ ...server, version, signatures, address, signal });
    // Only that version is missing.
    if (last.status === 'failed' && last.fault === 'handshake') continue;
    break;
  }
  if (last?.status !== 'shown') return [`${address}: ${last?.reason ?? 'it was not asked'}`];
  const isIt = Buffer.compare(last.chain[0] ?? new Uint8Array(), own) === 0;
  return isIt ? [] : [`${address} shows another certificate`];
}
