/**
 * Counters in the text format of Prometheus. Label values are fixed words, or stand in the configuration: nobody outside
 * can add a series.
 */
import type { PolicyService } from './policy-service.js';

export function metricsText(service: PolicyService): string {
  const { questions, invalid, fromCache, lookedUp, prefetched, answers, exceptions } = service.counters;
  return [
    ...metric('questions_total', 'counter', 'Questions for a policy.', [['', questions]]),
    ...metric('invalid_keys_total', 'counter', 'Questions whose key is no destination.', [['', invalid]]),
    ...metric(
      'answers_total',
      'counter',
      'Answers by the policy that they gave.',
      Object.entries(answers).map(([policy, count]) => [`{policy="${policy}"}`, count]),
    ),
    ...metric(
      'exception_uses_total',
      'counter',
      'Answers by rules of local policy that end by themselves: exceptions and audits.',
      exceptions.map(({ use, count }) => [
        `{kind="${use.kind}",rule="${use.rule}",pattern="${use.pattern}"}`,
        count,
      ]),
    ),
    ...metric('cache_hits_total', 'counter', 'Answers from the cache.', [['', fromCache]]),
    ...metric('lookups_total', 'counter', 'Answers that were looked up, ahead of time or not.', [
      ['', lookedUp],
    ]),
    ...metric('prefetches_total', 'counter', 'Look-ups ahead of time.', [['', prefetched]]),
    ...metric('cache_entries', 'gauge', 'Answers that are kept.', [['', service.size]]),
    '',
  ].join('\n');
}

function metric(
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  samples: readonly (readonly [labels: string, value: number])[],
): string[] {
  const full = `danelaw_policy_${name}`;
  return [
    `# HELP ${full} ${help}`,
    `# TYPE ${full} ${type}`,
    ...samples.map(([labels, value]) => `${full}${labels} ${value}`),
  ];
}
