/**
 * A zone that is broken in a way that is known exactly: what its parent has, what it has itself, and what its owner has to do.
 * Somebody reads this while his mail waits, so it says the two things that get wrong in the hurry: which of the two sides is
 * the old one, and that resolvers keep a DS record for its TTL, whatever is changed at the parent.
 */
import type { DsMismatch, DsSummary, KeySummary, Lookup, SignatureExpired, ZoneFault } from '@danelaw/dns';
import { digestName, keyRole } from './explain-tree.js';
import { type Finding, finding, type Place } from './finding.js';

/** Records of each set that are listed; zones have two or three, and the validator takes dozens. */
const MAX_LISTED = 8;
/** RFC 5011 section 7. */
const REVOKED = 0x0080;

export function faultOf(lookup: Lookup): ZoneFault | undefined {
  return lookup.status === 'bogus' ? lookup.fault : undefined;
}

/** @param outcome what comes of it for mail: `mail to the domain waits` */
export function zoneFaultFinding(fault: ZoneFault, at: Omit<Place, 'zone'>, outcome: string): Finding {
  const place = { ...at, zone: fault.zone };
  switch (fault.kind) {
    case 'ds-mismatch':
      return finding(
        'error',
        'ds-mismatch',
        place,
        'RFC 4035 section 5.2',
        `${mismatchText(fault)}; ${outcome}`,
        mismatchRemedy(fault),
      );
    case 'signature-expired':
      return finding(
        'error',
        'signature-expired',
        place,
        'RFC 4035 section 5.3.1',
        `${expiredText(fault)}; ${outcome}`,
        'Have the zone signed again, by every server that signs it, and see why its signer stood still: signatures are to ' +
          'be renewed days before they end. Where many zones seem expired, look at the clock of this machine.',
      );
    default: {
      const never: never = fault;
      return never;
    }
  }
}

function expiredText({ zone, name, type, signedBy, ended }: SignatureExpired): string {
  return `the signature of ${zone} over ${type} of ${name}, by its key ${signedBy}, ended at ${new Date(ended).toISOString()}`;
}

function mismatchText(fault: DsMismatch): string {
  const ds = `the parent has DS ${listed(fault.ds.map(dsWords))}`;
  const keys = `the zone has keys ${listed(fault.keys.map(keyWords))}`;
  const { zone } = fault;
  switch (fault.how) {
    case 'no-match':
      return `none of the keys of ${zone} matches a DS record of its parent: ${ds}, ${keys}`;
    case 'not-signing':
      return `the keys of ${zone} are not signed by the one that its DS names: ${ds}, ${keys}`;
    case 'no-keys':
      return `${zone} has DS records at its parent and sends no DNSKEY records: ${ds}`;
    default: {
      const never: never = fault.how;
      return never;
    }
  }
}

function mismatchRemedy({ how, ttl }: DsMismatch): string {
  const kept = `Resolvers keep the DS that they have for its TTL (${ttl} s)`;
  const meanwhile = 'neither a new DS nor none helps before that is over';
  switch (how) {
    case 'no-match':
      return (
        `Have the registrar publish the DS of the key that the zone has now. ${kept}, so that ${meanwhile}. ` +
        'What helps at once is the old key: put it back into the zone until then, and sign the DNSKEY records with it.'
      );
    case 'not-signing':
      return (
        'Sign the DNSKEY records with the key that the DS names, too: that helps at once. If another key is to take its ' +
        `place, have the registrar publish its DS first. ${kept}: both keys sign until that is over.`
      );
    case 'no-keys':
      return (
        'Sign the zone again with the key that the DS names: that helps at once. If the zone is to be unsigned, or its key ' +
        `is lost, have the registrar change the DS first. ${kept}, so that ${meanwhile}.`
      );
    default: {
      const never: never = how;
      return never;
    }
  }
}

const dsWords = ({ tag, algorithm, digestType }: DsSummary): string =>
  `${tag} (${algorithm}, ${digestName(digestType)})`;

const keyWords = ({ tag, algorithm, flags }: KeySummary): string =>
  `${tag} (${algorithm}, ${keyRole(flags)}${(flags & REVOKED) === 0 ? '' : ', revoked'})`;

function listed(all: readonly string[]): string {
  const more = all.length - MAX_LISTED;
  return `${all.slice(0, MAX_LISTED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
