/** `[tls_reports]` of the configuration: whether sessions are counted and reported (RFC 8460), and in whose name. */
import { parseAddress } from '../address.js';
import type { Table } from './table.js';

export interface TlsReportsConfig {
  readonly enabled: boolean;
  readonly organization: string | undefined;
  /** A mailbox, in A-labels. */
  readonly contact: string | undefined;
  /** The same; `contact` where it is left out. */
  readonly from: string | undefined;
}

/** @throws ConfigError */
export function readTlsReportsConfig(table: Table): TlsReportsConfig {
  const enabled = table.boolean('enabled') ?? false;
  const organization = table.string('organization');
  const contact = mailboxOf(table, 'contact');
  const from = mailboxOf(table, 'from');
  table.end();
  if (enabled && (organization === undefined || organization === '')) {
    throw table.error('organization', 'is missing: it stands in every report');
  }
  if (organization !== undefined && /\p{Cc}/u.test(organization)) {
    throw table.error('organization', 'has a line end or another control character in it');
  }
  if (enabled && contact === undefined) throw table.error('contact', 'is missing: it stands in every report');
  return { enabled, organization, contact, from };
}

function mailboxOf(table: Table, key: string): string | undefined {
  const text = table.string(key);
  if (text === undefined) return undefined;
  const parsed = parseAddress(text);
  if (parsed.ok && !parsed.mailbox.utf8) return parsed.mailbox.address;
  const reason = parsed.ok ? 'its local part is not ASCII' : parsed.reason;
  throw table.error(key, `"${text}" is no address for reports: ${reason}`);
}
