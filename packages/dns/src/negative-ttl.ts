/** How long an absence may be believed (RFC 2308 section 5). */
import type { Message } from './message.js';
import { parseRdata } from './record.js';
import { RRTYPE } from './rrtype.js';
import { WireError } from './wire.js';

/** Seconds: the lower of the SOA's TTL and its minimum field; 0, which is not at all, where there is no SOA. */
export function negativeTtl(message: Message): number {
  const soa = message.authority.find((record) => record.type === RRTYPE.SOA);
  if (soa === undefined) return 0;
  try {
    const data = parseRdata(soa.type, soa.rdata);
    return data.type === 'SOA' ? Math.min(soa.ttl, data.minimum) : 0;
  } catch (error) {
    if (error instanceof WireError) return 0;
    throw error;
  }
}
