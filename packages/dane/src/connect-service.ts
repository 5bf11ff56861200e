/**
 * A verified TLS connection to a service that a domain names by SRV records (RFC 2782, RFC 7673).
 *
 * How far the SRV answer can be trusted decides what its targets can be trusted with:
 *
 * - secure: the domain itself says which servers are its own. Their TLSA records count, and a certificate may be for
 *   the server or for the domain (sections 3.2 to 4.2);
 * - insecure: anybody may have named them. DANE does not apply, and the certificate must be for the *domain*, by an
 *   authority (section 4.1);
 * - failed: no connection (section 3.1: "the client MUST abort").
 */
import { type InsecureLookup, isAnswered, type SecureLookup } from '@danelaw/dns';
import {
  type ConnectOptions,
  connectToAddresses,
  connectToServer,
  type DaneConnection,
  withoutDane,
} from './connect.js';
import { DaneConnectError, noneOf } from './connect-error.js';
import { discoverAddresses } from './discover.js';

export interface ServiceOptions extends ConnectOptions {
  /** From 0 up to 1: chooses among targets of one priority by their weights. */
  readonly random?: () => number;
}

/** Targets that are tried, best first; a hostile zone could list thousands. */
const MAX_TARGETS = 10;

/**
 * Connects to the first server of a service that will do.
 *
 * @param service without underscore, as in `imaps` for `_imaps._tcp`
 * @throws (rejects) DaneConnectError: `absent` where there are no SRV records, so that the caller may go by the domain
 * itself with `connectDane`; the signal's reason on abort; TypeError for an invalid name
 */
export async function connectDaneService(
  service: string,
  domain: string,
  options: ServiceOptions,
): Promise<DaneConnection> {
  const name = `_${service}._tcp.${domain}`;
  const { resolver, signal, random = Math.random } = options;
  const lookup = await resolver.resolve(name, 'SRV', signal === undefined ? {} : { signal });
  if (!isAnswered(lookup)) {
    const words = `the SRV look-up of ${name} failed (${lookup.status}): ${lookup.reason}`;
    throw new DaneConnectError('look-up', `${words} (RFC 7673 section 3.1)`);
  }
  const targets = targetsOf(lookup);
  if (targets.length === 0)
    throw new DaneConnectError('absent', `${domain} has no SRV records for ${service}`);
  if (targets.every(({ host }) => host === '')) {
    throw new DaneConnectError(
      'absent',
      `${domain} does not offer ${service}: its SRV target is "." (RFC 2782)`,
    );
  }
  const attempts: DaneConnectError[] = [];
  for (const target of inOrder(targets, random).slice(0, MAX_TARGETS)) {
    if (target.host === '') continue;
    try {
      return await connectToTarget(target, domain, lookup.status, options);
    } catch (error) {
      if (!(error instanceof DaneConnectError)) throw error;
      attempts.push(error);
    }
  }
  throw noneOf(`no server for ${service} of ${domain} would do`, attempts);
}

interface Target {
  readonly priority: number;
  readonly weight: number;
  readonly host: string;
  readonly port: number;
}

async function connectToTarget(
  { host, port }: Target,
  domain: string,
  status: 'secure' | 'insecure',
  options: ConnectOptions,
): Promise<DaneConnection> {
  if (status === 'secure') {
    return await connectToServer({ host, port, otherNames: [domain], serverName: domain }, options);
  }
  const reason = `the SRV records of ${domain} are not signed (RFC 7673 section 3.1)`;
  // The reference name is the domain; the target "MUST NOT" be one (section 4.1).
  const trust = withoutDane(reason, { host: domain, port, otherNames: [] }, options);
  const { resolver, signal } = options;
  const found = await discoverAddresses(resolver, {
    host,
    port,
    ...(signal === undefined ? {} : { signal }),
  });
  switch (found.status) {
    case 'located':
      return await connectToAddresses(found, trust, options);
    case 'failed':
      throw new DaneConnectError(
        'look-up',
        `the addresses of ${host} could not be looked up: ${found.reason}`,
      );
    case 'absent':
      throw new DaneConnectError('absent', `${host} has no address: ${found.reason}`);
    default: {
      const never: never = found;
      return never;
    }
  }
}

function targetsOf(lookup: SecureLookup | InsecureLookup): Target[] {
  return lookup.records.flatMap(({ data }) => {
    if (data.type !== 'SRV') return [];
    const { priority, weight, port, target } = data;
    return [{ priority, weight, port, host: target.isRoot ? '' : target.toString() }];
  });
}

/**
 * By priority, and within one priority in random order weighted as RFC 2782 says: those of weight 0 come first in
 * the sum, and so have a small chance. Security plays no part (RFC 7673 section 9.1).
 */
function inOrder(targets: readonly Target[], random: () => number): Target[] {
  const left = [...targets].sort((a, b) => a.priority - b.priority || a.weight - b.weight);
  const order: Target[] = [];
  for (let best = left[0]; best !== undefined; best = left[0]) {
    const { priority } = best;
    const equals = left.filter((each) => each.priority === priority);
    const sum = equals.reduce((total, { weight }) => total + weight, 0);
    const mark = Math.floor(random() * (sum + 1));
    let reached = 0;
    const chosen = equals.find(({ weight }) => {
      reached += weight;
      return reached >= mark;
    });
    const next = chosen ?? best;
    order.push(next);
    left.splice(left.indexOf(next), 1);
  }
  return order;
}
