/**
 * Is this certificate for one of these names? (RFC 7672 sections 3.2.2 and 3.2.3, RFC 6125 section 6)
 *
 * Reference identifiers are the names that the client accepts, presented identifiers those in the certificate. DNS-IDs
 * (dNSName entries of the subjectAltName) are matched; only where there is not one of them does the CN-ID count.
 * Decided on purpose:
 *  - A presented name is letters, digits, hyphens, underscores and dots, and nothing else: no NUL, no trailing dot (RFC
 *    5280 section 4.2.1.6, preferred name syntax), no U-labels. Internationalised names compare as A-labels.
 *  - A wildcard is the whole first label, stands for exactly one label and has at least two labels behind it, so
 *    that `*.com` matches nothing. Case does not matter, anywhere.
 *  - Reference names may end with a dot and may be U-labels: they are ours, and are brought to the canonical form.
 */
import { domainToASCII } from 'node:url';

/** Labels behind a wildcard: fewer would speak for a whole top-level domain. */
const MIN_LABELS_BEHIND_WILDCARD = 2;
const PRESENTED_NAME = /^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/i;

export interface PresentedNames {
  /** Every dNSName of the subjectAltName. */
  readonly dnsIds: readonly string[];
  /** Every common name of the subject. */
  readonly commonNames: readonly string[];
}

export interface NameMatch {
  /** The name that the client asked for. */
  readonly reference: string;
  /** The name of the certificate that matches it. */
  readonly presented: string;
}

/** The names that count: DNS-IDs, and the CN-ID only where there is none of them (RFC 7672 section 3.2.3). */
export function presentedIdentifiers({ dnsIds, commonNames }: PresentedNames): readonly string[] {
  return dnsIds.length > 0 ? dnsIds : commonNames;
}

/** The first reference name that any presented name matches. */
export function matchNames(references: readonly string[], names: PresentedNames): NameMatch | undefined {
  const presentedNames = presentedIdentifiers(names);
  for (const reference of references) {
    const presented = presentedNames.find((name) => matchesName(reference, name));
    if (presented !== undefined) return { reference, presented };
  }
  return undefined;
}

/** Could this name of a certificate match any host at all? */
export const isPresentable = (name: string): boolean => PRESENTED_NAME.test(name);

/** Does one presented name match one reference name? */
export function matchesName(reference: string, presented: string): boolean {
  const wanted = canonicalReference(reference);
  if (wanted === undefined || !isPresentable(presented)) return false;
  const offered = presented.toLowerCase();
  if (!offered.startsWith('*.')) return offered === wanted;
  const rest = offered.slice(2);
  if (rest.split('.').length < MIN_LABELS_BEHIND_WILDCARD) return false;
  const firstDot = wanted.indexOf('.');
  return firstDot > 0 && wanted.slice(firstDot + 1) === rest;
}

/** Lower case, without trailing dot, A-labels; `undefined` where nothing could ever match it. */
function canonicalReference(reference: string): string | undefined {
  const absolute = reference.endsWith('.') ? reference.slice(0, -1) : reference;
  // domainToASCII is for host names of URLs: it would also turn `0x7f.1` into an address. Only U-labels go through it.
  const ascii = /^[\x20-\x7e]*$/.test(absolute) ? absolute : domainToASCII(absolute);
  return ascii === '' || ascii.startsWith('*') || !PRESENTED_NAME.test(ascii)
    ? undefined
    : ascii.toLowerCase();
}
