/**
 * DKIM (RFC 6376): the author's domain signs what it sends, so that receivers can tell its mail from what others
 * send in its name.
 *
 * A message is signed once, when it is accepted and its header is complete, for the domain in its From field: by
 * the keys that are configured for that domain, else by those of the nearest parent that has a wildcard rule.
 * Several keys make several signatures (RFC 8463 section 3: RSA and Ed25519 side by side). Canonicalisation is
 * Nodemailer's; tags and signatures are made here, because its signer knows RSA only.
 */
import type { KeyObject } from 'node:crypto';
import { parseDomain } from '@danelaw/smtp';
import addressparser from 'nodemailer/lib/addressparser';
import { fieldValue, type HeaderField } from '../acceptance/header-section.js';
import { bodyHash, signatureField } from './signature.js';

export interface DkimKey {
  /** `example.org`, or `*.example.org` for all domains below it, or `*` for all domains. */
  readonly pattern: string;
  /** `d=`: the domain that signs, in A-labels. */
  readonly domain: string;
  /** `s=` */
  readonly selector: string;
  readonly algorithm: 'rsa-sha256' | 'ed25519-sha256';
  readonly key: KeyObject;
}

export interface DkimInput {
  /** The complete header section. */
  readonly fields: readonly HeaderField[];
  /** What follows the empty line. */
  readonly body: Uint8Array;
  readonly time: number;
}

export class Dkim {
  #keys = new Map<string, DkimKey[]>();

  constructor(keys: Iterable<DkimKey>) {
    this.replace(keys);
  }

  /** From the next message on. */
  replace(keys: Iterable<DkimKey>): void {
    const byPattern = new Map<string, DkimKey[]>();
    for (const key of keys) byPattern.set(key.pattern, [...(byPattern.get(key.pattern) ?? []), key]);
    this.#keys = byPattern;
  }

  /** There is a key; without one no message need be looked at. */
  get hasKeys(): boolean {
    return this.#keys.size > 0;
  }

  /** Keys for an author's domain: its own, else those of the nearest parent with a wildcard. */
  keysFor(domain: string): readonly DkimKey[] {
    const own = this.#keys.get(domain);
    if (own !== undefined) return own;
    for (let dot = domain.indexOf('.'); dot !== -1; dot = domain.indexOf('.', dot + 1)) {
      const wildcard = this.#keys.get(`*${domain.slice(dot)}`);
      if (wildcard !== undefined) return wildcard;
    }
    return this.#keys.get('*') ?? [];
  }

  /**
   * The DKIM-Signature fields to put on top, each with its CRLF; empty where no key is for the author.
   * @throws (rejects) where a signature can't be made
   */
  async sign({ fields, body, time }: DkimInput): Promise<string> {
    if (!this.hasKeys) return '';
    const domain = authorDomain(fields);
    const keys = domain === undefined ? [] : this.keysFor(domain);
    if (keys.length === 0) return '';
    const hash = await bodyHash(body);
    const signatures = await Promise.all(keys.map((key) => signatureField(key, fields, hash, time)));
    return signatures.join('');
  }
}

/** Characters of a From field that is read: thousands of authors. It takes a time that grows with them. */
const MAX_FROM = 64 * 1024;

/**
 * The domain of the author, in A-labels. Undefined where there is no single From field (RFC 5322 section 3.6): which
 * of two a receiver shows is not known, so neither is vouched for.
 */
function authorDomain(fields: readonly HeaderField[]): string | undefined {
  const [from, ...others] = fields.filter(({ name }) => name === 'from');
  if (from === undefined || others.length > 0 || from.line.length > MAX_FROM) return undefined;
  const address = addressparser(fieldValue(from), { flatten: true })[0]?.address ?? '';
  const at = address.lastIndexOf('@');
  return at === -1 ? undefined : parseDomain(address.slice(at + 1));
}
