/** The RDATA of the types that danelaw reads, parsed. Others stay opaque (RFC 3597). */
import type { Name } from './name.js';

export type RecordData =
  | { readonly type: 'A' | 'AAAA'; readonly address: string }
  | { readonly type: 'NS' | 'CNAME' | 'DNAME' | 'PTR'; readonly target: Name }
  | { readonly type: 'SOA'; readonly mname: Name; readonly rname: Name; readonly serial: number; readonly refresh: number; readonly retry: number; readonly expire: number; readonly minimum: number }
  | { readonly type: 'MX'; readonly preference: number; readonly exchange: Name }
  | { readonly type: 'TXT'; readonly strings: readonly Uint8Array[] }
  | { readonly type: 'TLSA'; readonly usage: number; readonly selector: number; readonly matchingType: number; readonly data: Uint8Array }
  | { readonly type: 'DS'; readonly keyTag: number; readonly algorithm: number; readonly digestType: number; readonly digest: Uint8Array }
  | { readonly type: 'DNSKEY'; readonly flags: number; readonly protocol: number; readonly algorithm: number; readonly publicKey: Uint8Array }
  | { readonly type: 'RRSIG'; readonly typeCovered: number; readonly algorithm: number; readonly labels: number; readonly originalTtl: number; readonly expiration: number; readonly inception: number; readonly keyTag: number; readonly signer: Name; readonly signature: Uint8Array }
  | { readonly type: 'NSEC'; readonly next: Name; readonly types: ReadonlySet<number> }
  | { readonly type: 'NSEC3'; readonly hashAlgorithm: number; readonly flags: number; readonly iterations: number; readonly salt: Uint8Array; readonly nextHashed: Uint8Array; readonly types: ReadonlySet<number> }
  | { readonly type: 'NSEC3PARAM'; readonly hashAlgorithm: number; readonly flags: number; readonly iterations: number; readonly salt: Uint8Array }
  | { readonly type: 'OPAQUE'; readonly rdata: Uint8Array };
