/** What `danelaw tlsa` finds out of a server before it judges or does anything. */
import { createNetworkTransport, type Resolver } from '@danelaw/dns';
import { type Gathered, gather } from '../tlsa/gather.js';
import { type Moment, steadyClock } from '../tlsa/steady-clock.js';
import type { DnsOptions } from './network-options.js';
import { withResolver } from './open-resolver.js';
import { withProgress } from './progress.js';
import type { Io } from './terminal.js';
import { clockFrom } from './time.js';
import type { MeantServer } from './tlsa-server.js';

export interface LookOptions extends DnsOptions {
  /** Whether the server itself is asked, and not DNS alone; by default it is. */
  readonly server?: boolean;
}

/** Every authoritative name server, our own resolver, and every address of the server. */
export async function lookAt(server: MeantServer, options: LookOptions, io: Io): Promise<Gathered> {
  return await withResolver(options, clockFrom(options.at), io, (resolver) =>
    withProgress(io, `looking at ${server.host} ...`, () => gatherWith(resolver, server, options, io)),
  );
}

/** The same by a resolver that is there. */
export async function gatherWith(
  resolver: Resolver,
  { host, port, starttls, heloName, timeout }: MeantServer,
  { dnsPort, server: askServer = true }: LookOptions,
  { signal }: Io,
): Promise<Gathered> {
  const transport = createNetworkTransport();
  try {
    return await gather({
      resolver,
      transport,
      host,
      server: { port, starttls, heloName, timeout },
      askServer,
      signal,
      ...(dnsPort === undefined ? {} : { dnsPort }),
    });
  } finally {
    await transport.close();
  }
}

/** With `--at` there is no other clock. */
export async function momentOf({ at }: Pick<LookOptions, 'at'>): Promise<Moment> {
  return { now: Math.floor(clockFrom(at)()), steady: at === undefined ? await steadyClock() : null };
}
