/**
 * The certificate chain exactly as the server sent it: what DANE verification is about.
 *
 * Node.js shows it in one place only: `getPeerX509Certificate()` gives the first certificate and
 * `.issuerCertificate`, step by step, the others, in the order in which they came, duplicates and strangers
 * included. The walk consumes what it reads, so it is done once, at `secureConnect`, and the DER is copied.
 * (`getPeerCertificate(true)` shows another chain: it loses certificates and adds some from the local store.
 * It is never used here.) This is how Node 20 to 24 behave, not what their manual promises; `chain.test.ts`
 * holds it to that on every supported version.
 */
import type { TLSSocket } from 'node:tls';

/**
 * Certificates in one chain. OpenSSL takes 100 KiB of them at most, which can be hundreds of small ones; real
 * chains have two to four. What lies beyond the bound would only be there to cost us signature checks.
 */
export const MAX_CHAIN_CERTIFICATES = 32;

export type TakenChain =
  | { readonly status: 'taken'; readonly chain: readonly Uint8Array[] }
  | { readonly status: 'too-long'; readonly reason: string };

/** Takes the chain of a handshake that has just ended. A second call finds nothing. */
export function takeChain(socket: TLSSocket): TakenChain {
  const chain: Uint8Array[] = [];
  let certificate = socket.getPeerX509Certificate();
  while (certificate !== undefined) {
    if (chain.length === MAX_CHAIN_CERTIFICATES) {
      return {
        status: 'too-long',
        reason: `the server sent more than ${MAX_CHAIN_CERTIFICATES} certificates`,
      };
    }
    chain.push(Uint8Array.from(certificate.raw));
    certificate = certificate.issuerCertificate;
  }
  return { status: 'taken', chain };
}
