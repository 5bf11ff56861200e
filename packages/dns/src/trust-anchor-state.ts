/**
 * How a zone's keys become and cease to be trust anchors without anybody's hand (RFC 5011).
 *
 * A new key that is seen in a DNSKEY RRset which a present anchor signed has to stay there for thirty days before it is
 * trusted: whoever stole a key can't make another one stick unseen. A key that signs its own revocation is never trusted
 * again, not even where it is configured. The states and events are those of section 4; times are milliseconds since the epoch.
 */
import { dsMatchesKey, isEntryPoint, isRevoked, readAnyZoneKey, type ZoneKey } from './dnssec/key.js';
import { parseRecords } from './master-file.js';
import type { Name } from './name.js';
import { formatRdata } from './presentation.js';
import { CLASS_IN, RRTYPE } from './rrtype.js';
import type { TrustAnchor } from './trust-anchor.js';
import { sameBytes, WireError } from './wire.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Section 2.4.1, and the removal's of section 2.4.2. */
export const HOLD_DOWN = 30 * DAY;
/** Keys remembered; section 2.4.3 asks for five at least. What is over is not followed. */
export const MAX_FOLLOWED_KEYS = 32;

/** Section 4.2, without Start and Removed: such keys are not remembered. */
export type KeyState = 'pending' | 'valid' | 'missing' | 'revoked';

export interface FollowedKey {
  /** As it is without the REVOKE bit. */
  readonly rdata: Uint8Array;
  readonly state: KeyState;
  /** When it came into this state. */
  readonly since: number;
}

export interface AnchorState {
  readonly zone: Name;
  readonly keys: readonly FollowedKey[];
  /** When the zone has to be asked again (section 2.3). */
  readonly nextQuery: number;
}

/** One look at the zone's DNSKEY RRset, which a present anchor has signed. */
export interface Sighting {
  readonly keys: readonly ZoneKey[];
  /** Keys with the REVOKE bit whose own signature over the RRset holds (section 2.1). */
  readonly selfRevoked: readonly ZoneKey[];
  /** Seconds: the TTL that the signature vouches for. */
  readonly originalTtl: number;
  /** When the signature ends. */
  readonly expires: number;
}

/**
 * What is known after a sighting. The configured anchors are taken for valid when they are first seen: the administrator
 * has vouched for them.
 */
export function afterSighting(
  before: AnchorState,
  configured: readonly TrustAnchor[],
  seen: Sighting,
  now: number,
): AnchorState {
  const entryPoints = seen.keys.filter((key) => isEntryPoint(key) && !isRevoked(key));
  const keys = before.keys.flatMap((known) => next(known, seen, entryPoints, now));
  const fresh = entryPoints
    .filter((key) => !before.keys.some((known) => isSameKey(known.rdata, key.rdata)))
    .map((key): FollowedKey => {
      const isConfigured = configured.some((anchor) => anchorMatches(anchor, key));
      return { rdata: key.rdata, state: isConfigured ? 'valid' : 'pending', since: now };
    });
  return {
    zone: before.zone,
    keys: [...keys, ...fresh].slice(0, MAX_FOLLOWED_KEYS),
    nextQuery: now + interval(seen, now, 15 * DAY, 0.5),
  };
}

/** Section 2.3, where the zone could not be asked, or what it said did not hold. */
export function afterFailure(before: AnchorState, now: number): AnchorState {
  return { ...before, nextQuery: now + HOUR };
}

/** What is to be trusted: what is configured and not revoked, and what has become valid since. */
export function trustedAnchors(state: AnchorState, configured: readonly TrustAnchor[]): TrustAnchor[] {
  const revoked = state.keys
    .filter((key) => key.state === 'revoked')
    .flatMap(({ rdata }) => readAnyZoneKey(rdata) ?? []);
  const kept = configured.filter((anchor) => !revoked.some((key) => anchorMatches(anchor, key)));
  const followed = state.keys.filter(({ state: is }) => is === 'valid' || is === 'missing');
  const learned = followed.flatMap(({ rdata }): TrustAnchor[] => {
    const key = readAnyZoneKey(rdata);
    return key === undefined ? [] : [{ name: state.zone, data: key.data, rdata }];
  });
  return [...kept, ...learned];
}

/** Section 4's table, for one key. An empty list forgets it. */
function next(
  known: FollowedKey,
  seen: Sighting,
  entryPoints: readonly ZoneKey[],
  now: number,
): FollowedKey[] {
  const become = (state: KeyState): FollowedKey[] => [{ ...known, state, since: now }];
  const isRevokedNow = seen.selfRevoked.some((key) => isSameKey(known.rdata, key.rdata));
  const isPresent = entryPoints.some((key) => isSameKey(known.rdata, key.rdata));
  switch (known.state) {
    case 'pending': {
      if (!isPresent) return [];
      const hold = Math.max(HOLD_DOWN, seen.originalTtl * 1000);
      return now - known.since >= hold ? become('valid') : [known];
    }
    case 'valid':
      if (isRevokedNow) return become('revoked');
      return isPresent ? [known] : become('missing');
    case 'missing':
      if (isRevokedNow) return become('revoked');
      return isPresent ? become('valid') : [known];
    case 'revoked':
      // Never forgotten, where section 2.4.2 would allow it: it may still be configured.
      return [known];
    default: {
      const never: never = known.state;
      return never;
    }
  }
}

/** Section 2.3: between an hour and `longest`, by the TTL and by what is left of the signature. */
function interval(seen: Sighting, now: number, longest: number, part: number): number {
  return Math.max(HOUR, Math.min(longest, part * seen.originalTtl * 1000, part * (seen.expires - now)));
}

function anchorMatches(anchor: TrustAnchor, key: ZoneKey): boolean {
  return anchor.data.type === 'DS'
    ? dsMatchesKey(anchor.data, anchor.name, key)
    : isSameKey(anchor.rdata, key.rdata);
}

/** Algorithm and public key; flags may differ. */
function isSameKey(a: Uint8Array, b: Uint8Array): boolean {
  return sameBytes(a.subarray(3), b.subarray(3));
}

const FORMAT = '; danelaw trust anchors, followed by RFC 5011; format 1';

/** A zone file of DNSKEY records, the state of each in a comment, so that other tools can read it. */
export function writeAnchorState(state: AnchorState): string {
  const lines = state.keys.map(({ rdata, state: is, since }) => {
    const key = `${state.zone.toAbsolute()} IN DNSKEY ${formatRdata(RRTYPE.DNSKEY, rdata)}`;
    return `; state=${is} since=${new Date(since).toISOString()}\n${key}`;
  });
  const head = `${FORMAT}\n; zone=${state.zone.toAbsolute()} next-query=${new Date(state.nextQuery).toISOString()}`;
  return `${[head, ...lines].join('\n')}\n`;
}

/**
 * @throws WireError where the text is not what `writeAnchorState` writes: what to trust is not to be guessed
 */
export function readAnchorState(text: string, zone: Name): AnchorState {
  const [format, head = '', ...lines] = text.trimEnd().split('\n');
  const [, owner, nextQuery = ''] = /^; zone=(\S+) next-query=(\S+)$/.exec(head) ?? [];
  if (format !== FORMAT || owner !== zone.toAbsolute()) {
    throw new WireError(`not a state of trust anchors for ${zone.toAbsolute()}`);
  }
  const keys: FollowedKey[] = [];
  for (let i = 0; i < lines.length; i += 2) {
    const [, state, since = ''] =
      /^; state=(pending|valid|missing|revoked) since=(\S+)$/.exec(lines[i] ?? '') ?? [];
    const [record] = parseRecords(lines[i + 1] ?? '');
    if (
      !isKeyState(state) ||
      record?.type !== RRTYPE.DNSKEY ||
      record.class !== CLASS_IN ||
      !record.name.equals(zone)
    ) {
      throw new WireError(`lines ${i + 3} and ${i + 4} are no key with its state`);
    }
    keys.push({ rdata: record.rdata, state, since: readTime(since) });
  }
  return { zone, keys, nextQuery: readTime(nextQuery) };
}

function isKeyState(text: string | undefined): text is KeyState {
  return text === 'pending' || text === 'valid' || text === 'missing' || text === 'revoked';
}

function readTime(text: string): number {
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw new WireError(`"${text}" is not a time`);
  return time;
}
