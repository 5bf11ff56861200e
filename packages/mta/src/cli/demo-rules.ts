/** What the administrator of the demonstration's sender decided about single domains: its policy table. */
import type { Internet } from '@danelaw/lab';

/** One rule as the configuration file has it (`docs/policy.md`). */
export interface LocalRuleSetting {
  readonly domain: string;
  readonly level: string;
  readonly hosts?: readonly string[];
  readonly audit?: { readonly reason: string; readonly expires: Date };
}

const DAY = 86_400_000;

/** @param level where a scenario's rule says none */
export function localRules(
  { scenarios, clock }: Pick<Internet, 'scenarios' | 'clock'>,
  level: 'dane' | 'dane-only',
): LocalRuleSetting[] {
  const expires = new Date(clock() + DAY);
  return scenarios.flatMap(({ domain, local }) => {
    if (local === undefined) return [];
    const { hosts, audit } = local;
    return {
      domain,
      level: local.level ?? level,
      ...(hosts === undefined ? {} : { hosts }),
      ...(audit === undefined ? {} : { audit: { reason: audit, expires } }),
    };
  });
}
