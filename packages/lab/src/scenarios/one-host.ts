/** The commonest shape of a scenario: a domain with one MX host, `mx`, in its own zone. */
import type { HostSpec, Scenario, ZoneSpec } from '../scenario.js';
import { REFUSALS, type Refusal } from './refusals.js';

export interface OneHost extends Pick<ZoneSpec, 'signing' | 'habits' | 'withoutDs'> {
  readonly host: HostSpec;
  /** Besides the MX record. */
  readonly records?: readonly string[];
  readonly authorities?: Scenario['authorities'];
}

export function oneHost(
  domain: string,
  spec: OneHost,
): Pick<Scenario, 'domain' | 'zones' | 'hosts' | 'authorities'> {
  const { host, records = [], authorities, ...zone } = spec;
  return {
    domain,
    zones: { [domain]: { records: ['@ MX 10 mx', ...records], ...zone } },
    hosts: { [`mx.${domain}`]: host },
    ...(authorities === undefined ? {} : { authorities }),
  };
}

/** Authenticated at the MX host `mx` of the domain, which is the TLSA base domain too. */
export function authenticated(domain: string, by: string): Scenario['expected'] {
  const host = `mx.${domain}`;
  return { status: 'delivered', host, mx: 'secure', tls: { by, baseDomain: host } };
}

/** Delivered to `mx` as before DANE. */
export function unauthenticated(
  domain: string,
  mx: 'secure' | 'insecure',
  tls: 'none' | 'unauthenticated' = 'unauthenticated',
): Scenario['expected'] {
  return { status: 'delivered', host: `mx.${domain}`, mx, tls };
}

export function deferred(because: Refusal): Scenario['expected'] {
  return { status: 'deferred', because, evidence: REFUSALS[because] };
}

export function failed(because: Refusal): Scenario['expected'] {
  return { status: 'failed', because, evidence: REFUSALS[because] };
}

/** A hosting company's certification authorities. */
export const AUTHORITIES = { Root: {}, Issuer: { parent: 'Root' } } as const;
