/**
 * The name that a client gives in EHLO: its full name, or an address literal where it has none (RFC 5321
 * section 4.1.4).
 */
import { hostname, type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { parseMailDomain } from '../address.js';
import { CommandError, EXIT } from './exit.js';

/** A name of one label is known to nobody else; that and an underscore are what many servers refuse. */
export function ehloName(
  given: string | undefined,
  machine = { name: hostname(), interfaces: networkInterfaces() },
): string {
  if (given !== undefined) {
    const domain = parseMailDomain(given);
    if (!domain.ok) throw new CommandError(EXIT.USAGE, `--helo ${given}: ${domain.reason}`);
    return domain.domain;
  }
  const own = parseMailDomain(machine.name);
  if (own.ok && own.domain.includes('.') && !own.domain.includes('_')) return own.domain;
  return addressLiteral(Object.values(machine.interfaces).flatMap((addresses) => addresses ?? []));
}

/**
 * IPv4 first, as more servers have seen such a literal; a machine without a network still has its loopback.
 */
function addressLiteral(addresses: readonly NetworkInterfaceInfo[]): string {
  const outside = addresses.filter(({ internal }) => !internal);
  const ipv4 = outside.find(({ family }) => family === 'IPv4');
  if (ipv4 !== undefined) return `[${ipv4.address}]`;
  const ipv6 = outside.find(({ family, scopeid }) => family === 'IPv6' && scopeid === 0);
  return ipv6 === undefined ? '[127.0.0.1]' : `[IPv6:${ipv6.address}]`;
}
