/**
 * One query over UDP (RFC 1035 section 4.2.1), from a socket of its own: the kernel picks a fresh random source port, which
 * together with the message id an off-path attacker has to guess (RFC 5452 section 9.2). The socket is connected, so that the
 * kernel drops what comes from elsewhere.
 */
import { createSocket, type RemoteInfo } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { onAbort } from './abort.js';
import { sameAddress } from './address.js';
import { isReplyTo } from './reply-match.js';
import { TransportError } from './transport-error.js';

/** Datagrams ignored before the wait is given up: an attacker must not get thousands of guesses at one query. */
export const MAX_JUNK_DATAGRAMS = 100;

export function exchangeUdp(
  query: Uint8Array,
  server: { readonly address: string; readonly port: number },
  signal: AbortSignal,
): Promise<Uint8Array> {
  const name = `${server.address}#${server.port}`;
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4');
    let settled = false;
    let junk = 0;
    let stop = () => {};
    const settle = (outcome: () => void) => {
      if (settled) return;
      settled = true;
      stop();
      socket.close();
      outcome();
    };
    const fail = (error: Error) => {
      const cause = { cause: error };
      settle(() => reject(new TransportError('unreachable', `UDP to ${name}: ${error.message}`, cause)));
    };
    stop = onAbort(signal, () => settle(() => reject(signal.reason)));
    if (settled) return;
    socket.on('error', fail);
    socket.on('message', (datagram: Uint8Array, from: RemoteInfo) => {
      // Between bind and connect the kernel takes datagrams from anyone: the source is checked here too.
      const isFromServer = from.port === server.port && sameAddress(from.address, server.address);
      const reply = new Uint8Array(datagram.buffer, datagram.byteOffset, datagram.length);
      if (isFromServer && isReplyTo(query, reply)) settle(() => resolve(reply));
      else if (++junk >= MAX_JUNK_DATAGRAMS) {
        const what = `${junk} datagrams that are no reply to the query to ${name}: ids are being guessed`;
        settle(() => reject(new TransportError('junk', what)));
      }
    });
    socket.on('connect', () => {
      if (settled) return;
      socket.send(query, (error) => {
        if (error !== null) fail(error);
      });
    });
    // `exclusive`: in a cluster, workers would otherwise share one port.
    socket.bind({ port: 0, exclusive: true }, () => {
      if (!settled) socket.connect(server.port, server.address);
    });
  });
}
