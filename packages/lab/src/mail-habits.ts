/**
 * How a mail host is described: its certificate, the TLSA records its owner published, and its habits.
 *
 * All of it is data, so that a scenario reads as a list of what is the matter with each host:
 *
 *     'mx.good.example':     { tlsa: ['3 1 1'] }
 *     'mx.swapped.example':  { tlsa: ['3 1 1'], habits: { presents: { issuer: 'Attacker' } } }
 *     'mx.stripped.example': { tlsa: ['3 1 1'], habits: { starttls: 'stripped' } }
 *     'mx.busy.example':     { habits: { on: { rcpt: '450 4.2.1 Try again later' } } }
 */
import type { TlsaRecord } from '@danelaw/dane';
import type { DnsNameConstraints, KeyPurpose, KeyUsageName, OtherNames, Validity } from './certificate.js';
import type { KeyKind, SignatureHash } from './certificate-key.js';

export interface MailHostSpec {
  /**
   * What the owner of the host made, and what `tlsa` is about. Default: self-signed, for the host's own name.
   */
  readonly certificate?: CertificateSpec;
  /** Where there are several certificates, the one for each name in SNI; `certificate` is for all others. */
  readonly certificatesByName?: Readonly<Record<string, CertificateSpec>>;
  /** A second one of another kind of key, for the clients that offer that kind of signature alone. */
  readonly secondCertificate?: CertificateSpec;
  readonly tlsa?: readonly TlsaSpec[];
  readonly habits?: MailHabits;
}

/** The certificates' dates: as of the lab's clock, or in full. */
export type ValiditySpec = 'current' | 'expired' | 'not-yet-valid' | Validity;

interface CommonCertificateSpec {
  readonly validity?: ValiditySpec;
  readonly key?: KeyKind;
  readonly signatureHash?: SignatureHash;
  readonly keyUsage?: readonly KeyUsageName[];
  readonly extendedKeyUsage?: readonly KeyPurpose[];
  readonly unknownCriticalExtension?: boolean;
  readonly spoiledSignature?: boolean;
}

/** One authority of a scenario; the key in its table is its name, to which the other specs refer. */
export interface AuthoritySpec extends CommonCertificateSpec {
  /** The authority above. Without one it is a root. */
  readonly parent?: string;
  /** The name written into the certificate, where two authorities are to have the same. Default: the key. */
  readonly name?: string;
  /** Has the key of that authority: a cross-certificate. */
  readonly sameKeyAs?: string;
  readonly pathLength?: number;
  readonly nameConstraints?: DnsNameConstraints;
  readonly basicConstraints?: 'ca' | 'not-ca' | 'absent';
}

export interface CertificateSpec extends CommonCertificateSpec {
  /** The authority that signs. Without one it is self-signed. */
  readonly issuer?: string;
  /** dNSName entries. Default: the host's name. */
  readonly names?: readonly string[];
  readonly commonName?: string;
  readonly otherNames?: OtherNames;
  /**
   * What follows the leaf on the wire, in this order. Default `full`: every certificate up to the root, since
   * a DANE-TA anchor MUST be sent (RFC 7672 section 3.1.2). In a list, each entry is an authority's name,
   * `leaf`, or `stranger` (a certificate that has nothing to do with the matter); whatever is named twice is
   * sent twice.
   */
  readonly chain?: 'full' | 'without-root' | 'leaf-only' | readonly string[];
}

/** Usage, selector and matching type, as in `3 1 1`. */
export type TlsaParameters = `${number} ${number} ${number}`;

/**
 * A TLSA record of the host. Parameters alone speak of the usual certificate: the leaf for usages 1 and 3,
 * its issuer for 0 and 2. `of` names an authority, `leaf`, `second` (the second certificate), or `stranger` (a key that no
 * server has).
 */
export type TlsaSpec =
  | TlsaParameters
  | { readonly parameters: TlsaParameters; readonly of: string }
  | { readonly parameters: TlsaParameters; readonly hex: string }
  | TlsaRecord;

export interface MailHabits {
  /** Lines of the EHLO reply besides STARTTLS. Default: see `DEFAULT_CAPABILITIES`. */
  readonly capabilities?: readonly string[];
  /** The same after STARTTLS, where they differ: a client must ask anew (RFC 3207 section 4.2). */
  readonly capabilitiesAfterTls?: readonly string[];
  /**
   * `stripped`: not offered, and the command unknown, as after an attack on the EHLO reply. Default:
   * `offered`.
   */
  readonly starttls?: 'offered' | 'stripped';
  /**
   * Sent in clear in one packet with the 220 to STARTTLS, for the client to throw away (RFC 3207 section
   * 4.2).
   */
  readonly injectAfter220?: string;
  /** Once the client's first TLS message is there. Default: the handshake is made. */
  readonly handshake?: HandshakeHabit;
  readonly minVersion?: TlsVersion;
  readonly maxVersion?: TlsVersion;
  /** What is presented instead of the host's own certificate: an attacker's, or one that nobody published. */
  readonly presents?: CertificateSpec;
  /** A client without SNI: gets the usual certificate (default), is sent an alert, or is dropped. */
  readonly withoutSni?: UnservedName;
  /**
   * A client that asks for a name which `certificatesByName` doesn't have (the host's own name counts as
   * had).
   */
  readonly unknownName?: UnservedName;
  /** What is done at a stage instead of the usual reply. */
  readonly on?: Partial<Readonly<Record<Stage, StageHabit>>>;
  /** The same for single recipients, before `on.rcpt`; addresses are compared without regard to case. */
  readonly recipients?: Readonly<Record<string, StageHabit>>;
}

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
export type UnservedName = 'usual' | 'alert' | 'drop';

/** `drop-when-done`: the handshake is completed, then the connection closed. */
export type HandshakeHabit = 'silence' | 'drop' | 'reset' | 'garbage' | 'alert' | 'drop-when-done';

/** `content` is the final dot, `ehloAfterTls` the EHLO inside TLS (default: as `ehlo`). */
export type Stage =
  | 'greeting'
  | 'ehlo'
  | 'ehloAfterTls'
  | 'helo'
  | 'starttls'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'content'
  | 'rset'
  | 'quit';

/** A reply of one line: `450 4.2.1 Mailbox busy`. */
export type ReplyLine = `${number} ${string}`;

/**
 * What is done at one stage. A reply whose code is positive has the usual effect, any other none. A 421
 * closes the connection after it (RFC 5321 section 3.8).
 */
export type StageHabit =
  /** As if there were no habit; for `inTurn`. */
  | 'usual'
  | ReplyLine
  /** Nothing more is ever said. */
  | 'silence'
  /** The connection is closed in order, without a reply. */
  | 'drop'
  /** The connection is reset (TCP RST). */
  | 'reset'
  /** Continuation lines of a reply without end. */
  | 'endless'
  /** One reply line without end. */
  | 'endless-line'
  /** Octets that are no SMTP. */
  | 'garbage'
  /** A reply of several lines: all the same code, `lines` without it. */
  | { readonly code: number; readonly lines: readonly string[] }
  /** Sent as it is, octet by octet (latin1); then the server waits for the next command. */
  | { readonly verbatim: string }
  /** The reply, one octet every so many milliseconds. */
  | { readonly slowly: ReplyLine; readonly everyMs: number }
  /** The reply, then the connection is closed. */
  | { readonly thenDrop: ReplyLine }
  /** The first time the first, and so on, over all connections; the last stays. */
  | { readonly inTurn: readonly StageHabit[] };

/** What today's servers commonly offer. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  'PIPELINING',
  'SIZE 52428800',
  '8BITMIME',
  'SMTPUTF8',
  'ENHANCEDSTATUSCODES',
];
