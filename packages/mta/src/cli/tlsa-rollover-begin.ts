/**
 * What a roll-over begins with: a server that is right now, the records that are to go, and the next ones in their place.
 *
 * What the next chain has anew is found by comparing it with the published records: those that match what is shown and would not
 * match what is to come. They are of the server's key, or of an authority above it; where it is both, that is two roll-overs.
 */
import { createPublicKey, X509Certificate } from 'node:crypto';
import { formatTlsa, publicKeyOf, type TlsaRecord, tlsaRecordFor, verifyCertificate } from '@danelaw/dane';
import { titleOf } from '../tlsa/advice.js';
import type { Gathered } from '../tlsa/gather.js';
import type { BareKey, Material, ServerChain } from '../tlsa/material.js';
import { parametersOf, recordOf } from '../tlsa/record-text.js';
import { planRecords } from '../tlsa/records.js';
import type { Rollover } from '../tlsa/rollover.js';
import type { Chain } from '../tlsa/rollover-view.js';
import { kindOf, kindOfKey } from '../tlsa/served.js';
import { combinationOf, type JudgedServed, judgeChain, type Publication } from '../tlsa/verification.js';
import { CommandError, EXIT } from './exit.js';
import { printable } from './printable.js';
import type { Io } from './terminal.js';
import { withinData } from './tlsa-files.js';
import { findingsOf } from './tlsa-findings.js';
import type { MeantServer } from './tlsa-server.js';

/** The records of what is replaced and of what replaces it, as text. */
export interface Beginning extends Pick<Rollover, 'old' | 'next' | 'changes'> {
  readonly chains: readonly Chain[];
}

type Kind = ReturnType<typeof kindOf>;

/** The wrong file is easily given: with DANE-EE any certificate will do, so nothing later would tell of it. */
export function warnOfAuthorities({ servers }: Material, host: string, { stderr }: Io): void {
  for (const { chain, from } of servers) {
    const [own = new Uint8Array()] = chain;
    const x509 = new X509Certificate(own);
    if (!x509.ca || x509.checkHost(host) !== undefined) continue;
    stderr.write(
      `danelaw: what ${printable(from)} holds is an authority's certificate (${printable(titleOf(x509))}), and none for ${host}: ` +
        'is that the one that the server will show?\n',
    );
  }
}

/** A roll-over keeps what is right right; it can't mend what is broken. @throws CommandError 69, 75 */
export function refuseBroken(
  gathered: Gathered,
  publication: Publication,
  served: readonly JudgedServed[],
  { host, port }: MeantServer,
): void {
  const findings = findingsOf(gathered, publication, served, port);
  const worst = findings.find(
    ({ severity, code }) => severity === 'error' || code === 'combination-unmatched',
  );
  const found = worst ?? findings.find(({ severity }) => severity === 'unclear');
  if (found === undefined) return;
  const code = worst === undefined ? EXIT.TEMPORARY : EXIT.UNAVAILABLE;
  throw new CommandError(
    code,
    `put this right first (danelaw tlsa verify ${host}): ${found.text} (${found.rule})`,
  );
}

/** @throws CommandError 65 where it can't be told what is to change, or it can't be done in one */
export function beginningOf(
  material: Material,
  served: readonly JudgedServed[],
  publication: Publication,
): Beginning {
  const shown = withName(served);
  const parts = [
    ...material.servers.map((server) => byChain(server, shown, publication)),
    ...material.keys.map((key) => byKey(key, shown)),
  ];
  const changes = parts.some((part) => part.changes === 'issuer') ? 'issuer' : 'key';
  if (parts.some((part) => part.changes !== changes)) refuse(TWO_AT_ONCE);
  const old = distinct(parts.flatMap((part) => part.old));
  const next = distinct(parts.flatMap((part) => part.next)).filter((record) => !old.includes(record));
  if (next.length === 0)
    refuse('the next key is the one in use: its records are published, and there is nothing to do');
  const kept = shown.filter((each) => !parts.some(({ replaced }) => replaced.includes(each)));
  const shared = kept.find(({ matched }) => matched.some((record) => old.includes(formatTlsa(record))));
  if (shared !== undefined) {
    refuse(
      `the record that would go is also that of another certificate of the server (${shared.title}): give what follows that one too, with a second --next`,
    );
  }
  if (shown.some(({ chain }) => next.some((record) => authenticates(chain, record, publication)))) {
    refuse(
      'what the server shows matches the next records already: publish them beside the others; nothing has to be waited for',
    );
  }
  const chains = material.servers.map(({ chain }) => chain);
  const records = [...publication.records, ...next.map(recordOf)];
  for (const chain of chains) refuseHalf(chain, { ...publication, records });
  return { old, next, changes, chains };
}

/** Before a key is made: is there anything that it could replace? @throws CommandError 65 */
export function refuseUnreplaceable(served: readonly JudgedServed[], kind: Kind): void {
  endEntityOf(replacedBy(withName(served), kind));
}

/** Nobody may be made to rely on records that are not there (order `after`). @throws CommandError 65 */
export function refuseUncarried({ chains, next }: Beginning, publication: Publication): void {
  const { records } = publication;
  const others = records.filter((record) => !next.includes(formatTlsa(record)));
  const isAuthority = ({ usage }: TlsaRecord): boolean => usage === 2;
  const carried =
    chains.length === 0
      ? others.some(isAuthority)
      : chains.every((chain) => judgeChain(chain, { ...publication, records: others }).verdict.authenticated);
  if (carried) return;
  refuse(
    'no other record matches what is to come, so that nothing would match between the switch and the new record: publish ' +
      '2 1 1 beside 3 1 1 first, or leave the order as it is',
  );
}

interface Part extends Pick<Beginning, 'old' | 'next' | 'changes'> {
  readonly replaced: readonly JudgedServed[];
}

const TWO_AT_ONCE =
  'One change at a time (RFC 7671 section 8.4): first a certificate for the new key from the present issuer, then one from the ' +
  'new issuer for that key, or the other way round';

function byChain(server: ServerChain, shown: readonly JudgedServed[], publication: Publication): Part {
  const { chain } = server;
  const sameKey = shown.filter((each) => isSameKey(each.chain[0], chain[0]));
  const replaced = sameKey.length > 0 ? sameKey : replacedBy(shown, kindOf(chain[0]));
  const lost = replaced
    .flatMap(({ matched }) => matched)
    .filter((record) => !authenticates(chain, formatTlsa(record), publication));
  const { unmatched } = judgeChain(chain, publication);
  const isOpen = (record: TlsaRecord): boolean => unmatched.includes(combinationOf(record));
  const [ee, ta] = [3, 2].map((wanted) => lost.filter(({ usage }) => usage === wanted));
  if (ee === undefined || ta === undefined || lost.length === 0) {
    refuse(
      'the next certificate matches every record that the present one does: there is nothing to do before it is used',
    );
  }
  if (ee.some(isOpen) && ta.some(isOpen)) refuse(bothReason(server, ta, replaced, publication));
  const isIssuer = ee.length === 0 || ta.some(isOpen);
  const old = isIssuer ? ta : ee;
  return {
    old: distinct(old.map(formatTlsa)),
    next: distinct(old.map((record) => nextFor(record, server, replaced))),
    changes: isIssuer ? 'issuer' : 'key',
    replaced,
  };
}

/** Of a key that has changed, the authority is another one; or it is the same, and is not sent or does not vouch for the host. */
function bothReason(
  { from, chain }: ServerChain,
  ta: readonly TlsaRecord[],
  replaced: readonly JudgedServed[],
  publication: Publication,
): string {
  const { baseDomain, host, now } = publication;
  const asked = { tlsa: ta, baseDomain, otherNames: [host], time: new Date(now) };
  const above = replaced.flatMap((each) => each.chain.slice(1));
  const what = `${from} has another key, and does not match ${distinct(ta.map(combinationOf)).join(', ')}`;
  if (verifyCertificate({ ...asked, chain: [...chain, ...above] }).authenticated) {
    return `${what}: its issuer is the same, but not in it; give the whole chain that is to be sent (RFC 7672 section 3.1.2)`;
  }
  const { reason } = verifyCertificate({ ...asked, chain });
  const names = (der: Uint8Array) =>
    ta.some((record) => formatTlsa(tlsaRecordFor(der, parametersOf(record))) === formatTlsa(record));
  return chain.slice(1).some(names) ? `${what}: ${reason}` : `${what}: ${reason}. ${TWO_AT_ONCE}`;
}

/** The record with the same parameters, about the certificate in the same place (RFC 7671 section 8.1). */
function nextFor(record: TlsaRecord, server: ServerChain, replaced: readonly JudgedServed[]): string {
  const parameters = parametersOf(record);
  const depths = replaced.map(({ chain }) =>
    chain.findIndex((der) => formatTlsa(tlsaRecordFor(der, parameters)) === formatTlsa(record)),
  );
  const depth = Math.max(1, ...depths);
  const [planned] = withinData(() => planRecords({ servers: [server], keys: [] }, [parameters], depth));
  if (planned === undefined) throw new TypeError('one server and one set of parameters give one record');
  return formatTlsa(planned.record);
}

function byKey(key: BareKey, shown: readonly JudgedServed[]): Part {
  const replaced = replacedBy(
    shown,
    kindOfKey(createPublicKey({ key: Buffer.from(key.spki), format: 'der', type: 'spki' })),
  );
  const old = endEntityOf(replaced);
  const wanted = [...new Map(old.map((record) => [combinationOf(record), parametersOf(record)])).values()];
  const planned = withinData(() => planRecords({ servers: [], keys: [key] }, wanted));
  return {
    old: distinct(old.map(formatTlsa)),
    next: distinct(planned.map(({ record }) => formatTlsa(record))),
    changes: 'key',
    replaced,
  };
}

function endEntityOf(replaced: readonly JudgedServed[]): readonly TlsaRecord[] {
  const records = replaced.flatMap(({ matched }) => matched.filter(({ usage }) => usage === 3));
  if (records.length > 0) return records;
  return refuse(
    'no DANE-EE record (usage 3) matches what the server shows; publish 3 1 1 first, for the key in use',
  );
}

/** What a server has several of is replaced by what is of the same kind. */
function replacedBy(shown: readonly JudgedServed[], kind: Kind): readonly JudgedServed[] {
  const leaves = new Set(shown.map(({ chain }) => Buffer.from(chain[0] ?? []).toString('latin1')));
  if (leaves.size <= 1) return shown;
  const ofKind = shown.filter((each) => each.kind === kind);
  if (ofKind.length > 0) return ofKind;
  const kinds = distinct(shown.map((each) => each.kind ?? 'other')).join(' and ');
  return refuse(
    `the server has several certificates (${kinds}), and none of the kind of the next key: choose one that it replaces, with --key-type or --next`,
  );
}

/** The other combinations that are published must match the next certificate too (RFC 7671 section 8). */
function refuseHalf(chain: Chain, publication: Publication): void {
  const { verdict, unmatched } = judgeChain(chain, publication);
  if (verdict.authenticated && unmatched.length === 0) return;
  const some = publication.records.filter((record) => unmatched.includes(combinationOf(record)));
  const { baseDomain, host, now } = publication;
  const { reason } = verifyCertificate({
    ...{ chain, tlsa: some, baseDomain, otherNames: [host], time: new Date(now) },
  });
  refuse(
    `the next certificate matches no record with ${unmatched.join(', ')}, which is published too (RFC 7671 section 8): ${reason}. Give ` +
      'the whole chain that is to be sent, or publish a record for it first, or remove those records',
  );
}

const withName = (served: readonly JudgedServed[]): readonly JudgedServed[] =>
  served.filter(({ seen }) => seen.some(({ offer }) => offer.serverName !== null));

const authenticates = (chain: Chain, record: string, publication: Publication): boolean =>
  judgeChain(chain, { ...publication, records: [recordOf(record)] }).verdict.authenticated;

const isSameKey = (one: Uint8Array | undefined, other: Uint8Array | undefined): boolean =>
  one !== undefined && other !== undefined && Buffer.compare(publicKeyOf(one), publicKeyOf(other)) === 0;
const distinct = (texts: readonly string[]): readonly string[] => [...new Set(texts)];

function refuse(why: string): never {
  throw new CommandError(EXIT.DATA, why);
}
