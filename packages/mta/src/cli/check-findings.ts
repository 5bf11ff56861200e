/**
 * What is worth telling about a domain's mail servers: their TLSA records, and the sessions that were tried
 * with them.
 */
import type { ZoneFault } from '@danelaw/dns';
import type { AddressProbe, FailureType, HostProbe, ProbeReport, TlsaSummary } from '@danelaw/smtp';
import { shortTlsa } from './delivery-report.js';
import { DOMAIN, type Finding, finding, type Place, REPAIR_DNSSEC } from './finding.js';
import { routeFindings } from './route-findings.js';
import { stsFindings, unlistedHost } from './sts-findings.js';
import { zoneFaultFinding } from './zone-fault-findings.js';

/** Hosts whose look-ups were found to be bogus, and not just unanswered, with the zone's fault where it is known. */
export type BogusHosts = ReadonlyMap<string, ZoneFault | undefined>;

export function findingsOf({ route, hosts, sts }: ProbeReport, bogusHosts: BogusHosts): Finding[] {
  return [
    ...routeFindings(route),
    ...stsFindings(sts, hosts),
    ...hosts.flatMap((host) => hostFindings(host, bogusHosts)),
    ...mixedFindings(hosts),
  ];
}

function hostFindings(probe: HostProbe, bogusHosts: BogusHosts): Finding[] {
  const place = { host: probe.host.host, address: null };
  return [
    ...decisionFindings(probe, place, bogusHosts),
    ...tlsaFindings(probe, place),
    ...probe.addresses.flatMap((address) => addressFindings(probe, address)),
  ];
}

function decisionFindings({ decision, host }: HostProbe, place: Place, bogusHosts: BogusHosts): Finding[] {
  if (decision.action === 'connect') return [];
  switch (decision.cause) {
    case 'absent':
      return [
        finding(
          'error',
          'no-address',
          place,
          'RFC 7672 section 2.2.2',
          decision.reason,
          'Give the host an address record, or take it out of the MX records.',
        ),
      ];
    case 'look-up': {
      const isBogus = bogusHosts.has(host.host);
      const fault = bogusHosts.get(host.host);
      if (fault !== undefined) {
        return [zoneFaultFinding(fault, place, 'senders with DANE do not use the hosts that rest on it')];
      }
      return [
        finding(
          isBogus ? 'error' : 'unclear',
          isBogus ? 'host-bogus' : 'host-indeterminate',
          place,
          'RFC 7672 section 2.1.2',
          decision.reason,
          isBogus
            ? REPAIR_DNSSEC
            : "Try again; if it stays so, look after the name servers of the host's zone: they must answer " +
                'TLSA too.',
        ),
      ];
    }
    case 'policy':
      if (decision.failureType === 'validation-failure')
        return [unlistedHost(place, 'error', decision.reason)];
      return [
        finding(
          'error',
          'policy',
          place,
          'RFC 7672 section 6',
          decision.reason,
          'Publish usable, signed TLSA records, and sign the MX records; or use another policy.',
        ),
      ];
    default: {
      const never: never = decision.cause;
      return never;
    }
  }
}

const PUBLISH = 'Publish "3 1 1" with the SHA2-256 digest of the public key of the server\'s certificate';

function tlsaFindings({ tlsa, host }: HostProbe, place: Place): Finding[] {
  if (tlsa === null || host.kind === 'address') return [];
  switch (tlsa.status) {
    case 'none':
      return [
        finding(
          'warning',
          'no-tlsa',
          place,
          'RFC 7672 section 2.2',
          `DANE does not protect mail to this host: ${tlsa.reason ?? 'it has no TLSA records'}`,
          `${PUBLISH} at _${host.port}._tcp.${host.host}, in a signed zone (RFC 7672 section 3.1).`,
        ),
      ];
    case 'unusable':
      return [
        finding(
          'warning',
          'tlsa-unusable',
          place,
          'RFC 7672 section 2.2',
          'none of its TLSA records can be used: senders demand TLS of it, and do not know whose it is',
          `${PUBLISH} (RFC 7672 section 3.1).`,
        ),
        ...recordFindings(tlsa, place),
      ];
    case 'usable':
      return recordFindings(tlsa, place);
    case 'failed':
      return [];
    default: {
      const never: never = tlsa.status;
      return never;
    }
  }
}

function recordFindings({ records }: TlsaSummary, place: Place): Finding[] {
  return records.flatMap(({ record, setAside }) => {
    if (setAside === null || hasStronger(record, records)) return [];
    const [usage] = record.split(' ');
    const isPkix = usage === '0' || usage === '1';
    return [
      finding(
        'warning',
        'tlsa-set-aside',
        place,
        isPkix ? 'RFC 7672 section 3.1.3' : 'RFC 7672 section 2.2',
        `TLSA ${shortTlsa(record)} can't be used: ${setAside}`,
        isPkix ? 'Replace it by a record with usage 3 or 2.' : 'Correct the record, or remove it.',
      ),
    ];
  });
}

/**
 * Set aside for a stronger digest of the same usage and selector, which is as it should be (RFC 7671 section
 * 9).
 */
function hasStronger(record: string, records: TlsaSummary['records']): boolean {
  const [usage, selector, matchingType] = record.split(' ');
  const stronger = `${usage} ${selector} 2 `;
  return (
    matchingType === '1' && records.some((each) => each.setAside === null && each.record.startsWith(stronger))
  );
}

function addressFindings(probe: HostProbe, address: AddressProbe): Finding[] {
  const place = { host: probe.host.host, address: address.address };
  return address.ok ? sessionFindings(place, address) : failureFindings(place, address);
}

function sessionFindings(place: Place, { tls, policy }: AddressProbe): Finding[] {
  if (tls === null && policy.level !== 'none') {
    return [
      finding(
        'warning',
        'clear-text',
        place,
        'RFC 7672 section 2.2',
        'mail goes to it in clear text, for all to read',
        'Let the server offer STARTTLS (RFC 3207).',
      ),
    ];
  }
  if (tls?.protocol === 'TLSv1' || tls?.protocol === 'TLSv1.1') {
    return [
      finding(
        'warning',
        'old-tls',
        place,
        'RFC 8996 section 4',
        `it speaks ${tls.protocol}, which must not be used any more`,
        'Let the server speak TLS 1.2 or later; senders with DANE may ask for no less (RFC 9325 section ' +
          '3.1.1).',
      ),
    ];
  }
  return [];
}

function failureFindings(place: Place, { tls, policy, reason: full, failureType }: AddressProbe): Finding[] {
  // The finding says where it was found; the reason need not.
  const prefix = `${place.host} [${place.address}]: `;
  const reason = full.startsWith(prefix) ? full.slice(prefix.length) : full;
  switch (failureType) {
    case 'starttls-not-supported':
      return [
        finding(
          'error',
          'starttls-missing',
          place,
          'RFC 7672 section 2.2',
          reason,
          'Let the server offer STARTTLS to every client, or remove the TLSA records: they are a promise ' +
            'of TLS.',
        ),
      ];
    case 'certificate-host-mismatch':
    case 'certificate-expired':
    case 'certificate-not-trusted':
    case 'validation-failure':
    case 'tlsa-invalid':
      return [
        tls === null
          ? handshakeFinding(place, policy.level, reason)
          : mismatchFinding(place, failureType, reason),
      ];
    case 'dnssec-invalid':
    case 'dane-required':
    // Of a policy, not of a server: never what a session failed by.
    case 'sts-policy-fetch-error':
    case 'sts-policy-invalid':
    case 'sts-webpki-invalid':
    case null:
      return [
        finding(
          'unclear',
          'unreachable',
          place,
          'RFC 5321 section 5.1',
          reason,
          'Try again; if it stays so, see that the server can be reached from outside and greets its ' +
            'clients.',
        ),
      ];
    default: {
      const never: never = failureType;
      return never;
    }
  }
}

function handshakeFinding(place: Place, level: string, reason: string): Finding {
  const remedy =
    'See to it that the server can speak TLS 1.2 or later to any client, whatever name SNI gives.';
  return level === 'may'
    ? finding(
        'warning',
        'handshake',
        place,
        'RFC 7672 section 2.2',
        `${reason}; senders go on in clear text`,
        remedy,
      )
    : finding('error', 'handshake', place, 'RFC 7672 section 2.2', reason, remedy);
}

/** What a certificate that was shown can fail by. */
type MismatchType = Extract<FailureType, `certificate-${string}` | 'validation-failure' | 'tlsa-invalid'>;

function mismatchFinding(place: Place, code: MismatchType, reason: string): Finding {
  return finding(
    'error',
    code === 'validation-failure' ? 'tlsa-mismatch' : code,
    place,
    'RFC 7672 section 3.2',
    reason,
    'Publish a TLSA record for what the server presents, beside the others; and next time before the key ' +
      'changes ' +
      '(RFC 7672 section 4).',
  );
}

/** RFC 7672 section 2.2.1: "all their SMTP servers and MX records" have to be configured for it. */
function mixedFindings(hosts: readonly HostProbe[]): Finding[] {
  const isProtected = ({ tlsa }: HostProbe) => tlsa?.status === 'usable';
  const bare = hosts.filter((host) => host.tlsa?.status === 'none');
  if (bare.length === 0 || !hosts.some(isProtected)) return [];
  const names = bare.map(({ host }) => host.host).join(', ');
  return [
    finding(
      'warning',
      'partly-protected',
      DOMAIN,
      'RFC 7672 section 2.2.1',
      `an attacker who blocks the protected servers diverts the mail to those without TLSA records: ${names}`,
      'Publish TLSA records for every MX host.',
    ),
  ];
}
