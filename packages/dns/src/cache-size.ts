/** How much is kept: of answers, and of zones, keys and servers beside them. */

/** Octets of memory that answers may take, by estimate. */
export const MAX_CACHE_OCTETS = 64 * 1024 * 1024;
/** Entries that a cache beside that of answers has in any case. */
const MIN_ENTRIES = 100;

/**
 * Entries of a cache beside that of answers, where those may take so many octets: fewer than usual where they may take less
 * than usual.
 */
export function inProportion(entries: number, maxCacheOctets = MAX_CACHE_OCTETS): number {
  const share = Math.min(1, maxCacheOctets / MAX_CACHE_OCTETS);
  return Math.max(MIN_ENTRIES, Math.floor(entries * share));
}
