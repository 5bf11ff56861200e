/**
 * What a proof of non-existence can say. NSEC (`denial-nsec.ts`) and NSEC3 (`denial-nsec3.ts`) answer the same four
 * questions in their own way; the answers are these.
 */
import type { Name } from '../name.js';

/** The four questions, asked of the verified NSEC or NSEC3 records of one message from one zone. */
export interface Denier {
  /** The name exists (or its wildcard does), but has no such type and no alias: RFC 4035 section 5.4, RFC 5155 sections 8.5 to 8.7. */
  noData(name: Name, type: number): Denial;
  /** Neither the name nor a wildcard for it exists: RFC 5155 section 8.4. */
  noName(name: Name): Denial;
  /** Nothing closer to the name than this wildcard exists: RFC 4035 section 5.3.4, RFC 5155 section 8.8. */
  noCloserMatch(name: Name, wildcard: Name): Denial;
  /** What the parent side says of a possible zone cut that has no DS: RFC 5155 sections 8.6 and 8.9. */
  noDelegationSigner(child: Name): CutDenial;
}

export type Denial =
  | { readonly kind: 'proved' }
  /** A span that leaves unsigned delegations out covers the name: it can't be said for sure (RFC 5155 section 9.2). */
  | { readonly kind: 'opted-out'; readonly reason: string }
  | { readonly kind: 'unproved'; readonly reason: string };

export type CutDenial =
  /** A delegation, provably without DS: all below is insecure. */
  | { readonly kind: 'insecure-delegation'; readonly reason: string }
  /** The name exists in this zone and is no delegation. */
  | { readonly kind: 'no-cut' }
  /** The name does not exist, so that nothing below it does. */
  | { readonly kind: 'no-name' }
  | { readonly kind: 'unproved'; readonly reason: string };

export const PROVED: Denial = { kind: 'proved' };

export function unproved(reason: string): { readonly kind: 'unproved'; readonly reason: string } {
  return { kind: 'unproved', reason };
}
