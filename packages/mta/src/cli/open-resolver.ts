/** The resolver that the options ask for. */
import { createResolver, type Resolver } from '@danelaw/dns';
import { CommandError, EXIT } from './exit.js';
import { type DnsOptions, resolverSettings } from './network-options.js';

/**
 * @throws CommandError where the settings can't be used: an anchor that is no anchor, a server that can't be asked
 */
export function openResolver(options: DnsOptions, clock: () => number): Resolver {
  const settings = resolverSettings(options, clock);
  try {
    return createResolver(settings);
  } catch (error) {
    // Options have been checked by now; what is left is the contents of the files and the system's settings.
    throw new CommandError(EXIT.CONFIG, error instanceof Error ? error.message : String(error));
  }
}

/** Runs `work` with a resolver that is closed afterwards, whatever happens. */
export async function withResolver<T>(
  options: DnsOptions,
  clock: () => number,
  work: (resolver: Resolver) => Promise<T>,
): Promise<T> {
  const resolver = openResolver(options, clock);
  try {
    return await work(resolver);
  } finally {
    await resolver.close();
  }
}
