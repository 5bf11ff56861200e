/** Connects from the addresses that the operator chose: what the world's lists know us by. */
import { connect as tcpConnect } from 'node:net';
import type { Connect } from '@danelaw/smtp';

export function connectFrom(source: {
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
}): Connect {
  return ({ address, family, port }) => {
    const localAddress = family === 4 ? source.ipv4 : source.ipv6;
    const local = localAddress === undefined ? {} : { localAddress };
    return tcpConnect({ host: address, port, family, noDelay: true, ...local });
  };
}
