/**
 * Where a name server is and how it is spoken to: plainly (UDP, and TCP for what does not fit), or over TLS (RFC 7858).
 */
import { isIP } from 'node:net';
import { quote } from './wire.js';

export const DNS_PORT = 53;
/** RFC 7858 section 3.1. */
export const DNS_OVER_TLS_PORT = 853;

export interface ServerAddress {
  /** An IPv4 or IPv6 address, without brackets; a zone index (`fe80::1%eth0`) is allowed. */
  readonly address: string;
  readonly port: number;
  /** It is asked over TLS and in no other way. */
  readonly tls?: TlsIdentity;
  /** UDP does not reach it: it is asked over TCP from the start. */
  readonly tcpOnly?: true;
  /** A resolver on this machine: all queries over UDP may come from one socket (`local-udp.ts`). */
  readonly isLocal?: true;
}

/**
 * What a server has to prove before it is asked anything. Where both are given, both have to hold. With neither, anyone may
 * stand at the other end: the channel keeps onlookers out and proves nothing (RFC 7858 section 4.1), which is enough for
 * answers that are validated.
 */
export interface TlsIdentity {
  /** Its certificate is valid for this name (or address) under the Web's roots. */
  readonly name?: string;
  /** Its key is one of these: SHA-256 over its SubjectPublicKeyInfo, in Base64 (RFC 7858 section 4.2). */
  readonly pins: readonly string[];
}

/** `192.0.2.1#53`, as BIND and Unbound print it, or `tls://192.0.2.1#853/dns.example`. */
export function formatServer({ address, port, tls }: ServerAddress): string {
  if (tls === undefined) return `${address}#${port}`;
  return `tls://${address}#${port}${tls.name === undefined ? '' : `/${tls.name}`}`;
}

const TLS_SCHEME = 'tls://';
/** A fingerprint is 32 octets, which are 43 characters of Base64 and one of padding. */
const PIN = /^pin=sha256-([A-Za-z0-9+/]{43}=)$/;
/** Letters, digits, hyphens and dots, or an IP address. */
const NAME = /^[A-Za-z0-9._:-]{1,253}$/;

/**
 * Reads `192.0.2.1`, `192.0.2.1#5353`, `2001:db8::1#53` or `[2001:db8::1]#53`; and for DNS over TLS
 * `tls://ADDRESS[#PORT][/NAME][?pin=sha256-BASE64[&pin=...]]`.
 * @throws TypeError where it is none of these; the message says what is wrong
 */
export function parseServer(text: string): ServerAddress {
  if (!text.startsWith(TLS_SCHEME)) return parseAddress(text, text, DNS_PORT);
  const [, place = '', name, query] =
    /^([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(text.slice(TLS_SCHEME.length)) ?? [];
  const server = parseAddress(place, text, DNS_OVER_TLS_PORT);
  if (name !== undefined && name !== '' && !NAME.test(name)) {
    throw new TypeError(`${quote(text)}: ${quote(name)} is not the name of a server`);
  }
  const pins = query === undefined ? [] : query.split('&').map((part) => parsePin(part, text));
  return { ...server, tls: name === undefined || name === '' ? { pins } : { name, pins } };
}

function parsePin(part: string, text: string): string {
  const [, pin] = PIN.exec(part) ?? [];
  if (pin !== undefined) return pin;
  throw new TypeError(
    `${quote(text)}: ${quote(part)} is not a pin: write pin=sha256-BASE64, the SHA-256 of the server's public key ` +
      '(RFC 7858 section 4.2)',
  );
}

function parseAddress(text: string, whole: string, defaultPort: number): ServerAddress {
  const [, bracketed, plain, digits] = /^(?:\[([^\]#]*)\]|([^[\]#]*))(?:#([0-9]{1,5}))?$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? '';
  const port = digits === undefined ? defaultPort : Number(digits);
  const family = isIP(address);
  if (family === 0 || (bracketed !== undefined && family !== 6)) {
    throw new TypeError(
      `${quote(whole)} is not the address of a name server: write ADDRESS or ADDRESS#PORT, as in 192.0.2.1#5353, or ` +
        'tls://ADDRESS/NAME for DNS over TLS',
    );
  }
  if (port < 1 || port > 65_535) throw new TypeError(`${quote(whole)}: ${port} is not a port (1 to 65535)`);
  return { address, port };
}
