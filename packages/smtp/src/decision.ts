/** What is done with a host: connect to it, under which policy - or pass it over, and why. */
import type { ReachableHost } from '@danelaw/dane';
import type { Demand, FailureType } from './fault.js';
import type { JudgedFailure } from './judge.js';
import type { TlsPolicy } from './policy.js';

export type Decision = ConnectDecision | SkipDecision;

export interface ConnectDecision {
  readonly action: 'connect';
  readonly finding: ReachableHost;
  readonly policy: TlsPolicy;
  /** What would have ruled the host out, had it not been only to be reported. */
  readonly overlooked: readonly JudgedFailure[];
}

export interface SkipDecision {
  readonly action: 'skip';
  /**
   * `absent`: there is nothing to connect to, and that is an answer; otherwise it may be another time.
   */
  readonly cause: 'absent' | 'look-up' | 'policy';
  readonly reason: string;
  readonly failureType: FailureType | undefined;
  /** Whose demand rules the host out. */
  readonly demand: Demand;
}

export function connect(
  finding: ReachableHost,
  policy: TlsPolicy,
  overlooked: readonly JudgedFailure[] = [],
): ConnectDecision {
  return { action: 'connect', finding, policy, overlooked };
}

export function skip(
  cause: SkipDecision['cause'],
  reason: string,
  failureType: FailureType | undefined = undefined,
  demand: Demand = 'tlsa',
): SkipDecision {
  return { action: 'skip', cause, reason, failureType, demand };
}
