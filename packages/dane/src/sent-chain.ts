/**
 * The certificate chain exactly as the server sent it: what DANE verification is about.
 *
 * Node.js shows it in one place only: `getPeerX509Certificate()` gives the first certificate and
 * `.issuerCertificate`, step by step, the others, in the order in which they came, duplicates and strangers
 * included. The walk consumes what it reads, so it is done once, at `secureConnect`, and the DER is copied.
 * (`getPeerCertificate(true)` shows another chain: it loses certificates and adds some from the local store.
 * It is never used here.) This is how Node 20 to 24 behave, not what their manual promises; a test
 * (`packages/smtp/src/chain.test.ts`) holds it to that on every supported version.
 *
 * After a resumption there is nothing to see at all, so sessions that are to be verified are never resumed.
 */
import type { TLSSocket } from 'node:tls';

/**
 * Certificates taken of one chain. OpenSSL takes 100 KiB of them at most, which can be hundreds of small ones; real
 * chains have two to four. What lies beyond the bound is left unread: it could only cost us signature checks. That
 * refuses nobody whom DANE-EE authenticates, as only the first certificate counts then (RFC 7672 section 3.1.1).
 */
export const MAX_CHAIN_CERTIFICATES = 32;

/** Takes the chain of a handshake that has just ended. A second call finds nothing. */
export function takeChain(socket: TLSSocket): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  let certificate = socket.getPeerX509Certificate();
  while (certificate !== undefined && chain.length < MAX_CHAIN_CERTIFICATES) {
    chain.push(Uint8Array.from(certificate.raw));
    certificate = certificate.issuerCertificate;
  }
  return chain;
}
