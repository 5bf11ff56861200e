/** What the listener is told of the configuration. */
import type { RelayConfig } from '../config/relay-config.js';
import type { ListenerSettings } from '../listener/options.js';

export function listenerSettings({ hostname, listen, tls, users, clients }: RelayConfig): ListenerSettings {
  return {
    name: hostname,
    addresses: listen.map(({ address: host, port, tls: mode }) => ({
      protocol: mode === 'implicit' ? 'smtps' : 'smtp',
      host,
      port,
    })),
    certificate: tls,
    users,
    networks: clients.networks,
    openRelay: clients.openRelay,
    limits: {
      connections: clients.connections,
      connectionsOfClient: clients.connectionsPerClient,
      recipients: clients.recipients,
      messageOctets: clients.messageSize,
    },
  };
}
