/** The resolver of a survey: kept busy where it works for whoever runs the survey, sparing with strangers' name servers. */
import { createResolver, type Resolver, type ResolverOptions } from '@danelaw/dns';
import { politeTransport } from './polite-transport.js';

/** Questions to one name server at a time, by all threads, when it is we who iterate. No fewer than there are threads. */
export const QUESTIONS_AT_ONCE = 20;
/**
 * Octets of answers that are kept, by all threads. Each domain is asked about once; what many have in common, their providers'
 * hosts and the zones above them, is in use and stays.
 */
const CACHE_OCTETS = 8 * 1024 * 1024;

/**
 * @param threads that share the survey, each with a resolver of its own: `QUESTIONS_AT_ONCE` at most
 * @throws TypeError where an option is not valid
 */
export function openPoliteResolver(options: ResolverOptions, threads = 1): Resolver {
  const settings = { ...options, maxCacheOctets: Math.floor(CACHE_OCTETS / threads) };
  if (options.upstream !== 'iterate') return createResolver(settings);
  const transport = politeTransport(Math.floor(QUESTIONS_AT_ONCE / threads));
  const resolver = createResolver({ ...settings, transport });
  return {
    resolve: (...question) => resolver.resolve(...question),
    close: async () => {
      await resolver.close();
      await transport.close();
    },
  };
}
