/**
 * A mail host that is ourselves: where MX records lead back to the sender, going on would be a loop.
 *
 * RFC 5321 section 5.1: "If the server finds itself in the list, all equal and lower-preference entries MUST be
 * discarded"; where nothing is left, the message is refused, as nobody knows a better server than us.
 */
import type { HostsRoute, Route, RouteHost } from './route.js';

/** @param ownNames host names of ours, in A-labels and lower case */
export function withoutOurselves(found: Route, ownNames: ReadonlySet<string>): Route {
  if (found.status !== 'hosts' || found.via === 'relay' || found.via === 'hosts') return found;
  const ours = found.hosts.find(({ host }) => ownNames.has(host));
  if (ours === undefined) return found;
  const better = found.hosts.filter((each) => isBetter(each, ours));
  const [first, ...others] = better;
  if (first === undefined) {
    const reason = `${found.domain} leads back to us: its best mail host is ${ours.host} (RFC 5321 section 5.1)`;
    return { status: 'loop', domain: found.domain, mx: found.mx, reason };
  }
  const left = found.hosts.length - better.length;
  const note = `${ours.host} is ourselves: hosts of its preference and worse are left out (${left})`;
  const route: HostsRoute = { ...found, hosts: [first, ...others], notes: [...found.notes, note] };
  return route;
}

function isBetter({ preference }: RouteHost, ours: RouteHost): boolean {
  return preference !== undefined && ours.preference !== undefined && preference < ours.preference;
}
