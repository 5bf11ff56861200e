/**
 * Right after a change of TLSA records all name servers have the new ones, and resolvers have the old ones until their copy has
 * lived out its TTL (RFC 1035 section 3.2.1). That is how DNS works, and nothing is wrong with the name servers.
 */
import type { TlsaRecord } from '@danelaw/dane';
import { type AuthorityAnswer, VIA_ROOT } from '@danelaw/dns';
import { type Gathered, tlsaOf } from '../tlsa/gather.js';
import { difference } from '../tlsa/verification.js';

export interface OlderCopy {
  /** What all name servers have. */
  readonly records: readonly TlsaRecord[];
  /** Seconds until the resolver asks them again. */
  readonly left: number;
}

/**
 * The resolver's copy, where nothing but its age explains that it is another: every name server could be asked, all say the
 * same, and the copy's time is not over.
 */
export function olderCopy({ lookup, records: copied, authorities }: Gathered): OlderCopy | undefined {
  if (lookup.status !== 'secure' && lookup.status !== 'insecure') return undefined;
  if (authorities.status !== 'asked' || lookup.ttl <= 0) return undefined;
  // Who iterates has just asked them: a difference is theirs.
  if (lookup.via === VIA_ROOT) return undefined;
  const { servers } = authorities;
  const answers = servers.flatMap(({ said }) => (said.status === 'answered' ? [recordsOf(said)] : []));
  const [records] = answers;
  if (records === undefined) return undefined;
  const answering = new Set(
    servers.filter(({ said }) => said.status === 'answered').map(({ server }) => server),
  );
  const allAnswer = servers.every(({ server }) => answering.has(server));
  const agree = answers.every((each) => isSame(each, records));
  if (!allAnswer || !agree || isSame(copied, records)) return undefined;
  return { records, left: lookup.ttl };
}

export const recordsOf = ({ records }: Extract<AuthorityAnswer, { status: 'answered' }>): TlsaRecord[] =>
  records.flatMap(({ data }) => tlsaOf(data));

function isSame(one: readonly TlsaRecord[], other: readonly TlsaRecord[]): boolean {
  const { missing, extra } = difference(one, other);
  return missing.length + extra.length === 0;
}

/** `under a minute`, `41 minutes`, `6 hours`: rounded up, as whoever waits too short waits twice. */
export function timeLeft(seconds: number): string {
  if (seconds < 60) return 'under a minute';
  const minutes = Math.ceil(seconds / 60);
  if (minutes <= 120) return minutes === 1 ? '1 minute' : `${minutes} minutes`;
  return `${Math.ceil(minutes / 60)} hours`;
}
