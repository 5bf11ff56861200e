/**
 * The keys of `smtp_tls_policy_maps`: next-hop destinations as Postfix has them (postconf(5)), which is the recipient's
 * domain, or what the transport table says in its place, brackets and port included.
 */
import { isIP } from 'node:net';
import { parseDomain } from '@danelaw/smtp';

export type NextHopKey =
  /** Mail goes to the domain's MX hosts. */
  | { readonly kind: 'domain'; readonly domain: string; readonly port: number }
  /** `[host]`: to that host, without MX look-up. */
  | { readonly kind: 'host'; readonly host: string; readonly port: number };

/**
 * @param defaultPort where the key has none
 * @returns undefined for what DANE has nothing to say about: addresses, keys for all subdomains (`.example.org`), and
 * what is no destination at all
 */
export function parseNextHopKey(text: string, defaultPort: number): NextHopKey | undefined {
  const match = /^(?:\[([^[\]]+)\]|([^[\]:]+))(?::([0-9]{1,5}))?$/u.exec(text.trim());
  if (match === null) return undefined;
  const [, bracketed, bare, digits] = match;
  const port = digits === undefined ? defaultPort : Number(digits);
  const name = bracketed ?? bare ?? '';
  if (port < 1 || port > 65_535 || isIP(name) !== 0 || /^ipv6:/iu.test(name)) return undefined;
  const domain = parseDomain(name);
  if (domain === undefined || domain.startsWith('[')) return undefined;
  return bracketed === undefined ? { kind: 'domain', domain, port } : { kind: 'host', host: domain, port };
}

/** One text for one destination: what is cached under. */
export function formatNextHopKey(key: NextHopKey): string {
  return key.kind === 'domain' ? `${key.domain}:${key.port}` : `[${key.host}]:${key.port}`;
}
