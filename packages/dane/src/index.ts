/** @danelaw/dane: which TLSA records apply to a server, and does this certificate chain match them. */
export type * from './finding.js';
export { formatTlsa, type TlsaRecord } from './tlsa.js';
