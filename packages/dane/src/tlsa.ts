/** A TLSA record's four fields (RFC 6698 section 2.1), as every part of danelaw passes them on. */
export interface TlsaRecord {
  /** 0 PKIX-TA, 1 PKIX-EE, 2 DANE-TA, 3 DANE-EE (RFC 7218). */
  readonly usage: number;
  /** 0 the whole certificate, 1 its public key (SubjectPublicKeyInfo). */
  readonly selector: number;
  /** 0 the data itself, 1 SHA2-256, 2 SHA2-512. */
  readonly matchingType: number;
  readonly data: Uint8Array;
}

/** Octets of data that tell one record from the others in a sentence. */
const ABBREVIATED_OCTETS = 8;

/** `3 1 1 0123...` in full, for people and for logs. */
export function formatTlsa(record: TlsaRecord): string {
  return `${record.usage} ${record.selector} ${record.matchingType} ${Buffer.from(record.data).toString('hex')}`;
}

/** The same with the data cut short, for sentences. */
export function abbreviateTlsa(record: TlsaRecord): string {
  if (record.data.length <= ABBREVIATED_OCTETS) return formatTlsa(record);
  return `${formatTlsa({ ...record, data: record.data.subarray(0, ABBREVIATED_OCTETS) })}...`;
}
