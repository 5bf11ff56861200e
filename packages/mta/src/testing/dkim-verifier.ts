/**
 * Verifies a DKIM signature (RFC 6376 section 6.1, RFC 8463), for tests: written from the RFC and apart from
 * the signer, so that the two don't share a mistake.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';

export interface DkimVerdict {
  readonly ok: boolean;
  readonly reason: string;
  readonly tags: ReadonlyMap<string, string>;
}

/** @param txt the TXT record at `s._domainkey.d` */
export function verifyDkim(message: Uint8Array, txt: (name: string) => string | undefined): DkimVerdict {
  const [headerText = '', ...rest] = Buffer.from(message).toString('latin1').split('\r\n\r\n');
  const body = rest.join('\r\n\r\n');
  const fields: string[] = [];
  for (const line of headerText.split('\r\n')) {
    if (/^[ \t]/.test(line)) fields.push(`${fields.pop()}\r\n${line}`);
    else fields.push(line);
  }
  const own = fields.findIndex((field) => /^dkim-signature:/i.test(field));
  const signature = fields[own] ?? '';
  const tags = tagList(signature.slice(signature.indexOf(':') + 1));
  const no = (reason: string): DkimVerdict => ({ ok: false, reason, tags });
  if (own < 0) return no('there is no signature');
  if (tags.get('v') !== '1' || tags.get('c') !== 'relaxed/relaxed') return no('another version, or way');
  if (tags.has('l')) return no('l= is forbidden (RFC 8460 section 3)');
  const canonicalBody = `${body
    .replace(/[ \t]+/g, ' ')
    .replace(/ \r\n/g, '\r\n')
    .replace(/(?:\r\n)*$/, '')}\r\n`;
  const hash = createHash('sha256').update(canonicalBody, 'latin1').digest('base64');
  if (hash !== tags.get('bh')) return no('the body was changed');
  const key = tagList(txt(`${tags.get('s')}._domainkey.${tags.get('d')}`) ?? '');
  const services = (key.get('s') ?? '*').split(':');
  if (!services.includes('*') && !services.includes('tlsrpt')) return no('the key is for another service');
  const p = Buffer.from(key.get('p') ?? '', 'base64');
  const remaining = [...fields];
  const data: string[] = [];
  for (const name of (tags.get('h') ?? '').split(':')) {
    const wanted = name.toLowerCase();
    const at = remaining.findLastIndex((field) => field.toLowerCase().startsWith(`${wanted}:`));
    if (at >= 0) data.push(`${canonical(remaining.splice(at, 1)[0] ?? '')}\r\n`);
  }
  data.push(canonical(signature).replace(/([;:] ?)b=[^;]*/, '$1b='));
  const octets = Buffer.from(data.join(''), 'latin1');
  const value = Buffer.from(tags.get('b') ?? '', 'base64');
  switch (tags.get('a')) {
    case 'rsa-sha256': {
      const publicKey = createPublicKey({ key: p, format: 'der', type: 'spki' });
      return verify('sha256', octets, publicKey, value)
        ? { ok: true, reason: '', tags }
        : no('it does not verify');
    }
    case 'ed25519-sha256': {
      // RFC 8463 section 4: the record has the 32 octets of the key alone.
      const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), p]);
      const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
      const digest = createHash('sha256').update(octets).digest();
      return verify(null, digest, publicKey, value)
        ? { ok: true, reason: '', tags }
        : no('it does not verify');
    }
    default:
      return no('an algorithm that RFC 8301 does not know');
  }
}

function tagList(text: string): Map<string, string> {
  const pairs = text.split(';').map((part) => part.replace(/\s+/g, ''));
  return new Map(pairs.filter((part) => part.includes('=')).map((part) => split(part)));
}

function split(part: string): [string, string] {
  const equals = part.indexOf('=');
  return [part.slice(0, equals), part.slice(equals + 1)];
}

function canonical(field: string): string {
  const colon = field.indexOf(':');
  const value = field
    .slice(colon + 1)
    .replaceAll('\r\n', '')
    .replace(/[ \t]+/g, ' ')
    .trim();
  return `${field.slice(0, colon).toLowerCase().trimEnd()}:${value}`;
}
