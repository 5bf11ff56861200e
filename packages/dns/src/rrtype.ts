/** Resource record types and response codes, by number and by mnemonic (RFC 1035, RFC 3597 section 5). */

export const RRTYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  NSEC3: 50,
  NSEC3PARAM: 51,
  TLSA: 52,
  CDS: 59,
  CDNSKEY: 60,
  SVCB: 64,
  HTTPS: 65,
  TSIG: 250,
  CAA: 257,
  ANY: 255,
} as const;

/** Mnemonics that stand in type bitmaps and zone files, of types that nothing here looks into. */
const OTHER_TYPES = {
  MD: 3,
  MF: 4,
  MB: 7,
  MG: 8,
  MR: 9,
  WKS: 11,
  HINFO: 13,
  MINFO: 14,
  RP: 17,
  AFSDB: 18,
  X25: 19,
  ISDN: 20,
  RT: 21,
  NSAP: 22,
  SIG: 24,
  KEY: 25,
  PX: 26,
  LOC: 29,
  NXT: 30,
  NAPTR: 35,
  KX: 36,
  CERT: 37,
  APL: 42,
  SSHFP: 44,
  IPSECKEY: 45,
  DHCID: 49,
  SMIMEA: 53,
  HIP: 55,
  OPENPGPKEY: 61,
  CSYNC: 62,
  ZONEMD: 63,
  SPF: 99,
  NID: 104,
  L32: 105,
  L64: 106,
  LP: 107,
  EUI48: 108,
  EUI64: 109,
  TKEY: 249,
  IXFR: 251,
  AXFR: 252,
  URI: 256,
  AVC: 258,
  TA: 32_768,
  DLV: 32_769,
} as const;

export const CLASS_IN = 1;
/** In updates: this is not to be there (RFC 2136 section 1.3). */
export const CLASS_NONE = 254;
export const CLASS_ANY = 255;

const MNEMONICS: readonly (readonly [string, number])[] = Object.entries({ ...RRTYPE, ...OTHER_TYPES });
const BY_NUMBER = new Map<number, string>(MNEMONICS.map(([mnemonic, number]) => [number, mnemonic]));
const BY_MNEMONIC = new Map<string, number>(MNEMONICS);

/** `TLSA`, or `TYPE65280` for a type that has no mnemonic here. */
export function typeName(type: number): string {
  return BY_NUMBER.get(type) ?? `TYPE${type}`;
}

/** The number of a mnemonic or `TYPEnnn`, in any case; undefined where it is neither. */
export function typeNumber(text: string): number | undefined {
  const upper = text.toUpperCase();
  const known = BY_MNEMONIC.get(upper);
  if (known !== undefined) return known;
  return numberBehind('TYPE', upper);
}

const CLASSES = new Map([
  ['IN', CLASS_IN],
  ['CH', 3],
  ['HS', 4],
]);

/** `IN`, or `CLASS32` (RFC 3597 section 5). */
export function className(rrclass: number): string {
  for (const [mnemonic, number] of CLASSES) if (number === rrclass) return mnemonic;
  return `CLASS${rrclass}`;
}

/** The number of a class's mnemonic or `CLASSnnn`, in any case; undefined where it is neither. */
export function classNumber(text: string): number | undefined {
  const upper = text.toUpperCase();
  return CLASSES.get(upper) ?? numberBehind('CLASS', upper);
}

function numberBehind(prefix: string, text: string): number | undefined {
  if (!text.startsWith(prefix)) return undefined;
  const digits = text.slice(prefix.length);
  const number = /^[0-9]{1,5}$/.test(digits) ? Number(digits) : Number.NaN;
  return number <= 0xffff ? number : undefined;
}

/** RFC 4034 appendix A.1 and the IANA registry of DNSSEC algorithm numbers. */
const ALGORITHMS = new Map([
  ['RSAMD5', 1],
  ['DSA', 3],
  ['RSASHA1', 5],
  ['DSA-NSEC3-SHA1', 6],
  ['RSASHA1-NSEC3-SHA1', 7],
  ['NSEC3RSASHA1', 7],
  ['RSASHA256', 8],
  ['RSASHA512', 10],
  ['ECDSAP256SHA256', 13],
  ['ECDSAP384SHA384', 14],
  ['ED25519', 15],
  ['ED448', 16],
]);

/** A DNSSEC algorithm's number, from its decimal or mnemonic form; undefined where it is neither. */
export function algorithmNumber(text: string): number | undefined {
  if (/^[0-9]{1,3}$/.test(text)) return Number(text) <= 0xff ? Number(text) : undefined;
  return ALGORITHMS.get(text.toUpperCase());
}

export const OPCODE = { QUERY: 0, UPDATE: 5 } as const;

export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  YXDOMAIN: 6,
  YXRRSET: 7,
  NXRRSET: 8,
  NOTAUTH: 9,
  NOTZONE: 10,
  BADVERS: 16,
  BADCOOKIE: 23,
} as const;

const RCODE_NAMES = new Map<number, string>(Object.entries(RCODE).map(([name, number]) => [number, name]));

export function rcodeName(rcode: number): string {
  return RCODE_NAMES.get(rcode) ?? `RCODE${rcode}`;
}
