/** What a roll-over begins with: a server that is right now, the records that are to go, and the next ones in their place. */
import { formatTlsa, type TlsaParameters, type TlsaRecord } from '@danelaw/dane';
import type { Gathered } from '../tlsa/gather.js';
import { RECOMMENDED } from '../tlsa/records.js';
import { kindOf } from '../tlsa/served.js';
import { combinationOf, type JudgedServed, judgeChain, type Publication } from '../tlsa/verification.js';
import { CommandError, EXIT } from './exit.js';
import { findingsOf } from './tlsa-findings.js';
import type { MeantServer } from './tlsa-server.js';

/** A roll-over keeps what is right right; it can't mend what is broken. */
export function refuseBroken(
  gathered: Gathered,
  publication: Publication,
  served: readonly JudgedServed[],
  { host, port }: MeantServer,
): void {
  const findings = findingsOf(gathered, publication, served, port);
  const [worst] = findings.filter(({ severity }) => severity === 'error');
  const [unclear] = findings.filter(({ severity }) => severity === 'unclear');
  const found = worst ?? unclear;
  if (found === undefined) return;
  const code = worst === undefined ? EXIT.TEMPORARY : EXIT.UNAVAILABLE;
  throw new CommandError(code, `put this right first (danelaw tlsa verify ${host}): ${found.text}`);
}

/** The other combinations that are published must match the next certificate too (RFC 7671 section 8). */
export function refuseHalf(chain: readonly Uint8Array[], publication: Publication): void {
  const { verdict, unmatched } = judgeChain(chain, publication);
  if (verdict.authenticated && unmatched.length === 0) return;
  throw new CommandError(
    EXIT.DATA,
    `the next certificate matches no record with ${unmatched.join(', ')}, which is published too: publish one for it first ` +
      '(its issuer, with the chain that is to be sent), or remove those records',
  );
}

/** The records that the next key takes the place of: where a server has several, those of the key of its kind. */
export function replaced(
  served: readonly JudgedServed[],
  next: Uint8Array | undefined,
): readonly TlsaRecord[] {
  const leaves = new Set(served.map(({ chain }) => Buffer.from(chain[0] ?? []).toString('latin1')));
  const kind = kindOf(next);
  const ofKind = served.filter((each) => kind !== undefined && each.kind === kind);
  const chosen = leaves.size === 1 ? served : ofKind;
  const records = new Map(
    chosen
      .flatMap(({ matched }) => matched.filter(({ usage }) => usage === 3))
      .map((each) => [formatTlsa(each), each]),
  );
  if (records.size > 0) return [...records.values()];
  throw new CommandError(
    EXIT.DATA,
    leaves.size > 1
      ? 'the server has several certificates: give the next one as a certificate with --next, of the kind that it replaces'
      : 'no DANE-EE record (usage 3) matches what the server shows; publish 3 1 1 first, for the key in use',
  );
}

/** The same parameters as before (RFC 7671 section 8.1). */
export function combinationsOf(records: readonly TlsaRecord[]): readonly TlsaParameters[] {
  const combinations = [...new Set(records.map(combinationOf))];
  return combinations.flatMap((text): TlsaParameters[] => {
    const [, selector, matchingType] = text.split(' ').map(Number);
    if (selector !== 0 && selector !== 1) return [];
    if (matchingType !== 0 && matchingType !== 1 && matchingType !== 2) return [];
    return [{ ...RECOMMENDED, selector, matchingType }];
  });
}
