/**
 * Connections to mail servers as Haraka's operator wants them: from the address that the message was given
 * (`notes.outbound_ip`), and not to this machine itself, unless `local_mx_ok` in `outbound.ini` allows it - mail for a
 * domain whose MX is this very host would come back for ever.
 */
import { isIP, Socket, connect as tcpConnect } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Connect } from '@danelaw/smtp';

export function outlet(localMxOk: boolean, localAddress: unknown): Connect {
  return ({ address, family, port }) => {
    if (!localMxOk && isOwn(address)) {
      return refused(`${address} is an address of this machine (outbound.ini: local_mx_ok)`);
    }
    const from = typeof localAddress === 'string' && isIP(localAddress) === family ? { localAddress } : {};
    return tcpConnect({ host: address, port, family, noDelay: true, ...from });
  };
}

function isOwn(address: string): boolean {
  if (address.startsWith('127.') || address === '::1' || address === '0.0.0.0' || address === '::')
    return true;
  return Object.values(networkInterfaces()).some((own) => own?.some((each) => each.address === address));
}

/** A connection that fails once somebody listens to it. */
function refused(words: string): Socket {
  const socket = new Socket();
  setImmediate(() => socket.destroy(Object.assign(new Error(words), { syscall: 'connect' })));
  return socket;
}
