/** The resolver that the options ask for. */
import { createResolver, type Resolver } from '@danelaw/dns';
import { CommandError, EXIT } from './exit.js';
import { type DnsOptions, resolverSettings } from './network-options.js';

/**
 * @throws CommandError where the settings can't be used: 64 where the options contradict each other, 78 where
 * the system's own settings are at fault
 */
export function openResolver(options: DnsOptions, clock: () => number): Resolver {
  const settings = resolverSettings(options, clock);
  try {
    return createResolver(settings);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new CommandError(
      settings.upstream === 'system' ? EXIT.CONFIG : EXIT.USAGE,
      `--resolver: ${error.message}`,
    );
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
