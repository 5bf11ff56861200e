/**
 * Every code that a finding of `danelaw check`, `danelaw tlsa verify` and `danelaw watch` can have (those of `danelaw
 * tlsa create` are with its advice). Scripts and alarms hang on them, so they stay; `docs/troubleshooting.md` has an
 * entry for each, and a test holds it to that.
 */

/** Of a domain, its mail servers and their records. */
export const FINDING_CODES = [
  'authorities-unknown',
  'certificate-expired',
  'certificate-host-mismatch',
  'certificate-not-trusted',
  'clear-text',
  'combination-unmatched',
  'deployable',
  'ds-mismatch',
  'handshake',
  'host-bogus',
  'host-indeterminate',
  'implicit-mx',
  'invalid-domain',
  'mail-loop',
  'mx-bogus',
  'mx-indeterminate',
  'mx-insecure',
  'mx-record',
  'name-server-silent',
  'no-address',
  'no-such-domain',
  'no-tlsa',
  'no-usable-host',
  'not-all-seen',
  'not-deployable',
  'null-mx',
  'old-tls',
  'partly-protected',
  'policy',
  'record-unmatched',
  'records-cached',
  'records-differ',
  'serials-differ',
  'signature-expired',
  'sni-enforced',
  'sni-refused',
  'starttls-missing',
  'sts-host-not-listed',
  'sts-policy-fetch-error',
  'sts-policy-invalid',
  'sts-webpki-invalid',
  'tlsa-bogus',
  'tlsa-indeterminate',
  'tlsa-invalid',
  'tlsa-mismatch',
  'tlsa-mismatch-without-sni',
  'tlsa-set-aside',
  'tlsa-unsigned',
  'tlsa-unusable',
  'unreachable',
  'unsigned-answer',
  'version-not-spoken',
] as const;

export type FindingCode = (typeof FINDING_CODES)[number];

/** What `danelaw watch` tells beside the findings. */
export const WATCH_CODES = [
  'certificate-expires',
  'no-tlsrpt',
  'signature-expires',
  'tlsrpt-indeterminate',
  'tlsrpt-invalid',
] as const;

export type WatchCode = (typeof WATCH_CODES)[number];
