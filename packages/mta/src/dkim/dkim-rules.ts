/**
 * The `[[dkim]]` tables of the configuration, and the keys that they name:
 *
 *     [[dkim]]
 *     domain = "example.org"            # or "*.example.org", or "*"
 *     selector = "2026a"
 *     key_file = "/etc/danelaw/dkim/2026a.pem"
 *     signing_domain = "example.org"    # d=; by default the domain, or the wildcard's parent
 *
 * Keys are read once, before the relay takes its first message. One that can't be read is an error of the
 * configuration: a relay that went on would send unsigned mail, which its domain's DMARC policy may have thrown away.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { open } from 'node:fs/promises';
import { isHostName, parseDomain } from '@danelaw/smtp';
import type { DkimKey } from './dkim.js';

export interface DkimRule {
  readonly pattern: string;
  readonly selector: string;
  readonly keyFile: string;
  readonly signingDomain: string;
}

/** A rule is wrong, or its key can't be used. The message names the rule. */
export class DkimConfigError extends Error {
  override readonly name = 'DkimConfigError';
}

/** @throws DkimConfigError */
export function parseDkimRules(value: unknown): DkimRule[] {
  if (!Array.isArray(value)) throw new DkimConfigError('"dkim" must be a list of rules: write [[dkim]]');
  return value.map((table: unknown, index) => parseRule(`dkim rule ${index + 1}`, table));
}

function parseRule(where: string, table: unknown): DkimRule {
  if (!isTable(table)) throw new DkimConfigError(`${where} must be a table`);
  const { domain, selector, key_file: keyFile, signing_domain: signing, ...others } = table;
  const [other] = Object.keys(others);
  if (other !== undefined) throw new DkimConfigError(`${where} has no key "${other}"`);
  const pattern = typeof domain === 'string' ? parsePattern(domain) : undefined;
  if (pattern === undefined) {
    throw new DkimConfigError(`${where}, domain: must be "example.org", "*.example.org" or "*"`);
  }
  if (typeof selector !== 'string' || !isHostName(selector)) {
    throw new DkimConfigError(`${where}, selector: must be letters, digits, hyphens and dots`);
  }
  if (typeof keyFile !== 'string' || keyFile === '') {
    throw new DkimConfigError(`${where}, key_file: must be the name of a file with a private key`);
  }
  if (signing === undefined && pattern === '*') {
    throw new DkimConfigError(`${where}, signing_domain: needed where domain is "*"`);
  }
  const parent = pattern.replace(/^\*\./u, '');
  const signingDomain =
    signing === undefined ? parent : typeof signing === 'string' ? parseDomain(signing) : undefined;
  if (signingDomain === undefined) throw new DkimConfigError(`${where}, signing_domain: must be a domain`);
  return { pattern, selector, keyFile, signingDomain };
}

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parsePattern(text: string): string | undefined {
  if (text === '*') return text;
  const domain = parseDomain(text.replace(/^\*\./u, ''));
  if (domain === undefined || domain.startsWith('[')) return undefined;
  return text.startsWith('*.') ? `*.${domain}` : domain;
}

export interface LoadedDkim {
  readonly keys: readonly DkimKey[];
  /** What an administrator should know: a key that others can read, one that is short. */
  readonly warnings: readonly string[];
}

/** @throws (rejects) DkimConfigError */
export async function loadDkimKeys(rules: readonly DkimRule[]): Promise<LoadedDkim> {
  const warnings: string[] = [];
  const keys: DkimKey[] = [];
  for (const [index, rule] of rules.entries()) {
    const where = `dkim rule ${index + 1}, key_file ${rule.keyFile}`;
    const { key, mode } = await readKeyFile(rule.keyFile).catch((error: unknown) => {
      throw new DkimConfigError(`${where}: ${error instanceof Error ? error.message : error}`);
    });
    const usable = usableKey(key);
    if ('refused' in usable) throw new DkimConfigError(`${where}: ${usable.refused}`);
    if (usable.warning !== undefined) warnings.push(`${where}: ${usable.warning}`);
    if ((mode & OTHERS_MAY_READ) !== 0) {
      warnings.push(`${where}: every user of this machine can read the key; chmod 600 (or 640) it`);
    }
    const { pattern, selector, signingDomain: domain } = rule;
    keys.push({ pattern, selector, domain, algorithm: usable.algorithm, key });
  }
  return { keys, warnings };
}

const OTHERS_MAY_READ = 0o004;

/** A private key with its chain is shorter by far. */
const MAX_KEY_FILE_OCTETS = 64 * 1024;

/** Reads a private key in PEM. @throws (rejects) where there is none, with the reason */
export async function readKeyFile(file: string): Promise<{ key: KeyObject; text: string; mode: number }> {
  let text: string;
  let mode: number;
  try {
    const handle = await open(file);
    try {
      const { buffer, bytesRead } = await handle.read(
        Buffer.alloc(MAX_KEY_FILE_OCTETS),
        0,
        MAX_KEY_FILE_OCTETS,
        0,
      );
      text = buffer.subarray(0, bytesRead).toString('latin1');
      ({ mode } = await handle.stat());
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw new Error(`can't read it (${error instanceof Error && 'code' in error ? error.code : error})`);
  }
  try {
    return { key: createPrivateKey(text), text, mode };
  } catch {
    throw new Error('there is no private key in it that can be used: PEM, without a passphrase');
  }
}

/** RFC 8301 section 3.2: signers "MUST use RSA keys of at least 1024 bits", and "SHOULD" use 2048. */
const MIN_RSA_BITS = 1024;
const GOOD_RSA_BITS = 2048;

type UsableKey =
  | { readonly algorithm: DkimKey['algorithm']; readonly warning: string | undefined }
  | { readonly refused: string };

export function usableKey(key: KeyObject): UsableKey {
  const type = key.asymmetricKeyType;
  if (type === 'ed25519') return { algorithm: 'ed25519-sha256', warning: undefined };
  if (type !== 'rsa') return { refused: `a key of type ${type}; DKIM knows rsa and ed25519` };
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < MIN_RSA_BITS) return { refused: `an RSA key of ${bits} bits; RFC 8301 forbids fewer than 1024` };
  const warning =
    bits < GOOD_RSA_BITS ? `an RSA key of ${bits} bits; RFC 8301 asks for ${GOOD_RSA_BITS}` : undefined;
  return { algorithm: 'rsa-sha256', warning };
}
