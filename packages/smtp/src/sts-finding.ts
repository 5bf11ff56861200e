/** What MTA-STS says about a destination, and who is asked for it. */
import type { Resolver } from '@danelaw/dns';
import type { FailureType } from './fault.js';
import type { StsPolicyBody } from './mta-sts-policy.js';

export type StsFinding = StsPolicyFinding | NoStsPolicy;

/** A policy that is in force. Mode `none` is told as no policy (RFC 8461 section 5). */
export interface StsPolicyFinding {
  readonly status: 'policy';
  /** The Policy Domain: the next-hop domain, never a parent of it (section 3.4). */
  readonly domain: string;
  /** The version, as the TXT record had it when the policy was fetched. */
  readonly id: string;
  readonly policy: StsPolicyBody & { readonly mode: 'enforce' | 'testing' };
  /** `cache`: it was known before. */
  readonly from: 'fetch' | 'cache';
  /** Milliseconds since the epoch: until when it binds. */
  readonly expires: number;
  /** What failed on the way, and is to be reported (section 6). */
  readonly problems: readonly StsProblem[];
}

/** The domain has no policy, or none that could be found and none that was known. */
export interface NoStsPolicy {
  readonly status: 'none';
  readonly domain: string;
  readonly reason: string;
  readonly problems: readonly StsProblem[];
}

export interface StsProblem {
  readonly failureType: Extract<
    FailureType,
    'sts-policy-fetch-error' | 'sts-policy-invalid' | 'sts-webpki-invalid'
  >;
  readonly reason: string;
}

/** Who knows policies: `MtaSts`, or a test. */
export interface StsSource {
  /** Never throws for what a domain does; rejects only when `signal` aborts. */
  policyFor(
    domain: string,
    options: { readonly resolver: Resolver; readonly now: number; readonly signal?: AbortSignal | undefined },
  ): Promise<StsFinding>;
}
