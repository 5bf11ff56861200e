/**
 * What is worth telling of one server's TLSA records: where publication, name servers and server do not agree, each with the
 * rule and the remedy. Severities are those of `danelaw check`.
 */
import { formatTlsa } from '@danelaw/dane';
import type { AuthorityAnswer } from '@danelaw/dns';
import type { Gathered } from '../tlsa/gather.js';
import { tlsaName } from '../tlsa/record-text.js';
import type { NotShown, ServedAddress } from '../tlsa/served.js';
import {
  difference,
  type JudgedChain,
  type JudgedServed,
  judgeChain,
  type Publication,
  type RrsetDifference,
  unmatchedRecords,
} from '../tlsa/verification.js';
import { type OlderCopy, olderCopy, recordsOf, timeLeft } from './cached-records.js';
import { shortTlsa } from './delivery-report.js';
import { type Finding, finding, type Place, REPAIR_DNSSEC } from './finding.js';
import { faultOf, zoneFaultFinding } from './zone-fault-findings.js';

const list = (texts: readonly string[]): string => texts.join(', ');
const short = (records: Publication['records']): string =>
  list(records.map((record) => shortTlsa(formatTlsa(record))));

export function findingsOf(
  gathered: Gathered,
  publication: Publication,
  served: readonly JudgedServed[],
  port: number,
): Finding[] {
  const place = { host: publication.host, address: null };
  return [
    ...publishedFindings(gathered, place, port),
    ...authorityFindings(gathered, publication, served),
    ...gathered.served.flatMap((each) => addressFindings(each, publication.host)),
    ...(publication.records.length === 0
      ? []
      : served.flatMap((each) => chainFindings(each, publication.host))),
    ...unmatchedFindings(publication, served, place),
  ];
}

const PUBLISH = 'Make them with "danelaw tlsa create", and publish them in a signed zone.';

/** What DNS has, as our own resolver validates it. */
function publishedFindings(
  { finding: found, lookup, name }: Gathered,
  place: Place,
  port: number,
): Finding[] {
  const fault = faultOf(lookup);
  if (fault !== undefined) return [zoneFaultFinding(fault, place, 'senders with DANE keep their mail back')];
  if (found.status !== 'reachable') {
    const isBogus = found.bogus === true;
    const severity = found.status === 'absent' || isBogus ? 'error' : 'unclear';
    const remedy = isBogus ? REPAIR_DNSSEC : 'Give the host an address record; if it has one, try again.';
    return [finding(severity, 'no-address', place, 'RFC 7672 section 2.2.2', found.reason, remedy)];
  }
  const { tlsa } = found;
  switch (tlsa.status) {
    case 'usable':
      return tlsa.published.flatMap(({ record, setAside }) =>
        setAside === undefined || isShadowed(setAside)
          ? []
          : [
              finding(
                'warning',
                'tlsa-set-aside',
                place,
                'RFC 7672 section 2.2',
                `TLSA ${shortTlsa(formatTlsa(record))} can't be used: ${setAside}`,
                'Correct the record, or remove it.',
              ),
            ],
      );
    case 'unusable':
      return [
        finding(
          'error',
          'tlsa-unusable',
          place,
          'RFC 7672 section 2.2',
          `none of the TLSA records at ${name} can be used: senders encrypt, and do not know to whom`,
          PUBLISH,
        ),
      ];
    case 'none': {
      const isUnsigned = lookup.status === 'insecure' && lookup.records.length > 0;
      return [
        finding(
          'error',
          isUnsigned ? 'tlsa-unsigned' : 'no-tlsa',
          place,
          'RFC 7672 section 2.2',
          isUnsigned
            ? `the TLSA records at ${tlsaName(publicationHost(place), port)} are not signed, so that nobody may use them: ${tlsa.reason}`
            : `there are no TLSA records for it: ${tlsa.reason}`,
          isUnsigned ? 'Sign the zone, and have its DS record put into the parent zone.' : PUBLISH,
        ),
      ];
    }
    case 'failed': {
      const isBogus = lookup.status === 'bogus';
      return [
        finding(
          isBogus ? 'error' : 'unclear',
          isBogus ? 'tlsa-bogus' : 'tlsa-indeterminate',
          place,
          'RFC 7672 section 2.1.2',
          `${tlsa.reason}; senders with DANE keep their mail back`,
          isBogus ? REPAIR_DNSSEC : 'Try again; if it stays so, look after the name servers of the zone.',
        ),
      ];
    }
    default: {
      const never: never = tlsa;
      return never;
    }
  }
}

const publicationHost = ({ host }: Place): string => host ?? '';
/** Set aside for a stronger digest beside it, which is as it should be. */
const isShadowed = (why: string): boolean => why.includes('RFC 7671 section 9');

/** Where a sender that asks this server, and no other, would stand. */
function authorityFindings(
  gathered: Gathered,
  publication: Publication,
  served: readonly JudgedServed[],
): Finding[] {
  const { authorities, lookup, records } = gathered;
  const { host } = publication;
  // Where the resolver has no answer there is nothing to compare with.
  const isAnswered = lookup.status === 'secure' || lookup.status === 'insecure';
  if (authorities.status === 'failed') {
    return [
      finding(
        'unclear',
        'authorities-unknown',
        { host, address: null },
        'RFC 7671 section 8',
        `the authoritative name servers could not be asked one by one: ${authorities.reason}`,
        'Try again.',
      ),
    ];
  }
  const { servers, zone } = authorities;
  const answering = new Set(
    servers.filter(({ said }) => said.status === 'answered').map(({ server }) => server),
  );
  const older = olderCopy(gathered);
  const isOlder =
    older !== undefined && older.records.length > 0 && holds(older.records, publication, served);
  const findings = servers.flatMap(({ server, address, said }) => {
    const place = { host: server, address };
    if (said.status === 'failed') return [silentServer(place, said.reason, answering.has(server))];
    return [
      ...unsignedAnswer(place, said, lookup.status === 'secure'),
      ...(isAnswered && !isOlder ? otherRecords(place, said, { ...publication, records }, served) : []),
    ];
  });
  if (isOlder) findings.push(cachedCopy(older, { ...publication, records }));
  const serials = servers.flatMap(({ said }) => (said.status === 'answered' ? [said.serial] : []));
  const distinct = [...new Set(serials.filter((serial) => serial !== null))];
  if (distinct.length > 1) {
    const text = `the name servers of ${zone} have different versions of the zone: serials ${list(distinct.map(String))}`;
    const remedy = 'Wait until all have the latest one; if it stays so, look after the transfer of the zone.';
    findings.push(
      finding('warning', 'serials-differ', { host, address: null }, 'RFC 1912 section 2.2', text, remedy),
    );
  }
  return findings;
}

function silentServer(place: Place, reason: string, hasOtherAddress: boolean): Finding {
  return finding(
    hasOtherAddress ? 'note' : 'unclear',
    'name-server-silent',
    place,
    'RFC 7671 section 8',
    `this name server could not be asked: ${reason}`,
    hasOtherAddress
      ? 'Another address of it answers; see whether this one can be reached from elsewhere.'
      : 'Repair it, or take it out of the NS records: what it publishes is not known.',
  );
}

type Answered = Extract<AuthorityAnswer, { status: 'answered' }>;

const SIGN_THERE =
  'See that it has the signed zone: look after its transfer, or its own signer, and take it out of the NS records until then.';

function unsignedAnswer(place: Place, { signed }: Answered, isSecure: boolean): Finding[] {
  if (signed || !isSecure) return [];
  const text =
    'this name server answers without signatures, though the zone is signed: senders who ask it fail';
  return [finding('error', 'unsigned-answer', place, 'RFC 7672 section 2.1.2', text, SIGN_THERE)];
}

function otherRecords(
  place: Place,
  said: Answered,
  publication: Publication,
  served: readonly JudgedServed[],
): Finding[] {
  const own = recordsOf(said);
  const { missing, extra } = difference(publication.records, own);
  if (missing.length + extra.length === 0) return [];
  return [
    finding(
      holds(own, publication, served) && own.length > 0 ? 'warning' : 'error',
      'records-differ',
      place,
      'RFC 7671 section 8',
      `this name server has other TLSA records than our resolver found: ${whatDiffers('it', { missing, extra })}`,
      'Wait until all name servers have the same; until then neither switch to a new key nor retire an old one.',
    ),
  ];
}

/** Would the server be authenticated by these? */
function holds(
  records: Publication['records'],
  publication: Publication,
  served: readonly JudgedServed[],
): boolean {
  return served.every(({ chain }) => judgeChain(chain, { ...publication, records }).verdict.authenticated);
}

const whatDiffers = (who: string, { missing, extra }: RrsetDifference): string =>
  [
    ...(missing.length === 0 ? [] : [`${who} has not ${short(missing)}`]),
    ...(extra.length === 0 ? [] : [`${who} has ${short(extra)} besides`]),
  ].join('; ');

function cachedCopy({ records, left }: OlderCopy, publication: Publication): Finding {
  const what = whatDiffers('it', difference(records, publication.records));
  return finding(
    'note',
    'records-cached',
    { host: publication.host, address: null },
    'RFC 7671 section 8.1',
    `our resolver has the TLSA records from before a change, for ${timeLeft(left)} more: ${what}. All name servers agree`,
    'Others keep old records as long as their TTL: neither switch to a new key nor retire an old one before that. If it ' +
      'is the same afterwards, the delegation names other servers than the NS records of the zone.',
  );
}

function addressFindings({ address, asked }: ServedAddress, host: string): Finding[] {
  const place = { host, address };
  const [first] = asked;
  if (first !== undefined && asked.length === 1 && first.status === 'failed') {
    return [unreachable(place, first)];
  }
  const any = asked.filter(({ offer }) => offer.signatures === 'any');
  const refused = any.filter((each): each is NotShown => each.status === 'failed');
  if (refused.length === any.length) {
    const text = `no TLS handshake: ${list([...new Set(refused.map(({ reason }) => reason))])}`;
    const remedy =
      'See to it that the server can speak TLS 1.2 or later to any client, whatever name SNI gives.';
    return [finding('error', 'handshake', place, 'RFC 7672 section 2.2', text, remedy)];
  }
  return [...brokenOffers(refused, any.length, place), ...interrupted(asked, place)];
}

function unreachable(place: Place, { fault, reason }: NotShown): Finding {
  // A temporary refusal says nothing of TLS (RFC 5321 section 4.2.1).
  if (fault === 'starttls' && !/"4[0-9]{2}/u.test(reason)) {
    const remedy = 'Let the server offer STARTTLS to every client: TLSA records are a promise of TLS.';
    return finding('error', 'starttls-missing', place, 'RFC 7672 section 2.2', reason, remedy);
  }
  const remedy = 'Try again; if it stays so, see that the server can be reached from here.';
  return finding('unclear', 'unreachable', place, 'RFC 5321 section 5.1', reason, remedy);
}

/** Some ordinary handshakes stand and some do not. */
function brokenOffers(refused: readonly NotShown[], all: number, place: Place): Finding[] {
  if (refused.length === 0 || refused.length === all) return [];
  const versions = (name: 'with' | 'without'): string[] =>
    refused
      .filter(({ offer }) => (offer.serverName !== null) === (name === 'with'))
      .map(({ offer }) => offer.version);
  const withName = versions('with');
  const both = withName.filter((version) => versions('without').includes(version));
  const findings = both.map((version) =>
    finding(
      'note',
      'version-not-spoken',
      place,
      'RFC 9325 section 3.1.1',
      `it does not speak ${version}`,
      version === 'TLSv1.3'
        ? 'Let it speak TLS 1.3 too.'
        : 'Senders that know TLS 1.2 alone reach it no more.',
    ),
  );
  for (const version of withName.filter((each) => !both.includes(each))) {
    const text = `with its own name in SNI there is no handshake in ${version}, which is how senders with DANE ask`;
    findings.push(
      finding(
        'error',
        'sni-refused',
        place,
        'RFC 7672 section 8.1',
        text,
        'Let the server take its own name.',
      ),
    );
  }
  for (const version of versions('without').filter((each) => !both.includes(each))) {
    const text = `without SNI there is no handshake in ${version}: a server must not insist on a name`;
    const remedy = 'Give the server a certificate for clients that name nothing.';
    findings.push(finding('warning', 'sni-enforced', place, 'RFC 7672 section 8.1', text, remedy));
  }
  return findings;
}

/** A handshake that was never begun says nothing about certificates. */
function interrupted(asked: ServedAddress['asked'], place: Place): Finding[] {
  const cut = asked.filter(
    (each): each is NotShown => each.status === 'failed' && each.fault !== 'handshake',
  );
  const [first] = cut;
  if (first === undefined) return [];
  const text = `${cut.length} of ${asked.length} connections came to nothing, so it may have certificates that were not seen: ${first.reason}`;
  const remedy = 'Try again later; servers commonly limit connections of one client.';
  return [finding('unclear', 'not-all-seen', place, 'RFC 7671 section 8', text, remedy)];
}

function chainFindings(judged: JudgedServed, host: string): Finding[] {
  const addresses = [...new Set(judged.seen.map(({ address }) => address))];
  const place = { host, address: list(addresses) };
  const withName = judged.seen.some(({ offer }) => offer.serverName !== null);
  const { verdict } = judged;
  if (!verdict.usable) return [];
  const what = describeChain(judged);
  if (!verdict.authenticated) {
    const remedy =
      'Publish a TLSA record for it beside the others; and next time before the key changes (RFC 7671 section 8.1).';
    return [
      withName
        ? finding(
            'error',
            'tlsa-mismatch',
            place,
            'RFC 7672 section 3.2',
            `${what}: ${verdict.reason}`,
            remedy,
          )
        : finding(
            'warning',
            'tlsa-mismatch-without-sni',
            place,
            'RFC 7672 section 8.1',
            `${what}, shown to clients without SNI only: ${verdict.reason}`,
            'Senders with DANE send SNI; for others show the same certificate by default.',
          ),
    ];
  }
  return judged.unmatched.map((combination) =>
    finding(
      'warning',
      'combination-unmatched',
      place,
      'RFC 7671 section 8',
      `${what} matches no record with ${combination}: clients that know only those can't authenticate the server`,
      `Publish a ${combination} record for it, or remove all ${combination} records.`,
    ),
  );
}

export function describeChain({ kind, title }: Pick<JudgedChain, 'kind' | 'title'>): string {
  return `the ${kind === undefined ? '' : `${kind.toUpperCase()} `}certificate ${title}`;
}

function unmatchedFindings(
  { records }: Publication,
  served: readonly JudgedServed[],
  place: Place,
): Finding[] {
  if (served.length === 0) return [];
  return unmatchedRecords(records, served).map((record) =>
    finding(
      'note',
      'record-unmatched',
      place,
      'RFC 7671 section 8',
      `TLSA ${shortTlsa(formatTlsa(record))} matches nothing that the server shows`,
      'Right for a key that is to come; remove it if that key is gone.',
    ),
  );
}
