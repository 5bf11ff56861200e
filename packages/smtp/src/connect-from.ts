/**
 * Connecting from an address of the administrator's choice: by it receivers know a sender, and some rules of the
 * policy table want another one than the rest.
 */
import { connect as tcpConnect } from 'node:net';
import type { Connect } from './connection.js';

/** Where a family has none, the system chooses. */
export interface SourceAddresses {
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
}

const known = new Map<string, Connect>();
/** Pairs that are remembered: a configuration has a handful. */
const MOST = 1000;

/** The same function for the same addresses, as connections are shared only among those who connect in one way. */
export function connectFrom({ ipv4, ipv6 }: SourceAddresses): Connect {
  const key = `${ipv4} ${ipv6}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  const connect: Connect = ({ address, family, port }) => {
    const localAddress = family === 4 ? ipv4 : ipv6;
    const local = localAddress === undefined ? {} : { localAddress };
    return tcpConnect({ host: address, port, family, noDelay: true, ...local });
  };
  if (known.size >= MOST) known.clear();
  known.set(key, connect);
  return connect;
}
