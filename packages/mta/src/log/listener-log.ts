/** The listener's facts under the names that the log has for them. */
import type { ConnectionFacts, ListenerLog } from '../listener/listener-log.js';
import type { RelayLog } from './relay-log.js';

export function listenerLog(log: RelayLog): ListenerLog {
  const of = ({ session, client }: ConnectionFacts) => ({ session, client });
  return {
    // One line for each connection would be most of the log, and say nothing that the messages don't.
    connected: () => {},
    disconnected: () => {},
    tls: () => {},
    authenticated: (connection, user) => log.info('login', { ...of(connection), user }),
    refused: (connection, command, { code, enhanced, text }) =>
      log.warn('refused', { ...of(connection), command, reply: `${code} ${enhanced} ${text}` }),
    received: (connection, { id, from, recipients, octets, user, answered }) =>
      log.info('received', { ...of(connection), id, from, recipients, octets, user, answered }),
    certificate: (file, notAfter) => log.info('certificate', { file, notAfter: notAfter.toISOString() }),
    connectionFailed: (reason) => log.warn('connection', { reason }),
    problem: (reason) => log.error('listener', { reason }),
  };
}
