/**
 * Who is at the other end: the chain of a handshake, judged by one policy.
 *
 * Synchronous and without any input but its arguments, so that a chain which is kept with its connection can
 * be judged again for every message and every destination: a verdict is never inherited.
 *
 * Two authorities may have a say. The policy's own level comes first. Where MTA-STS binds as well - at a host
 * that was found through an insecure MX RRset, whose TLSA records prove the host and not that the domain
 * named it - its check is made in addition. Neither rescues a failure of the other (RFC 8461 section 2).
 */
import { formatTlsa, type Roots, type TlsaRecord, verifyFingerprint, verifyPkix } from '@danelaw/dane';
import type { Demand, FailureType } from './fault.js';
import type { DanePolicy, FingerprintPolicy, StartTlsPolicy, StsRequirement } from './policy.js';

/**
 * The verifier's contract: does this chain match these records. `verifyCertificate` of @danelaw/dane keeps
 * it.
 */
export type Verify = (input: {
  chain: readonly Uint8Array[];
  tlsa: readonly TlsaRecord[];
  baseDomain: string;
  otherNames?: readonly string[];
  time?: Date;
}) => Verification;

export interface Verification {
  readonly authenticated: boolean;
  /** False where none of the records can be used: TLS without authentication (RFC 7672 section 2.2). */
  readonly usable: boolean;
  readonly matched?: { readonly record: TlsaRecord; readonly referenceName?: string };
  readonly reason: string;
  /** Why not, as a TLS report counts it. */
  readonly resultType?: FailureType;
}

/** By what a server was authenticated. JSON-ready. */
export type Authenticated = DaneAuthenticated | PkixAuthenticated | FingerprintAuthenticated;

export interface DaneAuthenticated {
  readonly by: 'dane';
  /** 2 DANE-TA, 3 DANE-EE. */
  readonly usage: number;
  /** The TLSA record that matched, in presentation form. */
  readonly record: string;
  readonly baseDomain: string;
  /** The reference identifier that the certificate bears; null with DANE-EE, where names do not count. */
  readonly name: string | null;
}

/** A root that is trusted here (MTA-STS, or the local policy `verify`). */
export interface PkixAuthenticated {
  readonly by: 'pkix';
  readonly root: string;
  /** The reference identifier that the certificate bears. */
  readonly name: string;
}

export interface FingerprintAuthenticated {
  readonly by: 'fingerprint';
  readonly fingerprint: string;
}

export interface JudgeOptions {
  readonly verify: Verify;
  /** Who is trusted where DANE has no part; the Web's roots where it is left out. */
  readonly roots?: Roots | undefined;
  readonly time: Date;
}

export interface Judgement {
  readonly authenticated: Authenticated | null;
  /** Why it matched, or did not, or was not asked. */
  readonly reason: string;
  /** What failed; whether it ends the session is in `binding`. */
  readonly failures: readonly JudgedFailure[];
}

export interface JudgedFailure {
  readonly binding: boolean;
  /** Whose demand was not met. */
  readonly demand: Demand;
  readonly failureType: FailureType;
  readonly reason: string;
}

/** Judges a chain by everything that the policy asks. */
export function judge(
  policy: StartTlsPolicy,
  chain: readonly Uint8Array[],
  options: JudgeOptions,
): Judgement {
  const own = judgeLevel(policy, chain, options);
  const { sts } = policy;
  if (sts === undefined) return own;
  const second = judgeSts(sts, policy, chain, options);
  return {
    // With a level of its own the host is proved by that; `sts` has nothing but this.
    authenticated: own.authenticated ?? second.authenticated,
    reason: policy.level === 'sts' ? second.reason : `${own.reason}; ${second.reason}`,
    failures: [...own.failures, ...second.failures],
  };
}

function judgeLevel(policy: StartTlsPolicy, chain: readonly Uint8Array[], options: JudgeOptions): Judgement {
  switch (policy.level) {
    case 'may':
    case 'encrypt':
      return unasked(`not authenticated: ${policy.source}`);
    case 'sts':
      return unasked(policy.source); // `judgeSts` has it all
    case 'dane':
    case 'dane-only':
      return judgeDane(policy, chain, options);
    case 'verify':
      return judgePkix(policy.names, chain, options, (reason, failureType) => ({
        binding: policy.lenience === undefined,
        demand: 'local',
        failureType,
        reason: `the server's certificate is not what the policy "verify" asks for: ${reason}`,
      }));
    case 'fingerprint':
      return judgeFingerprint(policy, chain);
    default: {
      const never: never = policy;
      return never;
    }
  }
}

const unasked = (reason: string): Judgement => ({ authenticated: null, reason, failures: [] });

function judgeDane(policy: DanePolicy, chain: readonly Uint8Array[], options: JudgeOptions): Judgement {
  const refuse = (reason: string, failureType: FailureType): Judgement => {
    const words = `the server's certificate does not match its TLSA records (RFC 7672 section 3.2): ${reason}`;
    const binding = policy.lenience === undefined;
    const failure = { binding, demand: 'tlsa', failureType, reason: words } as const;
    return { authenticated: null, reason, failures: [failure] };
  };
  const { tlsa, baseDomain, otherNames } = policy;
  const verdict = options.verify({ chain, tlsa, baseDomain, otherNames, time: options.time });
  if (verdict.authenticated) {
    return { authenticated: authenticatedBy(verdict, policy), reason: verdict.reason, failures: [] };
  }
  // RFC 7672 section 2.2: where nothing is usable, TLS is mandatory and authentication is not; section 6:
  // unless DANE itself is what the administrator demands.
  if (!verdict.usable && policy.level === 'dane') return unasked(verdict.reason);
  return refuse(
    verdict.reason,
    verdict.resultType ?? (verdict.usable ? 'validation-failure' : 'tlsa-invalid'),
  );
}

function authenticatedBy(verdict: Verification, policy: DanePolicy): DaneAuthenticated | null {
  const matched = verdict.matched;
  if (matched === undefined) return null;
  return {
    by: 'dane',
    usage: matched.record.usage,
    record: formatTlsa(matched.record),
    baseDomain: policy.baseDomain,
    name: matched.referenceName ?? null,
  };
}

/** RFC 8461 section 4: the host is one of the policy's, and the certificate is the host's. */
function judgeSts(
  sts: StsRequirement,
  { lenience }: StartTlsPolicy,
  chain: readonly Uint8Array[],
  options: JudgeOptions,
): Judgement {
  const binding = sts.mode === 'enforce' && lenience === undefined;
  const of = `the MTA-STS policy of ${sts.domain} (mode ${sts.mode})`;
  if (!sts.hostMatches) {
    const reason = `${sts.name} is none of the hosts in ${of} (RFC 8461 section 4.1)`;
    return {
      ...unasked(reason),
      failures: [{ binding, demand: 'sts', failureType: 'validation-failure', reason }],
    };
  }
  const judged = judgePkix([sts.name], chain, options, (reason, failureType) => ({
    binding,
    demand: 'sts',
    failureType,
    reason: `the server's certificate is not what ${of} asks for (RFC 8461 section 4.2): ${reason}`,
  }));
  return judged.failures.length > 0 ? judged : { ...judged, reason: `as ${of} asks, ${judged.reason}` };
}

function judgePkix(
  names: readonly string[],
  chain: readonly Uint8Array[],
  { roots, time }: JudgeOptions,
  failure: (reason: string, failureType: FailureType) => JudgedFailure,
): Judgement {
  const verdict = verifyPkix({ chain, names, time, ...(roots === undefined ? {} : { roots }) });
  if (!verdict.authenticated) {
    return { ...unasked(verdict.reason), failures: [failure(verdict.reason, verdict.resultType)] };
  }
  const { root, referenceName: name, reason } = verdict;
  return { authenticated: { by: 'pkix', root, name }, reason, failures: [] };
}

function judgeFingerprint(
  { fingerprints, lenience }: FingerprintPolicy,
  chain: readonly Uint8Array[],
): Judgement {
  const verdict = verifyFingerprint({ chain, fingerprints });
  if (verdict.authenticated) {
    const { fingerprint, reason } = verdict;
    return { authenticated: { by: 'fingerprint', fingerprint }, reason, failures: [] };
  }
  const { reason } = verdict;
  const binding = lenience === undefined;
  const failure = { binding, demand: 'local', failureType: 'validation-failure', reason } as const;
  return { authenticated: null, reason, failures: [failure] };
}
