/**
 * The events of the log that are written with the level `warn` or `error`. Searches and alarms hang on their names;
 * `docs/troubleshooting.md` has an entry for each, and a test holds it to that.
 */
export const TROUBLE_EVENTS = [
  'acceptance',
  'attempt',
  'body-lost',
  'bounced',
  'claim-lost',
  'connection',
  'deferred',
  'destination',
  'dkim',
  'exception',
  'http',
  'internal',
  'listener',
  'log',
  'maildrop',
  'mta-sts',
  'overlooked',
  'queue',
  'refused',
  'reload',
  'resolver',
  'stopping',
  'thread',
  'tls-reports',
] as const;

export type TroubleEvent = (typeof TROUBLE_EVENTS)[number];
