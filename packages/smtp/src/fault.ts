/**
 * Why a connection to one address came to nothing. Thrown inside this package, and turned into a value - an
 * `Attempt` - at its edge: callers of `deliver` and `probe` never see it thrown.
 */
import { formatReply, type Reply } from './reply.js';
import type { Stage } from './timeouts.js';

export type FaultKind =
  /** No TCP connection: refused, unreachable. */
  | 'connect'
  /** Nothing came for as long as the stage allows. */
  | 'timeout'
  /** The server, or the network, ended the connection. */
  | 'closed'
  /** What came is no SMTP reply, or a reply that nobody asked for. */
  | 'protocol'
  /** The server answered, and refused: greeting, EHLO, STARTTLS, or 421 at any time. */
  | 'refused'
  /** The policy asks for TLS and the server does not offer it. */
  | 'starttls-not-offered'
  /** The TLS handshake failed. */
  | 'handshake'
  /** The TLS session stands, but the server is not who the policy asks for. */
  | 'unauthenticated'
  /** RFC 4954: the relay that the policy table names could not be logged in at. */
  | 'login'
  /** RFC 8689: the message asks for REQUIRETLS and the server does not offer it. */
  | 'requiretls-not-offered'
  /** The time for this delivery is over. */
  | 'deadline'
  /** We did not go on: the caller did not want the end of the message sent, or gave no permit to connect. */
  | 'withheld';

/** RFC 8460 section 4.3: the result types that a TLS report counts. */
export type FailureType =
  | 'starttls-not-supported'
  | 'certificate-host-mismatch'
  | 'certificate-expired'
  | 'certificate-not-trusted'
  | 'validation-failure'
  | 'tlsa-invalid'
  | 'dnssec-invalid'
  | 'dane-required'
  | 'sts-policy-fetch-error'
  | 'sts-policy-invalid'
  | 'sts-webpki-invalid';

/**
 * Whose demand it is that was not met, as a TLS report sorts failures: the host's TLSA records, the domain's
 * MTA-STS policy, or what our administrator or the message asks, which is no fault of the domain's. `any`: TLS
 * itself failed, whatever was demanded.
 */
export type Demand = 'tlsa' | 'sts' | 'local' | 'any';

export class SmtpFault extends Error {
  override readonly name = 'SmtpFault';
  readonly kind: FaultKind;
  readonly stage: Stage;
  /** The reply that said no, where it was a reply. */
  readonly reply: Reply | undefined;
  readonly failureType: FailureType | undefined;
  /** What happened, without saying when: for a fault that is noticed at a later stage than it came. */
  readonly happened: string;

  constructor(
    kind: FaultKind,
    stage: Stage,
    message: string,
    more: { reply?: Reply; failureType?: FailureType; happened?: string } = {},
  ) {
    super(message);
    this.kind = kind;
    this.stage = stage;
    this.reply = more.reply;
    this.failureType = more.failureType;
    this.happened = more.happened ?? message;
  }
}

const STAGE_WORDS: Readonly<Record<Stage, string>> = {
  connect: 'connecting',
  greeting: 'waiting for the greeting',
  ehlo: 'waiting for the reply to EHLO',
  starttls: 'waiting for the reply to STARTTLS',
  handshake: 'negotiating TLS',
  auth: 'logging in',
  mail: 'waiting for the reply to MAIL',
  rcpt: 'waiting for the reply to RCPT',
  data: 'waiting for the reply to DATA',
  'data-block': 'sending the message',
  'data-end': 'waiting for the reply to the end of the message',
  quit: 'waiting for the reply to QUIT',
};

export function stageWords(stage: Stage): string {
  return STAGE_WORDS[stage];
}

export function refused(stage: Stage, reply: Reply): SmtpFault {
  return new SmtpFault(
    'refused',
    stage,
    `the server refused while we were ${stageWords(stage)}: ${formatReply(reply)}`,
    {
      reply,
    },
  );
}

/** What a rejection says, for people. */
export const errorWords = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
