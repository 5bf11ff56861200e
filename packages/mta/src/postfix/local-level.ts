/**
 * Rules of the policy table as Postfix's TLS policies (TLS_README "TLS policy table").
 *
 * Not all that a rule can say is in Postfix's language. Where mail goes (`relay`, `hosts`) is for Postfix's transport table;
 * rules for mail hosts (`mx`) are passed over, as Postfix asks about destinations; an audit, which would verify and deliver
 * anyway, becomes what it comes to for the mail: `may`.
 */
import type { ResolvedPolicy } from '@danelaw/smtp';
import type { Answer } from './tls-level.js';

/** `look-up`: what DNS says decides. `sts`: what MTA-STS says, or else nothing is insisted on. */
export type Local = Extract<Answer, { status: 'policy' }> | 'look-up' | 'sts';

export function localLevel(resolved: ResolvedPolicy): Local {
  const { rule, level, names, fingerprints, minTls, audit, why } = resolved;
  if (rule === undefined) return 'look-up';
  const answer = (policy: string): Local => {
    const protocols = minTls === undefined || policy === 'none' ? '' : ` protocols=>=${minTls}`;
    return {
      status: 'policy',
      level: 'local',
      policy: `${policy}${protocols}`,
      report: '',
      ttl: 0,
      reason: why,
    };
  };
  if (audit !== undefined) return answer('may');
  switch (level) {
    case 'none':
    case 'may':
    case 'encrypt':
    case 'dane-only':
      return answer(level);
    case 'dane':
      return 'look-up';
    case 'sts':
      return 'sts';
    case 'verify':
      // Without names Postfix would take any below the domain as well.
      return answer(`secure match=${names === undefined ? 'nexthop' : names.join(':')}`);
    case 'fingerprint':
      return answer(`fingerprint match=${fingerprints.map(withColons).join('|')}`);
    default: {
      const never: never = level;
      return never;
    }
  }
}

const withColons = (digest: string): string => (digest.match(/../gu) ?? []).join(':').toUpperCase();
