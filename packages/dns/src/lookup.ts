/**
 * What a look-up says, and how far it can be trusted.
 *
 * The four states are those of RFC 4035 section 4.3, as RFC 7672 section 2.1.1 uses them. Two of them are answers
 * (`secure`, `insecure`): they carry records, or the knowledge that there are none. The other two are failures
 * (`bogus`, `indeterminate`): they carry no data at all, so that a failure can't be taken for an absence.
 */
import type { RecordData } from './record.js';

export type Lookup = SecureLookup | InsecureLookup | BogusLookup | IndeterminateLookup;

/** An answer, positive or negative. `records` is empty where the name or the type does not exist. */
export type Answered = SecureLookup | InsecureLookup;

/** No answer. The question remains open; nothing may be concluded from it but that it failed. */
export type Failed = BogusLookup | IndeterminateLookup;

/** Every RRset of the answer, every alias step and every denial was proved from a trust anchor. */
export interface SecureLookup extends Answer {
  readonly status: 'secure';
}

/** It is proved that some part of the answer lies in a zone that can't be proved (or under no trust anchor at all). */
export interface InsecureLookup extends Answer {
  readonly status: 'insecure';
  /** Where and why the chain of trust ends, for people. */
  readonly reason: string;
}

/** The answer ought to be provable and is not: forged, stripped, expired, or a broken zone. */
export interface BogusLookup extends Failure {
  readonly status: 'bogus';
  /** What is wrong with which zone, where that is known so exactly; never with `trust: 'ad'`. */
  readonly fault?: ZoneFault;
}

/** A fault that the owner of a zone can put right. */
export type ZoneFault = DsMismatch | SignatureExpired;

/** The zone's signature over an RRset has ended, and no other over it holds (RFC 4035 section 5.3.1). */
export interface SignatureExpired {
  readonly kind: 'signature-expired';
  readonly zone: string;
  /** The RRset. */
  readonly name: string;
  readonly type: string;
  /** Tag of the key that made it. */
  readonly signedBy: number;
  /** Milliseconds since the epoch. */
  readonly ended: number;
}

/** The parent's DS records do not lead to the keys of the zone (RFC 4035 section 5.2). */
export interface DsMismatch {
  readonly kind: 'ds-mismatch';
  readonly zone: string;
  /**
   * `no-match`: no key is one that a DS record names. `not-signing`: one is, and it does not sign the DNSKEY records.
   * `no-keys`: the zone sends no DNSKEY records.
   */
  readonly how: 'no-match' | 'not-signing' | 'no-keys';
  /** All DS records of the zone at its parent. */
  readonly ds: readonly DsSummary[];
  /** All keys of the zone, revoked ones included. */
  readonly keys: readonly KeySummary[];
  /** Seconds for which resolvers keep the DS records. */
  readonly ttl: number;
}

/** Time-outs, SERVFAIL, REFUSED, malformed answers, crossed bounds: it can't be said what the answer is. */
export interface IndeterminateLookup extends Failure {
  readonly status: 'indeterminate';
}

interface Asked {
  /** The name that was asked for, without trailing dot (the root is `.`). */
  readonly name: string;
  /** The type that was asked for, as a mnemonic (`TLSA`) or `TYPE65280`. */
  readonly type: string;
  readonly ede?: ExtendedError;
  /** How far trust reached, zone by zone from the trust anchor, for all steps; empty with `trust: 'ad'`. */
  readonly chain: readonly TrustLink[];
  /** By what each step of the answer was proved, in order; only where `explain` asked for it. */
  readonly proof?: readonly ProofStep[];
  /** How the answer was got, for people: `forwarding to 127.0.0.1#53`. It says nothing of how true it is. */
  readonly via?: string;
}

interface Answer extends Asked {
  readonly rcode: 'NOERROR' | 'NXDOMAIN';
  /** The whole answer, aliases (CNAME) first, in the order in which they were followed. */
  readonly records: readonly AnswerRecord[];
  /** Each alias step, in order. RFC 7672 section 2.1.3 needs to know how far the first can be trusted. */
  readonly aliases: readonly Alias[];
  /** The name at the end of the aliases; the name that was asked for where there are none. */
  readonly canonicalName: string;
  /** Seconds for which this answer may be used. */
  readonly ttl: number;
}

interface Failure extends Asked {
  /** The response code, where the failure was one (`SERVFAIL`). */
  readonly rcode?: string;
  /** What happened, at which name, for people. */
  readonly reason: string;
}

/** One resource record of an answer. */
export interface AnswerRecord {
  /** Owner name without trailing dot. */
  readonly name: string;
  readonly type: string;
  /** Seconds. */
  readonly ttl: number;
  /** The RDATA, parsed where the type is known. */
  readonly data: RecordData;
  /** The RDATA as sent, names in it decompressed. */
  readonly rdata: Uint8Array;
}

/** One step of a CNAME chain (one that a DNAME made, included). */
export interface Alias {
  readonly from: string;
  readonly to: string;
  readonly status: 'secure' | 'insecure';
}

/** One zone of the chain of trust. */
export type TrustLink =
  | {
      readonly zone: string;
      readonly status: 'secure';
      /** Who vouches for its keys. */
      readonly from: 'trust anchor' | 'DS';
      /** The DS records (or the anchor's) that do. */
      readonly ds: readonly DsSummary[];
      /** When the signature over the keys ends: milliseconds since the epoch. */
      readonly until: number;
      /** Tag of the key that signed the DNSKEY RRset. */
      readonly signedBy: number;
      readonly keys: readonly KeySummary[];
    }
  | { readonly zone: string; readonly status: 'insecure'; readonly reason: string };

/** A DS record but for its digest. `algorithm` is a mnemonic, or `algorithm 250`. */
export interface DsSummary {
  readonly tag: number;
  readonly algorithm: string;
  readonly digestType: number;
}

/** A DNSKEY record but for the key itself. */
export interface KeySummary {
  readonly tag: number;
  readonly algorithm: string;
  readonly flags: number;
}

/** What one step of an answer rests on. */
export type ProofStep =
  /** A signature of the zone holds over the RRset. */
  | {
      readonly kind: 'signed';
      readonly name: string;
      readonly type: string;
      readonly zone: string;
      /** Tag of the key, and when the signature ends, in milliseconds since the epoch. */
      readonly signedBy: number;
      readonly until: number;
      /** The wildcard that it was made from; that nothing closer exists was proved as well. */
      readonly wildcard?: string;
    }
  /** Signed NSEC or NSEC3 records of the zone deny it. */
  | {
      readonly kind: 'denied';
      readonly name: string;
      readonly type: string;
      readonly zone: string;
      readonly by: 'NSEC' | 'NSEC3';
    }
  | { readonly kind: 'unproved'; readonly name: string; readonly type: string; readonly reason: string };

/** RFC 8914. `code` is the INFO-CODE. */
export interface ExtendedError {
  readonly code: number;
  readonly text: string;
}

export interface ResolveOptions {
  readonly signal?: AbortSignal;
  /** Says in `proof` what each step rests on. Such a look-up asks anew, whatever is cached. */
  readonly explain?: boolean;
}

export interface Resolver {
  /**
   * Looks up one name and type.
   *
   * @param name presentation form; a trailing dot is optional; it is always taken as absolute
   * @param type mnemonic or `TYPEnnn`
   * @returns one of the four states; a failure of the network or of DNSSEC is a state, not an exception
   * @throws (rejects) only when `signal` aborts, or for an invalid name or type (`TypeError`)
   */
  resolve(name: string, type: string, options?: ResolveOptions): Promise<Lookup>;
  /** Closes sockets and drops what is cached. Look-ups under way end as `indeterminate`. */
  close(): Promise<void>;
}

/** True for `secure` and `insecure`: there is an answer (perhaps that there is nothing). */
export function isAnswered(lookup: Lookup): lookup is Answered {
  return lookup.status === 'secure' || lookup.status === 'insecure';
}
