/** The resolver that the options ask for. */
import { createResolver, type Notice, type Resolver, type ResolverOptions } from '@danelaw/dns';
import { CommandError, EXIT } from './exit.js';
import { type DnsOptions, resolverSettings } from './network-options.js';
import { printable } from './printable.js';
import { ERASE_LINE } from './progress.js';
import { hanging, type Io, widthOf } from './terminal.js';

/**
 * @throws CommandError where the settings can't be used: 64 where the options contradict each other, 78 where
 * the system's own settings are at fault
 */
export function openResolver(options: DnsOptions, clock: () => number, io: Io): Resolver {
  return resolverMade({ ...resolverSettings(options, clock), onNotice: showNotice(io) }, createResolver);
}

/** @throws CommandError as above */
export function resolverMade(
  settings: ResolverOptions,
  make: (settings: ResolverOptions) => Resolver,
): Resolver {
  try {
    return make(settings);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new CommandError(
      settings.upstream === 'system' ? EXIT.CONFIG : EXIT.USAGE,
      `--resolver: ${error.message}`,
    );
  }
}

/** On standard error, so that it stands in nobody's data. */
export const showNotice =
  ({ stderr }: Io) =>
  ({ text }: Pick<Notice, 'text'>): void => {
    if (stderr.isTTY) stderr.write(ERASE_LINE);
    stderr.write(`${hanging('danelaw: ', printable(text), widthOf(stderr)).join('\n')}\n`);
  };

/** Runs `work` with a resolver that is closed afterwards, whatever happens. */
export async function withResolver<T>(
  options: DnsOptions,
  clock: () => number,
  io: Io,
  work: (resolver: Resolver) => Promise<T>,
): Promise<T> {
  const resolver = openResolver(options, clock, io);
  try {
    return await work(resolver);
  } finally {
    await resolver.close();
  }
}
