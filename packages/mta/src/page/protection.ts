/**
 * How a message that was delivered had been protected on its way, in five words that claim no more than was proved.
 *
 * `dane` takes signed MX records too: with unsigned ones DANE proves whose server it was, and nobody proves that
 * the domain named that server (RFC 7672 section 2.2.1). MTA-STS names the servers itself (RFC 8461 section 4.1).
 */
import type { Attempt, RecipientOutcome } from '@danelaw/smtp';

export const PROTECTIONS = ['dane', 'sts', 'local', 'encrypted', 'clear'] as const;
export type Protection = (typeof PROTECTIONS)[number];

export interface ProtectionWords {
  readonly short: string;
  readonly long: string;
}

export const PROTECTION_WORDS: Readonly<Record<Protection, ProtectionWords>> = {
  dane: { short: 'DANE', long: 'authenticated by DANE: signed MX records, and the key that is published' },
  sts: {
    short: 'MTA-STS',
    long: 'authenticated by MTA-STS: a server that the policy names, by a public authority',
  },
  local: { short: 'local policy', long: 'authenticated as a rule of this relay demands' },
  encrypted: { short: 'encrypted only', long: 'encrypted; that it was the right server is not proved' },
  clear: { short: 'in clear', long: 'in clear text, for all on the way to read' },
};

export function protectionOf(
  { tls, mx, host, address }: Pick<RecipientOutcome, 'tls' | 'mx' | 'host' | 'address'>,
  attempts: readonly Pick<Attempt, 'host' | 'address' | 'status' | 'policy' | 'sts'>[],
): Protection {
  if (tls === null) return 'clear';
  if (tls.authenticated === null) return 'encrypted';
  const decisive = attempts.find(
    (attempt) => attempt.status === 'completed' && attempt.host === host && attempt.address === address,
  );
  switch (tls.authenticated.by) {
    case 'fingerprint':
      return 'local';
    case 'pkix':
      if (decisive?.policy?.level === 'verify') return 'local';
      return decisive?.sts?.mode === 'enforce' ? 'sts' : 'encrypted';
    case 'dane':
      if (mx === 'secure') return 'dane';
      return decisive?.sts?.mode === 'enforce' ? 'sts' : 'encrypted';
    default: {
      const never: never = tls.authenticated;
      return never;
    }
  }
}
